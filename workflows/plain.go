package workflows

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"paragon/schema"
)

// toPlain turns what an expression computed into plain JSON values: nil, bool,
// int, float64, string, []any, map[string]any. A time becomes RFC 3339 text, a
// duration its text form, bytes base64. Values that are plain already are
// returned as they are.
func toPlain(v any) (any, error) {
	switch v := v.(type) {
	case nil, bool, string, int:
		return v, nil
	case float64:
		return finite(v)
	}
	budget := maxResult
	return plain(v, &budget, 0)
}

func finite(f float64) (any, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("the result is not a number (division by zero?)")
	}
	return f, nil
}

func plain(v any, budget *int, depth int) (any, error) {
	*budget--
	if *budget < 0 || depth > 200 {
		return nil, errTooLarge
	}
	switch v := v.(type) {
	case nil, bool, int:
		return v, nil
	case string:
		// Text that is shared many times costs nothing until it is written.
		*budget -= len(v) / 64
		return v, nil
	case float64:
		return finite(v)
	case []any:
		return plainList(v, budget, depth)
	case map[string]any:
		return plainMap(v, budget, depth)
	case time.Time:
		return v.Format(time.RFC3339Nano), nil
	case time.Duration:
		return schema.Duration(v).String(), nil
	case []byte:
		return base64.StdEncoding.EncodeToString(v), nil
	case json.Number:
		return fromNumber(v), nil
	case *time.Location:
		return v.String(), nil
	case error:
		return nil, v
	}
	return plainOther(reflect.ValueOf(v), budget, depth)
}

// plainList copies only when an element had to change.
func plainList(list []any, budget *int, depth int) (any, error) {
	var copied []any
	for i, e := range list {
		p, err := plain(e, budget, depth+1)
		if err != nil {
			return nil, err
		}
		if copied == nil && !same(p, e) {
			copied = append(make([]any, 0, len(list)), list[:i]...)
		}
		if copied != nil {
			copied = append(copied, p)
		}
	}
	if copied != nil {
		return copied, nil
	}
	return list, nil
}

func plainMap(m map[string]any, budget *int, depth int) (any, error) {
	var copied map[string]any
	for k, e := range m {
		p, err := plain(e, budget, depth+1)
		if err != nil {
			return nil, err
		}
		if same(p, e) {
			continue
		}
		if copied == nil {
			copied = make(map[string]any, len(m))
			for k, e := range m {
				copied[k] = e
			}
		}
		copied[k] = p
	}
	if copied != nil {
		return copied, nil
	}
	return m, nil
}

// same tells whether plain returned what it was given.
func same(a, b any) bool {
	switch b := b.(type) {
	case nil, bool, string, int, float64:
		return true
	case []any:
		x, ok := a.([]any)
		return ok && len(x) == len(b) && (len(b) == 0 || &x[0] == &b[0])
	case map[string]any:
		x, ok := a.(map[string]any)
		return ok && reflect.ValueOf(x).Pointer() == reflect.ValueOf(b).Pointer()
	}
	return false
}

// plainOther converts the typed numbers, slices and maps that the expression
// library makes.
func plainOther(r reflect.Value, budget *int, depth int) (any, error) {
	switch r.Kind() {
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Int:
		return int(r.Int()), nil
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uint:
		if r.Uint() > math.MaxInt64 {
			return float64(r.Uint()), nil
		}
		return int(r.Uint()), nil
	case reflect.Float32, reflect.Float64:
		return finite(r.Float())
	case reflect.Bool:
		return r.Bool(), nil
	case reflect.String:
		return r.String(), nil
	case reflect.Slice, reflect.Array:
		list := make([]any, r.Len())
		for i := range list {
			p, err := plain(r.Index(i).Interface(), budget, depth+1)
			if err != nil {
				return nil, err
			}
			list[i] = p
		}
		return list, nil
	case reflect.Map:
		if r.IsNil() {
			return nil, nil
		}
		m := make(map[string]any, r.Len())
		for it := r.MapRange(); it.Next(); {
			key, err := toText(it.Key().Interface())
			if err != nil {
				return nil, err
			}
			p, err := plain(it.Value().Interface(), budget, depth+1)
			if err != nil {
				return nil, err
			}
			m[key] = p
		}
		return m, nil
	case reflect.Func:
		return nil, fmt.Errorf("the result is a function: call it")
	}
	return nil, fmt.Errorf("the result is not a JSON value (%s)", r.Type())
}

// toText writes a value as it stands in the middle of a string: null is empty,
// lists and objects are JSON, numbers have no exponent unless they are huge.
func toText(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case float64:
		return numberText(v), nil
	case []any, map[string]any:
		return toJSON(v)
	}
	p, err := toPlain(v)
	if err != nil {
		return "", err
	}
	switch p.(type) {
	case []any, map[string]any:
		return toJSON(p)
	}
	return toText(p)
}

func numberText(f float64) string {
	if math.Abs(f) < 1e21 {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// toJSON writes a value as compact JSON with sorted keys.
func toJSON(v any) (string, error) {
	p, err := toPlain(v)
	if err != nil {
		return "", err
	}
	w := &limitedText{}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil {
		return "", err
	}
	return strings.TrimSuffix(w.String(), "\n"), nil
}

// limitedText collects text up to maxText.
type limitedText struct{ strings.Builder }

// Write implements io.Writer.
func (w *limitedText) Write(p []byte) (int, error) {
	if w.Len()+len(p) > maxText {
		return 0, errTooLarge
	}
	return w.Builder.Write(p)
}

// fromNumber keeps a whole number whole.
func fromNumber(n json.Number) any {
	if i, err := strconv.ParseInt(n.String(), 10, 64); err == nil {
		return int(i)
	}
	f, err := n.Float64()
	if err != nil {
		return n.String()
	}
	return f
}

// typeName is the type of a value as messages call it.
func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case string:
		return "text"
	case time.Time:
		return "a time"
	case time.Duration:
		return "a duration"
	case []any, []int, []string:
		return "a list"
	case map[string]any, map[any]any:
		return "an object"
	}
	switch reflect.ValueOf(v).Kind() {
	case reflect.Int, reflect.Int64, reflect.Float64, reflect.Float32, reflect.Int32:
		return "a number"
	case reflect.Map:
		return "an object"
	case reflect.Slice:
		return "a list"
	}
	return fmt.Sprintf("%T", v)
}
