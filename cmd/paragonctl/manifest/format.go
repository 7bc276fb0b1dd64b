package manifest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/source"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows"
)

// FormatOptions are what `fmt` takes.
type FormatOptions struct {
	env    *command.Env
	source source.Flags
	check  bool
}

// NewFormat makes the fmt command.
func NewFormat(env *command.Env) *cobra.Command {
	o := &FormatOptions{env: env}
	cmd := &cobra.Command{
		Use:   "fmt [FILE...]",
		Short: "Write documents in the one layout",
		Long: `Write documents in the one layout, in place, and name the files that changed.
Comments, the order of keys and the meaning stay. Standard input (-f -) goes to
standard output. With --check nothing is written, and the exit code is 1 when a
file has another layout.`,
		Example: `  paragonctl fmt -f workflows/ -R
  paragonctl fmt --check -f workflows/ -R`,
		RunE: func(_ *cobra.Command, args []string) error {
			o.source.Paths = append(o.source.Paths, args...)
			return o.run()
		},
	}
	o.source.Register(cmd)
	cmd.Flags().BoolVar(&o.check, "check", false, "only name the files that would change")
	return cmd
}

func (o *FormatOptions) run() error {
	files, err := o.source.Read(o.env)
	if err != nil {
		return err
	}
	// Everything is formatted before anything is written.
	formatted := make([][]byte, len(files))
	var findings []schema.Diagnostic
	for i, f := range files {
		text, err := workflows.Format([]byte(f.Content))
		var diags workflows.Diagnostics
		if errors.As(err, &diags) {
			for _, d := range diags {
				d.File = f.Name
				findings = append(findings, d)
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("format %s: %w", f.Name, err)
		}
		formatted[i] = text
	}
	if len(findings) > 0 {
		return fmt.Errorf("fmt: %w", (&source.Set{Findings: findings}).Invalid())
	}
	changed := false
	for i, f := range files {
		same := string(formatted[i]) == f.Content
		changed = changed || !same
		switch {
		case f.Name == source.Stdin && !o.check:
			if _, err := o.env.Out.Write(formatted[i]); err != nil {
				return err
			}
		case same:
		default:
			if err := o.changed(f, formatted[i]); err != nil {
				return err
			}
		}
	}
	if o.check && changed {
		return &command.Quiet{Code: command.ExitFailure}
	}
	return nil
}

func (o *FormatOptions) changed(f api.File, text []byte) error {
	if !o.check {
		if err := replaceFile(filepath.FromSlash(f.Name), text); err != nil {
			return fmt.Errorf("format %s: %w", f.Name, err)
		}
	}
	_, err := fmt.Fprintln(o.env.Out, terminal.Safe(f.Name))
	return err
}

// replaceFile writes a file in one step, with the mode that it has.
func replaceFile(path string, text []byte) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(text)
	if err == nil {
		err = tmp.Chmod(info.Mode().Perm())
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}
