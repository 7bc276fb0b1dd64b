package workflows

import (
	"fmt"
	"maps"
	"strings"
)

type (
	objectOf    = func(map[string]any) []any
	objectWith  = func(map[string]any, []any) map[string]any
	objectMerge = func(...any) map[string]any
)

var objectFunctions = []Function{
	{Name: "keys", Group: "object", Signature: "keys(object) list", Doc: "Is the names of the fields, sorted.", Example: `keys({"b": 1, "a": 2})`, Result: `["a","b"]`,
		types: sig((*objectOf)(nil)), run: objectKeys},
	{Name: "values", Group: "object", Signature: "values(object) list", Doc: "Is the values in the order of keys.", Example: `values({"b": 1, "a": 2})`, Result: `[2,1]`,
		types: sig((*objectOf)(nil)), run: objectValues},
	{Name: "toPairs", Group: "object", Signature: "toPairs(object) list", Doc: "Makes a list of [name, value], sorted by name.", Example: `toPairs({"a": 1})`, Result: `[["a",1]]`,
		types: sig((*objectOf)(nil)), run: toPairs},
	{Name: "fromPairs", Group: "object", Signature: "fromPairs(list) object", Doc: "Makes an object of a list of [name, value].", Example: `fromPairs([["a", 1]])`, Result: `{"a":1}`,
		types: sig((*func([]any) map[string]any)(nil)), run: fromPairs},
	{Name: "merge", Group: "object", Signature: "merge(objects…) object", Doc: "Puts objects together; of fields with the same name the last counts.", Example: `merge({"a": 1}, {"a": 2, "b": 3})`, Result: `{"a":2,"b":3}`,
		types: sig((*objectMerge)(nil)), run: mergeObjects(false)},
	{Name: "deepMerge", Group: "object", Signature: "deepMerge(objects…) object", Doc: "Is merge that also merges objects inside.", Example: `deepMerge({"a": {"x": 1}}, {"a": {"y": 2}})`, Result: `{"a":{"x":1,"y":2}}`,
		types: sig((*objectMerge)(nil)), run: mergeObjects(true)},
	{Name: "pick", Group: "object", Signature: "pick(object, names) object", Doc: "Keeps only some fields.", Example: `pick({"a": 1, "b": 2}, ["a", "c"])`, Result: `{"a":1}`,
		types: sig((*objectWith)(nil)), run: selectFields(true)},
	{Name: "omit", Group: "object", Signature: "omit(object, names) object", Doc: "Drops some fields.", Example: `omit({"a": 1, "b": 2}, ["a"])`, Result: `{"b":2}`,
		types: sig((*objectWith)(nil)), run: selectFields(false)},
	{Name: "get", Group: "object", Signature: "get(object or list, name or position) any", Doc: "Is a field or an element, or null when there is none.", Example: `get({"a": 1}, "b")`, Result: `null`},
	{Name: "path", Group: "object", Signature: "path(value, path, default?) any", Doc: "Is what a path such as a.b[0] leads to, or the default, or null.", Example: `path({"a": [{"b": 7}]}, "a[0].b")`, Result: `7`,
		types: sig((*func(any, string) any)(nil), (*func(any, string, any) any)(nil)), run: followPath},
}

func objectKeys(_ *call, args []any) (any, error) {
	m, err := mapArg(args, 0)
	if err != nil {
		return nil, err
	}
	return anyList(sortedKeys(m)), nil
}

func objectValues(_ *call, args []any) (any, error) {
	m, err := mapArg(args, 0)
	if err != nil {
		return nil, err
	}
	out := make([]any, 0, len(m))
	for _, k := range sortedKeys(m) {
		out = append(out, m[k])
	}
	return out, nil
}

func toPairs(_ *call, args []any) (any, error) {
	m, err := mapArg(args, 0)
	if err != nil {
		return nil, err
	}
	out := make([]any, 0, len(m))
	for _, k := range sortedKeys(m) {
		out = append(out, []any{k, m[k]})
	}
	return out, nil
}

func fromPairs(_ *call, args []any) (any, error) {
	list, err := listArg(args, 0)
	if err != nil {
		return nil, err
	}
	out := make(map[string]any, len(list))
	for i, e := range list {
		pair, ok := e.([]any)
		if !ok || len(pair) != 2 {
			return nil, fmt.Errorf("element %d is not a pair [name, value]", i)
		}
		name, err := toText(pair[0])
		if err != nil {
			return nil, err
		}
		out[name] = pair[1]
	}
	return out, nil
}

func mergeObjects(deep bool) func(*call, []any) (any, error) {
	return func(c *call, args []any) (any, error) {
		out := map[string]any{}
		for i := range args {
			if args[i] == nil {
				continue
			}
			m, err := mapArg(args, i)
			if err != nil {
				return nil, err
			}
			if !deep {
				maps.Copy(out, m)
			} else if out, err = deepMerge(c, out, m, 0); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
}

func deepMerge(c *call, a, b map[string]any, depth int) (map[string]any, error) {
	if depth > 100 {
		return nil, errTooLarge
	}
	if err := c.charge(32 * (len(a) + len(b))); err != nil {
		return nil, err
	}
	out := maps.Clone(a)
	for k, v := range b {
		x, okX := out[k].(map[string]any)
		y, okY := v.(map[string]any)
		if !okX || !okY {
			out[k] = v
			continue
		}
		merged, err := deepMerge(c, x, y, depth+1)
		if err != nil {
			return nil, err
		}
		out[k] = merged
	}
	return out, nil
}

func selectFields(keep bool) func(*call, []any) (any, error) {
	return func(_ *call, args []any) (any, error) {
		m, err := mapArg(args, 0)
		if err != nil {
			return nil, err
		}
		list, err := listArg(args, 1)
		if err != nil {
			return nil, err
		}
		out := map[string]any{}
		if !keep {
			maps.Copy(out, m)
		}
		for _, e := range list {
			name, ok := e.(string)
			if !ok {
				return nil, fmt.Errorf("argument 2 must be a list of texts, it has %s", typeName(e))
			}
			v, has := m[name]
			switch {
			case keep && has:
				out[name] = v
			case !keep:
				delete(out, name)
			}
		}
		return out, nil
	}
}

func followPath(_ *call, args []any) (any, error) {
	route, err := textArg(args, 1)
	if err != nil {
		return nil, err
	}
	var missing any
	if len(args) > 2 {
		missing = args[2]
	}
	v := args[0]
	for _, name := range strings.FieldsFunc(route, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		switch x := v.(type) {
		case map[string]any:
			v = x[name]
		case []any:
			i, err := parseNumber(name)
			n, whole := wholeNumber(i)
			if err != nil || !whole || n < -len(x) || n >= len(x) {
				return missing, nil
			}
			if n < 0 {
				n += len(x)
			}
			v = x[n]
		default:
			return missing, nil
		}
	}
	if v == nil {
		return missing, nil
	}
	return v, nil
}
