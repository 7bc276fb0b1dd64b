package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gen DOCS")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// pages are those with generated parts.
var pages = []string{"language.md", "testing.md", "metrics.md", "connect.md", "destinations.md", "limits.md"}

// run writes the tables of the pages in a directory anew.
func run(dir string) error {
	for _, name := range pages {
		if err := rewrite(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

func rewrite(file string) error {
	before, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	after, err := fill(before)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if bytes.Equal(before, after) {
		return nil
	}
	return os.WriteFile(file, after, 0o644)
}

// block is a generated part: its mark says what stands in it.
var block = regexp.MustCompile(`(?s)(<!-- generated: ([^\n]+) -->\n).*?(<!-- end -->)`)

// fill writes every generated part of a page.
func fill(page []byte) ([]byte, error) {
	if opens, whole := bytes.Count(page, []byte("<!-- generated:")), len(block.FindAll(page, -1)); opens != whole {
		return nil, fmt.Errorf("%d generated parts begin and %d end", opens, whole)
	}
	var failed error
	out := block.ReplaceAllFunc(page, func(part []byte) []byte {
		m := block.FindSubmatch(part)
		text, err := generate(strings.Fields(string(m[2])))
		if err != nil && failed == nil {
			failed = err
		}
		return []byte(string(m[1]) + text + string(m[3]))
	})
	return out, failed
}

// generate writes what a mark asks for.
func generate(words []string) (string, error) {
	switch {
	case len(words) >= 2 && words[0] == "fields":
		return fieldTable(words[1], words[2:])
	case len(words) == 2 && words[0] == "functions":
		return functionTable(words[1])
	case len(words) == 1 && words[0] == "metrics":
		return metricTable(), nil
	case len(words) == 2 && words[0] == "limits":
		return limitTable(words[1])
	case len(words) == 1 && words[0] == "ranges":
		return rangeTable()
	}
	return "", fmt.Errorf("nothing is known of %q: write fields PATH [NAME…], functions GROUP, metrics, limits GROUP or ranges", strings.Join(words, " "))
}
