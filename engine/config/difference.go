package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"paragon/engine/store"
	"paragon/schema/api"
)

// maxChanges bounds the changes that are listed of one resource; what differs
// beyond it shows as the whole spec.
const maxChanges = 200

// fieldChanges lists the fields that a write changes, by path, a secret's
// value as its digest.
func fieldChanges(before, after store.Resource) ([]api.FieldChange, error) {
	after.Revision = before.Revision // so that a secret's version is no change
	x, err := shownValue(before)
	if err != nil {
		return nil, err
	}
	y, err := shownValue(after)
	if err != nil {
		return nil, err
	}
	d := difference{}
	d.compare("", x, y)
	if d.err != nil {
		return nil, d.err
	}
	if len(d.changes) > maxChanges {
		return []api.FieldChange{{Field: "spec", Before: shownSpec(before), After: shownSpec(after)}}, nil
	}
	return d.changes, nil
}

// shownValue is what can differ between two revisions of a resource.
func shownValue(r store.Resource) (any, error) {
	text, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"labels": r.Metadata.Labels, "annotations": r.Metadata.Annotations},
		"spec":     shownSpec(r),
	})
	if err != nil {
		return nil, fmt.Errorf("compare %s: %w", ref(r), err)
	}
	var v any
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("compare %s: %w", ref(r), err)
	}
	return v, nil
}

// difference gathers the places where two JSON values differ.
type difference struct {
	changes []api.FieldChange
	err     error
}

// absent stands for a field that is not set.
type absent struct{}

func (d *difference) compare(at string, x, y any) {
	switch x := x.(type) {
	case map[string]any:
		if y, ok := y.(map[string]any); ok {
			d.objects(at, x, y)
			return
		}
		if y == nil && len(x) > 0 { // a map that became unset
			d.objects(at, x, nil)
			return
		}
	case nil:
		if y, ok := y.(map[string]any); ok && at != "" {
			d.objects(at, nil, y)
			return
		}
	case []any:
		if y, ok := y.([]any); ok {
			for i := range max(len(x), len(y)) {
				d.compare(at+"["+strconv.Itoa(i)+"]", element(x, i), element(y, i))
			}
			return
		}
	}
	if before, after := d.encode(x), d.encode(y); !bytes.Equal(before, after) {
		d.changes = append(d.changes, api.FieldChange{Field: at, Before: before, After: after})
	}
}

func (d *difference) objects(at string, x, y map[string]any) {
	names := slices.Collect(maps.Keys(x))
	for name := range y {
		if _, ok := x[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		field := name
		if at != "" {
			field = at + "." + name
		}
		d.compare(field, member(x, name), member(y, name))
	}
}

func member(m map[string]any, name string) any {
	if v, ok := m[name]; ok {
		return v
	}
	return absent{}
}

func element(list []any, i int) any {
	if i < len(list) {
		return list[i]
	}
	return absent{}
}

// encode is a value as JSON, nothing for one that is absent.
func (d *difference) encode(v any) json.RawMessage {
	if v == (absent{}) {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		d.err = err
	}
	return b
}
