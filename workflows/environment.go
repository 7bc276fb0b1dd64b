package workflows

import (
	"maps"
	"reflect"
	"slices"

	"github.com/expr-lang/expr/checker/nature"
)

var objectType = reflect.TypeFor[map[string]any]()

// mapNature is the static type of an object with known fields. Unknown fields
// are errors when it is strict, else values of any type.
func mapNature(fields map[string]nature.Nature, strict bool) nature.Nature {
	if fields == nil {
		fields = map[string]nature.Nature{}
	}
	return nature.Nature{
		Type: objectType, Kind: reflect.Map, Strict: strict,
		TypeData: &nature.TypeData{Fields: fields},
	}
}

// listNature is the static type of a list.
func listNature(of nature.Nature) nature.Nature {
	n := nature.FromType(reflect.TypeFor[[]any]())
	n.TypeData = &nature.TypeData{}
	n.Ref = &of
	return n
}

var (
	anyNature    = nature.Nature{}
	textNature   = nature.FromType(reflect.TypeFor[string]())
	numberNature = nature.FromType(reflect.TypeFor[float64]())
	intNature    = nature.FromType(reflect.TypeFor[int]())
	boolNature   = nature.FromType(reflect.TypeFor[bool]())
)

// An environment says which names an expression may use, and their types.
type environment struct {
	nature nature.Nature
	// steps is nil where the steps are not known: expressions compiled on
	// their own, and those that run before any step.
	steps *stepTable
	// reasons says of names that are absent why.
	reasons map[string]string
	// current is the step that the expression belongs to, nil for none.
	current *stepInfo
	// open takes every name that is not a function.
	open bool
}

func newEnvironment(fields map[string]nature.Nature) *environment {
	return &environment{nature: mapNature(fields, true)}
}

func (e *environment) has(name string) bool {
	_, ok := e.nature.Fields[name]
	return ok || e.open && !library.known(name)
}

func (e *environment) absent(name string) string { return e.reasons[name] }

// names lists the names in scope, sorted.
func (e *environment) names() []string {
	return slices.Sorted(maps.Keys(e.nature.Fields))
}

// with is the environment with further names.
func (e *environment) with(more map[string]nature.Nature) *environment {
	fields := maps.Clone(e.nature.Fields)
	maps.Copy(fields, more)
	copied := *e
	copied.nature = mapNature(fields, true)
	return &copied
}

// freeEnvironment takes any name as a value of any type: for expressions that
// are compiled on their own.
func freeEnvironment() *environment {
	e := newEnvironment(nil)
	e.open = true
	return e
}
