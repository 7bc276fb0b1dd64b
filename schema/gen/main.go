package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// run writes the schema of each kind into dir/jsonschema.
func run(dir string) error {
	structs, err := readStructs(dir)
	if err != nil {
		return err
	}
	for _, k := range kinds {
		data, err := generate(structs, k)
		if err != nil {
			return err
		}
		file := filepath.Join(dir, "jsonschema", k.file)
		if old, err := os.ReadFile(file); err == nil && bytes.Equal(old, data) {
			continue
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
