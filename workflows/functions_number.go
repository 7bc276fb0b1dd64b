package workflows

import (
	"fmt"
	"math"
	"strconv"

	"github.com/expr-lang/expr/vm/runtime"
)

type numberOf = func(any) float64

var numberFunctions = []Function{
	{Name: "abs", Group: "number", Signature: "abs(number) number", Doc: "Is the distance from zero.", Example: `abs(-2)`, Result: `2`},
	{Name: "ceil", Group: "number", Signature: "ceil(number) number", Doc: "Rounds up.", Example: `ceil(1.2)`, Result: `2`},
	{Name: "floor", Group: "number", Signature: "floor(number) number", Doc: "Rounds down.", Example: `floor(1.8)`, Result: `1`},
	{Name: "round", Group: "number", Signature: "round(number, digits?) number", Doc: "Rounds to the nearest whole number, or to a number of decimal digits.",
		Example: `round(2.345, 2)`, Result: `2.35`, types: sig((*func(any) float64)(nil), (*func(any, int) float64)(nil)), run: roundNumber},
	{Name: "max", Group: "number", Signature: "max(numbers…) number", Doc: "Is the greatest of numbers or of a list of numbers.", Example: `max(1, 3, 2)`, Result: `3`},
	{Name: "min", Group: "number", Signature: "min(numbers…) number", Doc: "Is the least of numbers or of a list of numbers.", Example: `min([4, 2])`, Result: `2`},
	{Name: "mean", Group: "number", Signature: "mean(list) number", Doc: "Is the average.", Example: `mean([1, 2])`, Result: `1.5`},
	{Name: "median", Group: "number", Signature: "median(list) number", Doc: "Is the middle.", Example: `median([1, 9, 2])`, Result: `2`},
	{Name: "number", Group: "number", Signature: "number(value, default?) number", Doc: "Reads a number from text; without a default, text that is none is an error.",
		Example: `number("1.5") + 1`, Result: `2.5`, types: sig((*numberOf)(nil), (*func(any, any) any)(nil)), run: toNumber},
	{Name: "int", Group: "number", Signature: "int(value) int", Doc: "Reads a whole number from text, and cuts off the decimals of a number.",
		Example: `int("42")`, Result: `42`, types: sig((*func(any) int)(nil)), run: toWhole},
	{Name: "formatNumber", Group: "number", Signature: "formatNumber(number, digits) text", Doc: "Writes a number with a number of decimal digits.",
		Example: `formatNumber(3, 2)`, Result: `"3.00"`, types: sig((*func(any, int) string)(nil)), run: formatNumber},
	{Name: "random", Group: "number", Signature: "random(limit?) number", Doc: "Is a number from 0 to below 1, or a whole one below the limit; the same whenever the same step is evaluated again.",
		Example: `random(1)`, Result: `0`, types: sig((*func() float64)(nil), (*func(any) float64)(nil)), run: randomNumber},
}

// add is the operator +.
func add(_ *call, args []any) (any, error) {
	a, b := args[0], args[1]
	if s, ok := a.(string); ok {
		if t, ok := b.(string); ok {
			if len(s)+len(t) > maxText {
				return nil, errTooLarge
			}
			return s + t, nil
		}
	}
	if a == nil || b == nil {
		return nil, fmt.Errorf("+ needs two numbers or two texts, one of them is null")
	}
	if _, ok := a.(string); ok {
		return nil, fmt.Errorf("+ needs two texts, the second is %s: write string(…)", typeName(b))
	}
	if _, ok := b.(string); ok {
		return nil, fmt.Errorf("+ needs two texts, the first is %s: write string(…)", typeName(a))
	}
	return runtime.Add(a, b), nil
}

// modulo is the operator %. It works on whole numbers.
func modulo(_ *call, args []any) (any, error) {
	a, okA := wholeNumber(args[0])
	b, okB := wholeNumber(args[1])
	if !okA || !okB {
		return nil, fmt.Errorf("%% needs whole numbers, not %s and %s", typeName(args[0]), typeName(args[1]))
	}
	if b == 0 {
		return nil, fmt.Errorf("division by zero")
	}
	return a % b, nil
}

func roundNumber(_ *call, args []any) (any, error) {
	f, ok := number(args[0])
	if !ok {
		return nil, fmt.Errorf("argument 1 must be a number, it is %s", typeName(args[0]))
	}
	if len(args) == 1 {
		return math.Round(f), nil
	}
	digits, err := wholeArg(args, 1)
	if err != nil {
		return nil, err
	}
	if digits < 0 || digits > 15 {
		return nil, fmt.Errorf("the digits must be from 0 to 15")
	}
	scale := math.Pow(10, float64(digits))
	// Half a unit in the last place keeps 2.345, which is stored a little
	// below, from being rounded down.
	r := math.Round(f*scale*(1+1e-15)) / scale
	if math.IsInf(r, 0) || math.IsNaN(r) {
		return f, nil
	}
	return r, nil
}

func parseNumber(v any) (any, error) {
	switch v := v.(type) {
	case int, float64:
		return v, nil
	case int64:
		return int(v), nil
	case bool:
		if v {
			return 1, nil
		}
		return 0, nil
	case string:
		if i, err := strconv.Atoi(v); err == nil {
			return i, nil
		}
		if f, err := strconv.ParseFloat(v, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return f, nil
		}
		return nil, fmt.Errorf("%q is not a number", shorten(v, 40))
	}
	return nil, fmt.Errorf("%s can't be made a number", typeName(v))
}

func toNumber(_ *call, args []any) (any, error) {
	n, err := parseNumber(args[0])
	if err != nil && len(args) > 1 {
		return args[1], nil
	}
	return n, err
}

func toWhole(_ *call, args []any) (any, error) {
	n, err := parseNumber(args[0])
	if err != nil {
		return nil, err
	}
	if f, ok := n.(float64); ok {
		if math.Abs(f) >= 1<<63 {
			return nil, fmt.Errorf("%s is too large", numberText(f))
		}
		return int(f), nil
	}
	return n, nil
}

func formatNumber(_ *call, args []any) (any, error) {
	f, ok := number(args[0])
	if !ok {
		return nil, fmt.Errorf("argument 1 must be a number, it is %s", typeName(args[0]))
	}
	digits, err := wholeArg(args, 1)
	if err != nil {
		return nil, err
	}
	if digits < 0 || digits > 20 {
		return nil, fmt.Errorf("the digits must be from 0 to 20")
	}
	return strconv.FormatFloat(f, 'f', digits, 64), nil
}
