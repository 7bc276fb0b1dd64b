package manifest

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
)

// scaffold is what init writes, file by file.
//
//go:embed all:scaffold
var scaffold embed.FS

// InitOptions are what `init` takes.
type InitOptions struct {
	env *command.Env
	dir string
}

// NewInit makes the init command.
func NewInit(env *command.Env) *cobra.Command {
	o := &InitOptions{env: env, dir: "."}
	return &cobra.Command{
		Use:   "init [DIRECTORY]",
		Short: "Start a repository of workflows",
		Long: `Start a repository of workflows: a first workflow, its test, a secret's document, the schemas by
which an editor checks and completes them, and pipelines for GitHub Actions, GitLab CI and
a plain shell. Files that are there are never replaced.`,
		Example: `  paragonctl init
  paragonctl init my-workflows`,
		Args: command.Args(0, 1, "a directory"),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.dir = args[0]
			}
			return o.run()
		},
	}
}

func (o *InitOptions) run() error {
	var names []string
	texts := map[string][]byte{}
	err := fs.WalkDir(scaffold, "scaffold", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		names = append(names, path)
		texts[path], err = scaffold.ReadFile(path)
		return err
	})
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	for _, kind := range schema.DocumentKinds {
		if text, ok := schema.JSONSchema(kind); ok {
			name := "scaffold/schemas/" + kind.Singular() + ".json"
			names, texts[name] = append(names, name), text
		}
	}
	target := func(name string) string {
		rel, _ := filepath.Rel("scaffold", filepath.FromSlash(name))
		return filepath.Join(o.dir, rel)
	}
	// All or nothing: look first, write then.
	for _, name := range names {
		if _, err := os.Lstat(target(name)); err == nil {
			return &command.Failure{Code: command.ExitConflict, Err: fmt.Errorf("init: %s is there already", target(name)), Try: "`paragonctl init DIRECTORY` with another directory"}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("init: %w", err)
		}
	}
	for _, name := range names {
		path, mode := target(name), fs.FileMode(0o666)
		if filepath.Ext(name) == ".sh" {
			mode = 0o777
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return fmt.Errorf("init: %w", err)
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if err != nil {
			return fmt.Errorf("init: %w", err)
		}
		_, err = f.Write(texts[name])
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return fmt.Errorf("init: %w", err)
		}
		fmt.Fprintf(o.env.Out, "%s written\n", terminal.Safe(filepath.ToSlash(path)))
	}
	fmt.Fprintf(o.env.Err, "Next: `paragonctl test -f %[2]s`, `paragonctl apply -f %[1]s`, then `paragonctl trigger hello --input '{\"name\": \"Ada\"}' --wait`\n",
		terminal.Safe(filepath.ToSlash(filepath.Join(o.dir, "workflows"))), terminal.Safe(filepath.ToSlash(filepath.Join(o.dir, "tests"))))
	return nil
}
