package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: licences FILE")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

const head = `# Licences

The modules that are linked into ` + "`paragond` and `paragonctl`" + ` on Linux, and their licences. This page is made by
` + "`make generate`" + `, which fails for a module whose licence it does not know. A release has an SBOM
of each program and of the image.

| module | licence |
|---|---|
`

func run(file string) error {
	dirs, err := linked()
	if err != nil {
		return err
	}
	var page strings.Builder
	page.WriteString(head)
	var unknown []error
	for _, m := range dirs {
		licence, err := licenceOf(m.dir)
		if err != nil {
			unknown = append(unknown, fmt.Errorf("%s: %w", m.path, err))
		}
		fmt.Fprintf(&page, "| %s | %s |\n", m.path, licence)
	}
	if len(unknown) > 0 {
		return errors.Join(unknown...)
	}
	if before, err := os.ReadFile(file); err == nil && string(before) == page.String() {
		return nil
	}
	return os.WriteFile(file, []byte(page.String()), 0o644)
}

type module struct{ path, dir string }

// linked are the modules of the programs, by path, without Paragon itself.
func linked() ([]module, error) {
	cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Dir}}{{end}}{{end}}",
		"paragon/cmd/paragond", "paragon/cmd/paragonctl")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	lines := strings.Fields(string(out))
	var all []module
	for i := 0; i+1 < len(lines); i += 2 {
		all = append(all, module{lines[i], lines[i+1]})
	}
	slices.SortFunc(all, func(a, b module) int { return strings.Compare(a.path, b.path) })
	return slices.Compact(all), nil
}

// licenceOf reads the licence that a module's folder holds.
func licenceOf(dir string) (string, error) {
	var files []string
	for _, pattern := range []string{"LICEN[SC]E*", "[Ll]icen[sc]e*", "COPYING*"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return "", err
		}
		files = append(files, found...)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // a folder of licences
		}
		if name := classify(string(text)); name != "" {
			return name, nil
		}
	}
	return "", fmt.Errorf("no licence that is known here in %v: read it, and teach docs/licences its words or leave the module", files)
}

// classify names a licence by the words that only it has; empty for one that
// is not known.
func classify(text string) string {
	words := strings.Join(strings.Fields(text), " ")
	has := func(parts ...string) bool {
		return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(words, p) })
	}
	switch {
	case has("Apache License", "Version 2.0"):
		return "Apache-2.0"
	case has("Mozilla Public License", "2.0"):
		return "MPL-2.0"
	case has("Redistribution and use in source and binary forms", "Neither the name"),
		has("Redistribution and use in source and binary forms", "may not be used to endorse"):
		return "BSD-3-Clause"
	case has("Redistribution and use in source and binary forms"):
		return "BSD-2-Clause"
	case has("Permission is hereby granted, free of charge"):
		return "MIT"
	case has("Permission to use, copy, modify, and/or distribute this software for any purpose"),
		has("Permission to use, copy, modify, and distribute this software for any purpose"):
		return "ISC"
	case has("CC0 1.0 Universal"):
		return "CC0-1.0"
	case has("This is free and unencumbered software released into the public domain"):
		return "Unlicense"
	}
	return ""
}
