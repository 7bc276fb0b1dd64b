package workflows

import (
	"reflect"
	"time"
)

var valueFunctions = []Function{
	{Name: "string", Group: "value", Signature: "string(value) text", Doc: "Writes a value as text: null is empty, lists and objects are JSON.", Example: `string(1.50)`, Result: `"1.5"`,
		types: sig((*func(any) string)(nil)), run: func(_ *call, args []any) (any, error) { return asAny(toText(args[0])) }},
	{Name: "bool", Group: "value", Signature: "bool(value) bool", Doc: "Is false for null, false, 0, empty text, and the words false, no, off and 0; true for all else.", Example: `bool("no")`, Result: `false`,
		types: sig((*func(any) bool)(nil)), run: func(_ *call, args []any) (any, error) { return truth(args[0]), nil }},
	{Name: "type", Group: "value", Signature: "type(value) text", Doc: "Is null, bool, number, text, list, object, time or duration.", Example: `type([1])`, Result: `"list"`,
		types: sig((*func(any) string)(nil)), run: func(_ *call, args []any) (any, error) { return typeWord(args[0]), nil }},
	{Name: "isEmpty", Group: "value", Signature: "isEmpty(value) bool", Doc: "Tells whether a value is null, or a text, list or object with nothing in it.", Example: `isEmpty({})`, Result: `true`,
		types: sig((*func(any) bool)(nil)), run: func(_ *call, args []any) (any, error) { return empty(args[0]), nil }},
	{Name: "exists", Group: "value", Signature: "exists(value) bool", Doc: "Tells whether a value is not null.", Example: `exists({"a": 1}.b)`, Result: `false`,
		types: sig((*func(any) bool)(nil)), run: func(_ *call, args []any) (any, error) { return args[0] != nil, nil }},
	{Name: "default", Group: "value", Signature: "default(value, other) any", Doc: "Is the value, or the other when it is null or empty.", Example: `default("", "none")`, Result: `"none"`,
		types: sig((*func(any, any) any)(nil)), run: defaultTo},
	{Name: "coalesce", Group: "value", Signature: "coalesce(values…) any", Doc: "Is the first value that is not null.", Example: `coalesce(nil, 0, 1)`, Result: `0`,
		types: sig((*func(...any) any)(nil)), run: coalesce},
}

func truth(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		switch v {
		case "", "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "0":
			return false
		}
		return true
	}
	if n, ok := number(v); ok {
		return n != 0
	}
	return true
}

func typeWord(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "bool"
	case string:
		return "text"
	case time.Time:
		return "time"
	case time.Duration:
		return "duration"
	}
	switch reflect.ValueOf(v).Kind() {
	case reflect.Slice, reflect.Array:
		return "list"
	case reflect.Map:
		return "object"
	}
	return "number"
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Slice, reflect.Map, reflect.Array:
		return r.Len() == 0
	}
	return false
}

func defaultTo(_ *call, args []any) (any, error) {
	if empty(args[0]) {
		return args[1], nil
	}
	return args[0], nil
}

func coalesce(_ *call, args []any) (any, error) {
	for _, a := range args {
		if a != nil {
			return a, nil
		}
	}
	return nil, nil
}
