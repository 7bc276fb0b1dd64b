package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/schema/api"
)

// maxSource bounds all files together, in bytes.
const maxSource = 32 << 20

// Stdin is the name of the file that came from standard input.
const Stdin = "stdin"

// Flags are -f and -R of a command.
type Flags struct {
	Paths     []string
	Recursive bool
}

// Register adds the flags to a command.
func (f *Flags) Register(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&f.Paths, "filename", "f", nil, "file or directory to read, or - for standard input (repeatable)")
	cmd.Flags().BoolVarP(&f.Recursive, "recursive", "R", false, "read directories below the directory, too")
}

// Read returns the files that the paths name: a file as it is, of a directory
// those that end in .yaml or .yml, in the order of their names.
func (f *Flags) Read(env *command.Env) ([]api.File, error) {
	if len(f.Paths) == 0 {
		return nil, &command.Failure{Code: command.ExitUsage, Err: errors.New("nothing to read: -f is missing"), Try: "-f FILE, -f DIRECTORY, or -f - for standard input"}
	}
	var (
		files []api.File
		seen  = map[string]bool{}
		size  int
		stdin bool
	)
	add := func(name string, text []byte) error {
		if size += len(text); size > maxSource {
			return invalid(fmt.Errorf("the files hold more than %d MiB", maxSource>>20))
		}
		files = append(files, api.File{Name: filepath.ToSlash(name), Content: string(text)})
		return nil
	}
	for _, path := range f.Paths {
		if path == "-" {
			if stdin {
				return nil, command.Usage("-f - can be given once")
			}
			stdin = true
			text, err := io.ReadAll(io.LimitReader(env.In, maxSource+1))
			if err != nil {
				return nil, fmt.Errorf("read standard input: %w", err)
			}
			if err := add(Stdin, text); err != nil {
				return nil, err
			}
			continue
		}
		names, err := expand(path, f.Recursive)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			// The same file by two ways would define everything twice.
			if clean := filepath.Clean(name); seen[clean] {
				continue
			} else {
				seen[clean] = true
			}
			text, err := os.ReadFile(name)
			if err != nil {
				return nil, invalid(fmt.Errorf("read the documents: %w", err))
			}
			if err := add(name, text); err != nil {
				return nil, err
			}
		}
	}
	if len(files) == 0 {
		return nil, invalid(fmt.Errorf("there is no .yaml or .yml file in %s", strings.Join(f.Paths, ", ")))
	}
	return files, nil
}

// expand lists the files that a path stands for.
func expand(path string, recursive bool) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, invalid(fmt.Errorf("read the documents: %w", err))
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var names []string
	// WalkDir goes in the order of names.
	err = filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name == path {
			return nil
		}
		hidden := strings.HasPrefix(entry.Name(), ".")
		if entry.IsDir() {
			if hidden || !recursive {
				return filepath.SkipDir
			}
			return nil
		}
		if ext := filepath.Ext(name); !hidden && (ext == ".yaml" || ext == ".yml") {
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		return nil, invalid(fmt.Errorf("read the documents: %w", err))
	}
	return names, nil
}

func invalid(err error) error { return &command.Failure{Code: command.ExitInvalid, Err: err} }
