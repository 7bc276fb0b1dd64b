package trial

import (
	"encoding/json"
	"reflect"

	"paragon/workflows"
)

// compare says whether a value is what a test wants. Of an object that is wanted
// in part, fields that are not named may be anything, and a field that is null
// must not be there. shown is what is wanted, in the form of what was found: the
// two differ where the value is wrong.
func compare(want *workflows.Value, got any, scope *workflows.Scope, part bool) (shown any, ok bool, err error) {
	if source, whole := want.Expression(); whole {
		return compareExpression(want, source, got, scope)
	}
	if names, object := want.Object(); object {
		found, is := got.(map[string]any)
		out := map[string]any{}
		ok = is
		for _, name := range names {
			field := want.Field(name)
			value, there := found[name]
			shown, same, err := compare(field, value, scope, part)
			if err != nil {
				return nil, false, err
			}
			if shown == nil && part && !there {
				continue // not there, as wanted
			}
			out[name] = shown
			if !same || !there && !actual(field) {
				ok = false
			}
		}
		for name, value := range found {
			if _, named := out[name]; named || want.Field(name) != nil {
				continue
			}
			if part {
				out[name] = value
			} else {
				ok = false
			}
		}
		return out, ok, nil
	}
	if n, list := want.List(); list {
		found, is := got.([]any)
		ok = is && len(found) == n
		out := make([]any, n)
		for i := range n {
			var value any
			if i < len(found) {
				value = found[i]
			}
			shown, same, err := compare(want.Item(i), value, scope, part)
			if err != nil {
				return nil, false, err
			}
			out[i] = shown
			ok = ok && same
		}
		return out, ok, nil
	}
	value, err := want.Eval(scope)
	if err != nil {
		return nil, false, err
	}
	return value, equal(value, got), nil
}

// actual tells whether a value is a condition on what was found.
func actual(v *workflows.Value) bool {
	_, whole := v.Expression()
	return whole && v.Names("actual")
}

// compareExpression decides a condition on what was found, or compares with
// what the expression computes.
func compareExpression(want *workflows.Value, source string, got any, scope *workflows.Scope) (any, bool, error) {
	if !actual(want) {
		value, err := want.Eval(scope)
		return value, err == nil && equal(value, got), err
	}
	own := *scope
	own.Vars = make(map[string]any, len(scope.Vars)+1)
	for k, v := range scope.Vars {
		own.Vars[k] = v
	}
	own.Vars["actual"] = got
	yes, err := want.EvalBool(&own)
	if err != nil {
		return nil, false, err
	}
	if yes {
		return got, true, nil
	}
	return "${{ " + source + " }}", false, nil
}

// equal compares plain values; numbers by what they are worth.
func equal(a, b any) bool { return reflect.DeepEqual(plain(a), plain(b)) }

// plain makes numbers of one type.
func plain(v any) any {
	switch v := v.(type) {
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return string(v)
		}
		return f
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plain(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = plain(v[k])
		}
		return out
	}
	return v
}

// decode reads JSON that a record holds; null for none.
func decode(raw []byte) any {
	if len(raw) == 0 {
		return nil
	}
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return string(raw)
	}
	return v
}
