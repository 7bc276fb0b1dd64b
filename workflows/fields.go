package workflows

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"paragon/schema"
)

// structInfo is what decoding needs to know of a struct.
type structInfo struct {
	fields []fieldInfo
	names  []string
}

type fieldInfo struct {
	name     string
	index    int
	required bool
	enum     []string
	min, max float64
	limited  bool
}

var structs sync.Map // reflect.Type to *structInfo

func infoOf(t reflect.Type) *structInfo {
	if v, ok := structs.Load(t); ok {
		return v.(*structInfo)
	}
	info := &structInfo{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		fi := fieldInfo{name: name, index: i, required: !strings.Contains(options, "omit")}
		if enum := f.Tag.Get("enum"); enum != "" {
			fi.enum = strings.Split(enum, ",")
		}
		if lo, hi := f.Tag.Get("min"), f.Tag.Get("max"); lo != "" || hi != "" {
			fi.limited = true
			fi.min, _ = strconv.ParseFloat(lo, 64)
			fi.max, _ = strconv.ParseFloat(hi, 64)
		}
		info.fields = append(info.fields, fi)
		info.names = append(info.names, name)
	}
	v, _ := structs.LoadOrStore(t, info)
	return v.(*structInfo)
}

func (s *structInfo) find(name string) *fieldInfo {
	for i := range s.fields {
		if s.fields[i].name == name {
			return &s.fields[i]
		}
	}
	return nil
}

// unknownField reports a key that the struct does not have.
func (d *decoder) unknownField(f pair, t reflect.Type, info *structInfo, p *path) {
	suggestion := didYouMean(f.name, info.names)
	if t == reflect.TypeFor[schema.StepSpec]() && nearest(f.name, info.names) == "" {
		suggestion = "kinds of step are " + joinKinds(stepKeys)
	}
	where := ""
	if p != nil && p.index < 0 {
		where = " in " + p.name
	} else if t == reflect.TypeFor[schema.StepSpec]() {
		where = " in a step"
	}
	d.fail(f.key, p.field(f.name), "unknown-field", suggestion, "unknown field %q%s", f.name, where)
}

// limits checks the values that the tags of a field allow.
func (d *decoder) limits(n *node, v reflect.Value, fi *fieldInfo, p *path) {
	if v.Kind() == reflect.String && v.String() == "" && fi.required {
		d.fail(n, p, "missing-field", "", "%s must not be empty", fi.name)
	}
	if fi.enum != nil && v.Kind() == reflect.String && v.String() != "" && !slices.Contains(fi.enum, v.String()) {
		d.fail(n, p, "invalid-value", didYouMean(v.String(), fi.enum), "%s can't be %q", fi.name, shorten(v.String(), 60))
	}
	if !fi.limited {
		return
	}
	var x float64
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil() && v.Elem().CanInt():
		x = float64(v.Elem().Int())
	case v.CanInt():
		x = float64(v.Int())
	case v.CanFloat():
		x = v.Float()
	default:
		return
	}
	if x < fi.min || x > fi.max {
		d.fail(n, p, "range", "", "%s must be from %s to %s", fi.name, numberText(fi.min), numberText(fi.max))
	}
}
