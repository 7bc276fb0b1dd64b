package workflows

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"paragon/schema"
)

// Action is what a plan does with a resource.
type Action string

// The actions of a plan.
const (
	ActionCreate    Action = "create"
	ActionUpdate    Action = "update"
	ActionUnchanged Action = "unchanged"
	ActionDelete    Action = "delete"
)

// Change is the plan for one resource.
type Change struct {
	schema.Ref
	Action Action `json:"action"`
	// Fields are what differs, sorted by path; of a resource that is created
	// or deleted there are none.
	Fields []FieldChange `json:"changes,omitempty"`
}

// FieldChange is one field that differs.
type FieldChange struct {
	// Field is its path. An element of a list whose elements have ids is named
	// by its id ("spec.steps[lookup].timeout").
	Field string `json:"field"`
	// Before and After are JSON values, absent where the field is not set. The
	// value of a Secret is shown as "***".
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// Diff is the plan that makes the second set of the first: one entry for each
// resource of after, in its order, then one for each that is only in before.
// It compares meaning: the order of keys, comments, the spelling of numbers and
// of durations ("60s" and "1m") are no difference, nor is a step that only has
// another place in its list shown as changed (the new order is). A null is the
// same as an absent field where a field of the language stands, but not inside
// data, such as the body of a request. A default that is written out is a
// difference to one that is left out: it stays when the default changes.
//
// It never panics; a spec that is not JSON is compared as text.
func Diff(before, after []schema.Resource) []Change {
	old := make(map[schema.Ref]*schema.Resource, len(before))
	for i := range before {
		old[refOf(&before[i])] = &before[i]
	}
	changes := make([]Change, 0, len(after))
	seen := map[schema.Ref]bool{}
	for i := range after {
		ref := refOf(&after[i])
		seen[ref] = true
		was := old[ref]
		if was == nil {
			changes = append(changes, Change{Ref: ref, Action: ActionCreate})
			continue
		}
		c := Change{Ref: ref, Action: ActionUnchanged, Fields: diffResource(was, &after[i])}
		if len(c.Fields) > 0 {
			c.Action = ActionUpdate
		}
		changes = append(changes, c)
	}
	for i := range before {
		if ref := refOf(&before[i]); !seen[ref] {
			seen[ref] = true
			changes = append(changes, Change{Ref: ref, Action: ActionDelete})
		}
	}
	return changes
}

func refOf(r *schema.Resource) schema.Ref { return schema.Ref{Kind: r.Kind, Name: r.Metadata.Name} }

// A differ collects the fields that differ.
type differ struct {
	secret bool
	fields []FieldChange
}

// missing stands for a field that is not set.
type missing struct{}

// specTypes are the types of the specs, by which fields of the language are told
// from data.
var specTypes = map[schema.Kind]reflect.Type{
	schema.KindWorkflow:    reflect.TypeFor[schema.WorkflowSpec](),
	schema.KindIntegration: reflect.TypeFor[schema.IntegrationSpec](),
	schema.KindDestination: reflect.TypeFor[schema.DestinationSpec](),
	schema.KindSecret:      reflect.TypeFor[schema.SecretSpec](),
}

func diffResource(a, b *schema.Resource) []FieldChange {
	d := &differ{secret: a.Kind == schema.KindSecret}
	metadata := rootPath.field("metadata")
	d.compare(metadata.field("labels"), texts(a.Metadata.Labels), texts(b.Metadata.Labels), nil)
	d.compare(metadata.field("annotations"), texts(a.Metadata.Annotations), texts(b.Metadata.Annotations), nil)
	d.compare(specPath, decoded(a.Spec), decoded(b.Spec), specTypes[a.Kind])
	return d.fields
}

// texts is a map for comparison.
func texts(m map[string]string) any { return anyMap(m) }

// decoded is a spec as plain values, with exact numbers.
func decoded(spec json.RawMessage) any {
	if len(spec) == 0 {
		return missing{}
	}
	d := json.NewDecoder(bytes.NewReader(spec))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil || d.More() {
		return string(spec)
	}
	return v
}

// compare adds the differences of two values under a path. t is the type of the
// language that stands there, nil for data.
func (d *differ) compare(p *path, a, b any, t reflect.Type) {
	t = pointed(t)
	if equal(a, b, t) {
		return
	}
	x, okX := a.(map[string]any)
	y, okY := b.(map[string]any)
	if okX && okY {
		for _, k := range keysOf(x, y) {
			d.compare(p.field(k), member(x, k, t), member(y, k, t), fieldType(t, k))
		}
		return
	}
	l, okL := a.([]any)
	m, okM := b.([]any)
	if okL && okM {
		if d.byID(p, l, m, t) {
			return
		}
		if len(l) == len(m) {
			for i := range l {
				d.compare(p.item(i), l[i], m[i], elementType(t))
			}
			return
		}
	}
	d.fields = append(d.fields, FieldChange{Field: p.String(), Before: d.shown(p, a), After: d.shown(p, b)})
}

// byID compares two lists whose elements all have an id of their own.
func (d *differ) byID(p *path, a, b []any, t reflect.Type) bool {
	x, orderX, ok := idsOf(a)
	if !ok {
		return false
	}
	y, orderY, ok := idsOf(b)
	if !ok || len(a)+len(b) == 0 {
		return false
	}
	var keptX, keptY []any
	for _, id := range orderX {
		if _, ok := y[id]; ok {
			keptX = append(keptX, id)
		}
	}
	for _, id := range orderY {
		if _, ok := x[id]; ok {
			keptY = append(keptY, id)
		}
	}
	if !reflect.DeepEqual(keptX, keptY) {
		d.fields = append(d.fields, FieldChange{Field: p.String() + " (order)", Before: raw(anyList(orderX)), After: raw(anyList(orderY))})
	}
	for _, id := range orderX {
		d.compare(&path{up: p, element: id, index: 0}, x[id], member(y, id, nil), elementType(t))
	}
	for _, id := range orderY {
		if _, ok := x[id]; !ok {
			d.compare(&path{up: p, element: id, index: 0}, missing{}, y[id], elementType(t))
		}
	}
	return true
}

// keysOf are the keys of both, sorted.
func keysOf(x, y map[string]any) []string {
	names := slices.Collect(maps.Keys(x))
	for k := range y {
		if _, ok := x[k]; !ok {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	return names
}

// member is a value of a map. A field of the language that is null is missing.
func member(m map[string]any, k string, t reflect.Type) any {
	v, ok := m[k]
	if !ok || v == nil && fieldType(t, k) != nil {
		return missing{}
	}
	return v
}

// The types of what a type is made of; nil where data begins.

func pointed(t reflect.Type) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

func fieldType(t reflect.Type, name string) reflect.Type {
	switch {
	case t == nil:
	case t.Kind() == reflect.Struct:
		if f := infoOf(t).find(name); f != nil {
			if t == delayType && name == "for" {
				return durationType
			}
			return t.Field(f.index).Type
		}
	case t.Kind() == reflect.Map && t.Elem().Kind() == reflect.Struct:
		return t.Elem()
	}
	return nil
}

func elementType(t reflect.Type) reflect.Type {
	if t != nil && t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct {
		return t.Elem()
	}
	return nil
}

var (
	durationType = reflect.TypeFor[schema.Duration]()
	delayType    = reflect.TypeFor[schema.DelayStep]()
)

// idsOf are the elements of a list by id. It fails unless each has one that no
// other has.
func idsOf(list []any) (map[string]any, []string, bool) {
	by, order := make(map[string]any, len(list)), make([]string, 0, len(list))
	for _, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			return nil, nil, false
		}
		id, ok := m["id"].(string)
		if _, twice := by[id]; !ok || id == "" || twice {
			return nil, nil, false
		}
		by[id] = e
		order = append(order, id)
	}
	return by, order, true
}

// shown is a value in the plan.
func (d *differ) shown(p *path, v any) json.RawMessage {
	if v == (missing{}) {
		return nil
	}
	if d.secret {
		if p.up == specPath && p.name == "value" {
			return json.RawMessage(`"***"`)
		}
		if m, ok := v.(map[string]any); ok && p == specPath && m["value"] != nil {
			m = maps.Clone(m)
			m["value"] = "***"
			v = m
		}
		if _, ok := v.(string); ok && p == specPath {
			return json.RawMessage(`"***"`)
		}
	}
	return raw(v)
}

func raw(v any) json.RawMessage {
	text, err := canonicalJSON(v)
	if err != nil {
		return json.RawMessage(strconv.Quote(fmt.Sprint(v)))
	}
	return text
}

// equal compares values; numbers and durations by their value, not their
// spelling.
func equal(a, b any, t reflect.Type) bool {
	t = pointed(t)
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		if !ok {
			return false
		}
		return a == b || fromNumber(a) == fromNumber(b) || sameFloat(a, b)
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok {
			return false
		}
		for k := range a {
			if !equal(member(a, k, t), member(b, k, t), fieldType(t, k)) {
				return false
			}
		}
		for k := range b {
			if _, ok := a[k]; !ok && member(b, k, t) != (missing{}) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, func(x, y any) bool { return equal(x, y, elementType(t)) })
	case string:
		b, ok := b.(string)
		return ok && (a == b || t == durationType && sameDuration(a, b))
	}
	switch b.(type) {
	case json.Number, map[string]any, []any:
		return false
	}
	return a == b
}

// sameDuration compares 60s and 1m. An expression is compared as text.
func sameDuration(a, b string) bool {
	x, errX := schema.ParseDuration(a)
	y, errY := schema.ParseDuration(b)
	return errX == nil && errY == nil && x == y
}

// sameFloat compares 1 and 1.0; whole numbers that a float can't tell apart
// were compared before.
func sameFloat(a, b json.Number) bool {
	x, okX := fromNumber(a).(int)
	y, okY := fromNumber(b).(int)
	if okX && okY {
		return x == y
	}
	f, errF := a.Float64()
	g, errG := b.Float64()
	return errF == nil && errG == nil && f == g
}
