package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"paragon/schema"
)

// unit says how a number is written.
type unit int

const (
	count unit = iota
	size       // bytes
	span       // a time
	mebi       // MiB
)

func (u unit) text(v int64) string {
	switch u {
	case size:
		for _, s := range []struct {
			shift uint
			name  string
		}{{30, "GiB"}, {20, "MiB"}, {10, "KiB"}} {
			if v >= 1<<s.shift && v%(1<<s.shift) == 0 {
				return fmt.Sprintf("%d %s", v>>s.shift, s.name)
			}
		}
		return grouped(v) + " bytes"
	case mebi:
		return fmt.Sprintf("%d MiB", v)
	case span:
		for _, s := range []struct {
			unit int64
			name string
		}{{24 * times["Hour"], "d"}, {times["Hour"], "h"}, {times["Minute"], "min"}, {times["Second"], "s"}} {
			if v >= s.unit && v%s.unit == 0 {
				return fmt.Sprintf("%d %s", v/s.unit, s.name)
			}
		}
		return fmt.Sprintf("%d ms", v/times["Millisecond"])
	}
	return grouped(v)
}

// grouped writes a number with commas.
func grouped(v int64) string {
	text := strconv.FormatInt(v, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// limitTable lists the limits of a group.
func limitTable(group string) (string, error) {
	var b strings.Builder
	b.WriteString("| what | limit | beyond it |\n|---|---|---|\n")
	rooms, written := map[string]constants{}, 0
	for _, l := range limits {
		if l.group != group {
			continue
		}
		written++
		room, name, _ := strings.Cut(l.constant, ".")
		if rooms[room] == nil {
			all, err := constantsOf(filepath.Join(root(), room))
			if err != nil {
				return "", err
			}
			rooms[room] = all
		}
		e, ok := rooms[room][name]
		if !ok {
			return "", fmt.Errorf("%s is no constant", l.constant)
		}
		v, err := rooms[room].value(e)
		if err != nil {
			return "", fmt.Errorf("%s: %w", l.constant, err)
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", l.what, l.unit.text(v), l.beyond)
	}
	if written == 0 {
		return "", fmt.Errorf("there is no group of limits %q", group)
	}
	return b.String(), nil
}

// rangeTable lists the keys of documents whose numbers have bounds.
func rangeTable() (string, error) {
	type node struct {
		Minimum, Maximum *float64
		Properties       map[string]*node
		Definitions      map[string]*node
	}
	var b strings.Builder
	b.WriteString("| key | of | from | to |\n|---|---|---|---|\n")
	for _, kind := range schema.DocumentKinds {
		data, ok := schema.JSONSchema(kind)
		if !ok {
			return "", fmt.Errorf("there is no schema of %s", kind)
		}
		var top node
		if err := json.Unmarshal(data, &top); err != nil {
			return "", err
		}
		for _, object := range slices.Sorted(maps.Keys(top.Definitions)) {
			properties := top.Definitions[object].Properties
			for _, key := range slices.Sorted(maps.Keys(properties)) {
				if p := properties[key]; p.Maximum != nil {
					from := int64(0)
					if p.Minimum != nil {
						from = int64(*p.Minimum)
					}
					fmt.Fprintf(&b, "| `%s` | %s of a `%s` | %d | %s |\n", key, objectName(object), kind, from, grouped(int64(*p.Maximum)))
				}
			}
		}
	}
	return b.String(), nil
}

// objectName is how a page names a definition: ForEachStep is forEach.
func objectName(definition string) string {
	for _, end := range []string{"Spec", "Step"} {
		definition = strings.TrimSuffix(definition, end)
	}
	return "`" + strings.ToLower(definition[:1]) + definition[1:] + "`"
}
