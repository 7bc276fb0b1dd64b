package workflows

import (
	"fmt"
	"maps"
	"slices"

	"github.com/expr-lang/expr/vm/runtime"
)

type (
	listOf  = func([]any) []any
	listOf2 = func([]any, []any) []any
	oneOf   = func(any) any
)

var listFunctions = []Function{
	{Name: "len", Group: "list", Signature: "len(value) int", Doc: "Is the number of elements, fields or characters.", Example: `len([1, 2])`, Result: `2`},
	{Name: "first", Group: "list", Signature: "first(list) any", Doc: "Is the first element, or null.", Example: `first([1, 2])`, Result: `1`,
		types: sig((*oneOf)(nil)), run: end(func(l []any) any { return l[0] })},
	{Name: "last", Group: "list", Signature: "last(list) any", Doc: "Is the last element, or null.", Example: `last([1, 2])`, Result: `2`,
		types: sig((*oneOf)(nil)), run: end(func(l []any) any { return l[len(l)-1] })},
	{Name: "take", Group: "list", Signature: "take(list, count) list", Doc: "Is the first elements.", Example: `take([1, 2, 3], 2)`, Result: `[1,2]`,
		types: sig((*func([]any, int) []any)(nil)), run: takeList},
	{Name: "skip", Group: "list", Signature: "skip(list, count) list", Doc: "Is all but the first elements.", Example: `skip([1, 2, 3], 2)`, Result: `[3]`,
		types: sig((*func([]any, int) []any)(nil)), run: skipList},
	{Name: "reverse", Group: "list", Signature: "reverse(list) list", Doc: "Turns a list around.", Example: `reverse([1, 2])`, Result: `[2,1]`,
		types: sig((*listOf)(nil)), run: reverseList},
	{Name: "sort", Group: "list", Signature: "sort(list) list", Doc: "Sorts numbers or texts upwards.", Example: `sort([3, 1, 2])`, Result: `[1,2,3]`,
		types: sig((*listOf)(nil)), run: sortList},
	{Name: "unique", Group: "list", Signature: "unique(list) list", Doc: "Drops elements that came before.", Example: `unique([1, 2, 1])`, Result: `[1,2]`,
		types: sig((*listOf)(nil)), run: uniqueList},
	{Name: "flatten", Group: "list", Signature: "flatten(list) list", Doc: "Puts the elements of lists inside a list in their place.", Example: `flatten([1, [2, [3]]])`, Result: `[1,2,3]`,
		types: sig((*listOf)(nil)), run: flattenList},
	{Name: "concat", Group: "list", Signature: "concat(lists…) list", Doc: "Puts lists one after the other.", Example: `concat([1], [2, 3])`, Result: `[1,2,3]`,
		types: sig((*func(...any) []any)(nil)), run: concatLists},
	{Name: "chunk", Group: "list", Signature: "chunk(list, size) list", Doc: "Cuts a list into lists of a size.", Example: `chunk([1, 2, 3], 2)`, Result: `[[1,2],[3]]`,
		types: sig((*func([]any, int) []any)(nil)), run: chunkList},
	{Name: "zip", Group: "list", Signature: "zip(a, b) list", Doc: "Pairs the elements of two lists; what is missing is null.", Example: `zip([1, 2], ["a"])`, Result: `[[1,"a"],[2,null]]`,
		types: sig((*listOf2)(nil)), run: zipLists},
	{Name: "compact", Group: "list", Signature: "compact(list) list", Doc: "Drops null and empty texts.", Example: `compact([1, nil, "", 0])`, Result: `[1,0]`,
		types: sig((*listOf)(nil)), run: compactList},
	{Name: "intersect", Group: "list", Signature: "intersect(a, b) list", Doc: "Is the elements of the first list that are in the second.", Example: `intersect([1, 2, 3], [3, 1])`, Result: `[1,3]`,
		types: sig((*listOf2)(nil)), run: combine(true)},
	{Name: "difference", Group: "list", Signature: "difference(a, b) list", Doc: "Is the elements of the first list that are not in the second.", Example: `difference([1, 2, 3], [3, 1])`, Result: `[2]`,
		types: sig((*listOf2)(nil)), run: combine(false)},
	{Name: "filter", Group: "list", Signature: "filter(list, condition) list", Doc: "Keeps the elements for which a condition on # is true.", Example: `filter([1, 2, 3], # > 1)`, Result: `[2,3]`},
	{Name: "map", Group: "list", Signature: "map(list, expression) list", Doc: "Computes a value from each element #.", Example: `map([{"n": 1}], #.n + 1)`, Result: `[2]`},
	{Name: "find", Group: "list", Signature: "find(list, condition) any", Doc: "Is the first element for which a condition is true, or null.", Example: `find([1, 2, 3], # > 1)`, Result: `2`},
	{Name: "findLast", Group: "list", Signature: "findLast(list, condition) any", Doc: "Is the last element for which a condition is true, or null.", Example: `findLast([1, 2, 3], # < 3)`, Result: `2`},
	{Name: "findIndex", Group: "list", Signature: "findIndex(list, condition) int", Doc: "Is the position from 0 of the first element for which a condition is true, or -1.", Example: `findIndex(["a", "b"], # == "b")`, Result: `1`},
	{Name: "findLastIndex", Group: "list", Signature: "findLastIndex(list, condition) int", Doc: "Is the position from 0 of the last element for which a condition is true, or -1.", Example: `findLastIndex([1, 1], # == 1)`, Result: `1`},
	{Name: "all", Group: "list", Signature: "all(list, condition) bool", Doc: "Tells whether a condition is true for all elements.", Example: `all([1, 2], # > 0)`, Result: `true`},
	{Name: "any", Group: "list", Signature: "any(list, condition) bool", Doc: "Tells whether a condition is true for at least one element.", Example: `any([1, 2], # > 1)`, Result: `true`},
	{Name: "none", Group: "list", Signature: "none(list, condition) bool", Doc: "Tells whether a condition is true for no element.", Example: `none([1, 2], # > 2)`, Result: `true`},
	{Name: "one", Group: "list", Signature: "one(list, condition) bool", Doc: "Tells whether a condition is true for exactly one element.", Example: `one([1, 2], # > 1)`, Result: `true`},
	{Name: "count", Group: "list", Signature: "count(list, condition?) int", Doc: "Is the number of elements for which a condition is true.", Example: `count([1, 2, 3], # > 1)`, Result: `2`},
	{Name: "sum", Group: "list", Signature: "sum(list, expression?) number", Doc: "Adds the elements, or what is computed from each.", Example: `sum([{"n": 1}, {"n": 2}], #.n)`, Result: `3`},
	{Name: "groupBy", Group: "list", Signature: "groupBy(list, expression) object", Doc: "Makes a list of elements for each value of an expression.", Example: `groupBy(["ab", "ac", "b"], #[0:1])`, Result: `{"a":["ab","ac"],"b":["b"]}`},
	{Name: "sortBy", Group: "list", Signature: "sortBy(list, expression, order?) list", Doc: "Sorts by the value of an expression, asc (the default) or desc.", Example: `sortBy([{"n": 2}, {"n": 1}], #.n)`, Result: `[{"n":1},{"n":2}]`},
	{Name: "reduce", Group: "list", Signature: "reduce(list, expression, start?) any", Doc: "Combines the elements one by one: #acc is what came before.", Example: `reduce([1, 2, 3], #acc + #, 0)`, Result: `6`},
}

// end makes first and last: of null and of an empty list null.
func end(pick func([]any) any) func(*call, []any) (any, error) {
	return func(_ *call, args []any) (any, error) {
		if args[0] == nil {
			return nil, nil
		}
		list, err := listArg(args, 0)
		if err != nil || len(list) == 0 {
			return nil, err
		}
		return pick(list), nil
	}
}

func listAndCount(args []any) ([]any, int, error) {
	list, err := listArg(args, 0)
	if err != nil {
		return nil, 0, err
	}
	n, err := wholeArg(args, 1)
	if err != nil {
		return nil, 0, err
	}
	if n < 0 {
		return nil, 0, fmt.Errorf("argument 2 must not be negative")
	}
	return list, n, nil
}

func takeList(_ *call, args []any) (any, error) {
	list, n, err := listAndCount(args)
	if err != nil {
		return nil, err
	}
	return list[:min(n, len(list)):min(n, len(list))], nil
}

func skipList(_ *call, args []any) (any, error) {
	list, n, err := listAndCount(args)
	if err != nil {
		return nil, err
	}
	return list[min(n, len(list)):], nil
}

func reverseList(_ *call, args []any) (any, error) {
	list, err := listArg(args, 0)
	if err != nil {
		return nil, err
	}
	list = slices.Clone(list)
	slices.Reverse(list)
	return list, nil
}

func sortList(c *call, args []any) (any, error) {
	list, err := listArg(args, 0)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		_, isNumber := number(e)
		_, isText := e.(string)
		if _, first := list[0].(string); !isNumber && !isText || isText != first {
			return nil, fmt.Errorf("only numbers or only texts can be sorted; write sortBy(list, expression)")
		}
		if err := c.charge(size(e)); err != nil {
			return nil, err
		}
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b any) int {
		switch {
		case runtime.Less(a, b):
			return -1
		case runtime.More(a, b):
			return 1
		}
		return 0
	})
	return list, nil
}

// key is a text that is the same for equal values.
func key(c *call, v any) (string, error) {
	var prefix string
	switch v := v.(type) {
	case string:
		return "s" + v, c.charge(len(v))
	case nil:
		return "n", nil
	case bool:
		prefix = "b"
	case int, float64, int64:
		prefix = "d"
	default:
		prefix = "j"
		text, err := toJSON(v)
		if err != nil {
			return "", err
		}
		return prefix + text, c.charge(len(text))
	}
	text, err := toText(v)
	return prefix + text, err
}

func uniqueList(c *call, args []any) (any, error) {
	list, err := listArg(args, 0)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(list))
	out := []any{}
	for _, e := range list {
		k, err := key(c, e)
		if err != nil {
			return nil, err
		}
		if !seen[k] {
			seen[k] = true
			out = append(out, e)
		}
	}
	return out, nil
}

func flattenList(c *call, args []any) (any, error) {
	list, err := listArg(args, 0)
	if err != nil {
		return nil, err
	}
	out := []any{}
	var walk func(list []any, depth int) error
	walk = func(list []any, depth int) error {
		if depth > 100 {
			return errTooLarge
		}
		if err := c.charge(16 * len(list)); err != nil {
			return err
		}
		for _, e := range list {
			if inner, ok := e.([]any); ok {
				if err := walk(inner, depth+1); err != nil {
					return err
				}
			} else {
				out = append(out, e)
			}
		}
		return nil
	}
	if err := walk(list, 0); err != nil {
		return nil, err
	}
	return out, nil
}

func concatLists(_ *call, args []any) (any, error) {
	out := []any{}
	for i := range args {
		if args[i] == nil {
			continue
		}
		list, err := listArg(args, i)
		if err != nil {
			return nil, err
		}
		if len(out)+len(list) > maxResult {
			return nil, errTooLarge
		}
		out = append(out, list...)
	}
	return out, nil
}

func chunkList(_ *call, args []any) (any, error) {
	list, n, err := listAndCount(args)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, fmt.Errorf("the size must be at least 1")
	}
	out := make([]any, 0, (len(list)+n-1)/n)
	for part := range slices.Chunk(list, n) {
		out = append(out, part)
	}
	return out, nil
}

func zipLists(_ *call, args []any) (any, error) {
	a, err := listArg(args, 0)
	if err != nil {
		return nil, err
	}
	b, err := listArg(args, 1)
	if err != nil {
		return nil, err
	}
	at := func(l []any, i int) any {
		if i < len(l) {
			return l[i]
		}
		return nil
	}
	out := make([]any, max(len(a), len(b)))
	for i := range out {
		out[i] = []any{at(a, i), at(b, i)}
	}
	return out, nil
}

func compactList(_ *call, args []any) (any, error) {
	list, err := listArg(args, 0)
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, e := range list {
		if e != nil && e != "" {
			out = append(out, e)
		}
	}
	return out, nil
}

func combine(keep bool) func(*call, []any) (any, error) {
	return func(c *call, args []any) (any, error) {
		a, err := listArg(args, 0)
		if err != nil {
			return nil, err
		}
		b, err := listArg(args, 1)
		if err != nil {
			return nil, err
		}
		in := make(map[string]bool, len(b))
		for _, e := range b {
			k, err := key(c, e)
			if err != nil {
				return nil, err
			}
			in[k] = true
		}
		out := []any{}
		for _, e := range a {
			k, err := key(c, e)
			if err != nil {
				return nil, err
			}
			if in[k] == keep {
				out = append(out, e)
			}
		}
		return out, nil
	}
}

// contained is the operator in: an element of a list, or a field of an object.
func contained(c *call, needle, haystack any) (any, error) {
	switch h := haystack.(type) {
	case nil:
		return false, nil
	case map[string]any:
		k, ok := needle.(string)
		if !ok {
			return false, nil
		}
		_, ok = h[k]
		return ok, nil
	case []any:
		if s, ok := needle.(string); ok {
			return slices.ContainsFunc(h, func(e any) bool { t, ok := e.(string); return ok && t == s }), nil
		}
		for _, e := range h {
			if err := c.charge(0); err != nil {
				return nil, err
			}
			if runtime.Equal(e, needle) {
				return true, nil
			}
		}
		return false, nil
	case string:
		return nil, fmt.Errorf("in needs a list or an object, not text: write %q", "… contains …")
	}
	return runtime.In(needle, haystack), nil
}

// sortedKeys are the names of an object's fields.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
