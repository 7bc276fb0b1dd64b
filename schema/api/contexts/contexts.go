package contexts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Context is one connection.
type Context struct {
	// Server is the address ("https://paragon.example.org").
	Server string `json:"server"`
	// Project is the project to work in; empty is the default one.
	Project string `json:"project,omitempty"`
	// Token is the token of an API key. It is a secret.
	Token string `json:"token,omitempty"`
}

// File is the content of the contexts file.
type File struct {
	// Current names the context that is used when nothing else is asked for.
	Current string `json:"current,omitempty"`
	// Contexts holds the contexts by name.
	Contexts map[string]Context `json:"contexts"`
}

// maxFile bounds what is read, in bytes.
const maxFile = 1 << 20

// Path is where the file is: $PARAGON_CONFIG, or paragon/config.json in
// $XDG_CONFIG_HOME, or else in ~/.config. getenv is os.Getenv outside tests.
func Path(getenv func(string) string) (string, error) {
	if path := getenv("PARAGON_CONFIG"); path != "" {
		return path, nil
	}
	// The XDG base directory specification: a relative path is to be ignored.
	if dir := getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "paragon", "config.json"), nil
	}
	home := getenv("HOME")
	if home == "" {
		return "", errors.New("no place for the contexts file: set PARAGON_CONFIG to a path, or HOME")
	}
	return filepath.Join(home, ".config", "paragon", "config.json"), nil
}

// Load reads the file. One that does not exist is empty.
func Load(path string) (*File, error) {
	f := &File{Contexts: map[string]Context{}}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f, nil
	case err != nil:
		return nil, fmt.Errorf("read the contexts file: %w", err)
	case len(text) > maxFile:
		return nil, fmt.Errorf("the contexts file %s is longer than %d KiB", path, maxFile>>10)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(f); err != nil {
		// The decoder's words could quote a token, so they stay out.
		return nil, fmt.Errorf("the contexts file %s is not the JSON that it should be: correct it, or move it away and log in again", path)
	}
	if f.Contexts == nil {
		f.Contexts = map[string]Context{}
	}
	return f, nil
}

// Save replaces the file by f. Where others may write too, use Update.
func Save(path string, f *File) error {
	return locked(path, func() error { return write(path, f) })
}

// Update reads the file, lets change work on it and writes it back, alone
// among all that do so. When change fails nothing is written.
func Update(path string, change func(*File) error) error {
	return locked(path, func() error {
		f, err := Load(path)
		if err != nil {
			return err
		}
		if err := change(f); err != nil {
			return err
		}
		return write(path, f)
	})
}

// Set adds a context to the file, or replaces the one of that name. It becomes
// the current one when there is no current one yet.
func Set(path, name string, c Context) error {
	if err := CheckName(name); err != nil {
		return err
	}
	return Update(path, func(f *File) error {
		f.Contexts[name] = c
		if _, ok := f.Contexts[f.Current]; !ok {
			f.Current = name
		}
		return nil
	})
}

// Names lists the contexts by name.
func (f *File) Names() []string {
	names := make([]string, 0, len(f.Contexts))
	for name := range f.Contexts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// CheckName tells why a name can't be that of a context, or nil.
func CheckName(name string) error {
	if name == "" || len(name) > 63 {
		return fmt.Errorf("the name of a context has 1 to 63 characters, not %d", len(name))
	}
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.' {
			return fmt.Errorf("%q can't be the name of a context: use letters, digits, '-', '_' and '.'", name)
		}
	}
	return nil
}

// write puts the file in place in one step.
func write(path string, f *File) error {
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the contexts: %w", err)
	}
	// A file that is a link stays one: what it points to is replaced.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	// CreateTemp makes files of mode 0600.
	tmp, err := os.CreateTemp(filepath.Dir(path), ".config-*.json")
	if err != nil {
		return fmt.Errorf("write the contexts file: %w", err)
	}
	_, err = tmp.Write(append(text, '\n'))
	if err == nil {
		err = tmp.Sync()
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		os.Remove(tmp.Name())
		return fmt.Errorf("write the contexts file: %w", err)
	}
	return nil
}
