package workflows

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// maxNarrowed bounds what Narrowed lists.
const maxNarrowed = 10

// Narrowed lists, in words, what a JSON Schema asks that the one before did
// not, so that values which were valid may be refused. A nil schema takes all.
// A new optional property is nothing: who does not send it is not refused.
// Keywords that combine schemas (anyOf, $ref and the like) count as narrower
// whenever they differ.
func Narrowed(before, after map[string]any) []string {
	n := &narrowed{}
	n.compare("", before, after)
	if len(n.found) > maxNarrowed {
		n.found = append(n.found[:maxNarrowed], "and more")
	}
	return n.found
}

type narrowed struct{ found []string }

func (n *narrowed) add(at, format string, args ...any) {
	if at == "" {
		at = "the whole"
	}
	n.found = append(n.found, at+" "+fmt.Sprintf(format, args...))
}

func (n *narrowed) compare(at string, before, after map[string]any) {
	n.types(at, before, after)
	n.values(at, before, after)
	n.bounds(at, before, after)
	n.fields(at, before, after)
	if items, ok := after["items"].(map[string]any); ok {
		was, _ := before["items"].(map[string]any)
		n.compare(at+"[]", was, items)
	}
	// Whatever else says something else may refuse more.
	for _, key := range slices.Sorted(maps.Keys(after)) {
		if !narrowedByRule[key] && !saysNothing[key] && !reflect.DeepEqual(asJSON(before[key]), asJSON(after[key])) {
			n.add(at, "has another %s", key)
		}
	}
}

var (
	// narrowedByRule are the keywords that compare knows.
	narrowedByRule = setOf("type", "enum", "const", "required", "properties", "additionalProperties", "items",
		"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
	// saysNothing are those that refuse no value.
	saysNothing = setOf("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment", "$schema", "$id", "$defs")
)

func setOf(names ...string) map[string]bool {
	set := map[string]bool{}
	for _, name := range names {
		set[name] = true
	}
	return set
}

// types compares the types; a number takes integers, too.
func (n *narrowed) types(at string, before, after map[string]any) {
	now := textsOf(after["type"])
	if len(now) == 0 {
		return
	}
	was := textsOf(before["type"])
	if len(was) == 0 {
		n.add(at, "must be %s", strings.Join(now, " or "))
		return
	}
	for _, t := range was {
		if !slices.Contains(now, t) && !(t == "integer" && slices.Contains(now, "number")) {
			n.add(at, "must be %s, was %s", strings.Join(now, " or "), strings.Join(was, " or "))
			return
		}
	}
}

// values compares enum and const.
func (n *narrowed) values(at string, before, after map[string]any) {
	now, limited := valuesOf(after)
	if !limited {
		return
	}
	was, known := valuesOf(before)
	if !known {
		n.add(at, "must be one of %s", strings.Join(now, ", "))
		return
	}
	for _, v := range was {
		if !slices.Contains(now, v) {
			n.add(at, "can't be %s any more", v)
		}
	}
}

func valuesOf(schema map[string]any) (values []string, limited bool) {
	list, limited := schema["enum"].([]any)
	if v, ok := schema["const"]; ok {
		list, limited = []any{v}, true
	}
	for _, v := range list {
		text, err := json.Marshal(v)
		if err != nil {
			continue // not from JSON
		}
		values = append(values, string(text))
	}
	return values, limited
}

// bounds compares what limits sizes and numbers.
func (n *narrowed) bounds(at string, before, after map[string]any) {
	for _, key := range slices.Sorted(maps.Keys(after)) {
		lower := strings.HasPrefix(key, "min") || key == "exclusiveMinimum"
		if upper := strings.HasPrefix(key, "max") || key == "exclusiveMaximum"; !narrowedByRule[key] || !lower && !upper {
			continue
		}
		now, ok := boundOf(after[key])
		was, known := boundOf(before[key])
		if ok && (!known || lower && now > was || !lower && now < was) {
			n.add(at, "has %s %v", key, after[key])
		}
	}
}

func (n *narrowed) fields(at string, before, after map[string]any) {
	was := textsOf(before["required"])
	for _, name := range textsOf(after["required"]) {
		if !slices.Contains(was, name) {
			n.add(fieldAt(at, name), "became required")
		}
	}
	old, _ := before["properties"].(map[string]any)
	fresh, _ := after["properties"].(map[string]any)
	closed := after["additionalProperties"] == false
	for _, name := range slices.Sorted(maps.Keys(old)) {
		a, okA := old[name].(map[string]any)
		b, okB := fresh[name].(map[string]any)
		_, there := fresh[name]
		switch {
		case okA && okB:
			n.compare(fieldAt(at, name), a, b)
		case fresh[name] == false || !there && closed:
			n.add(fieldAt(at, name), "is not taken any more")
		}
	}
	switch more := after["additionalProperties"].(type) {
	case bool:
		if !more && before["additionalProperties"] != false {
			n.add(at, "takes no other fields any more")
		}
	case map[string]any:
		if !reflect.DeepEqual(asJSON(before["additionalProperties"]), asJSON(more)) {
			n.add(at, "has another additionalProperties")
		}
	}
}

func fieldAt(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}

// textsOf reads a text or a list of them.
func textsOf(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []string:
		return v
	case []any:
		var out []string
		for _, e := range v {
			if s, ok := e.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

func boundOf(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	}
	return 0, false
}

// asJSON is a value as JSON reads it, so that numbers of two types compare.
func asJSON(v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		return v
	}
	var out any
	if json.Unmarshal(text, &out) != nil {
		return v
	}
	return out
}
