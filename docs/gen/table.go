package main

import (
	"fmt"
	"slices"
	"strings"

	"paragon/schema"
	"paragon/workflows"
)

// fieldTable describes the keys at a path of a document, or some of them.
func fieldTable(path string, names []string) (string, error) {
	place, err := schema.Explain(path)
	if err != nil {
		return "", err
	}
	if len(place.Fields) == 0 {
		return "", fmt.Errorf("%s has no keys", path)
	}
	var b strings.Builder
	b.WriteString("| key | type | |\n|---|---|---|\n")
	written := 0
	for _, f := range place.Fields {
		if len(names) > 0 && !slices.Contains(names, f.Name) {
			continue
		}
		written++
		kind := f.Type
		if len(f.Values) > 0 {
			kind = "`" + strings.Join(f.Values, "`, `") + "`"
		}
		doc := f.Doc
		if f.Required {
			doc = strings.TrimSpace("**Required.** " + doc)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.Name, cell(kind), cell(doc))
	}
	if len(names) > 0 && written != len(names) {
		return "", fmt.Errorf("%s has %d of the %d keys %s", path, written, len(names), strings.Join(names, ", "))
	}
	return b.String(), nil
}

// functionTable describes a group of functions.
func functionTable(group string) (string, error) {
	var b strings.Builder
	b.WriteString("| function | | example | is |\n|---|---|---|---|\n")
	written := 0
	for _, f := range workflows.Functions() {
		if f.Group != group {
			continue
		}
		written++
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | `%s` |\n", cell(f.Signature), cell(f.Doc), cell(f.Example), cell(f.Result))
	}
	if written == 0 {
		return "", fmt.Errorf("there is no group of functions %q", group)
	}
	return b.String(), nil
}

// cell makes a text fit for a cell of a table.
func cell(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}
