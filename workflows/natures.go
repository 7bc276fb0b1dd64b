package workflows

import (
	"reflect"

	"github.com/expr-lang/expr/checker/nature"
)

// plainResponse is the type of most requests' results. Types are never changed,
// except that of steps.
var plainResponse = responseNature(anyNature, false)

// responseNature is the static type of a request's result.
func responseNature(body nature.Nature, failing bool) nature.Nature {
	fields := map[string]nature.Nature{"status": intNature, "headers": mapNature(nil, false), "body": body}
	if failing {
		fields["error"] = mapNature(nil, false)
	}
	return mapNature(fields, true)
}

// resultNature is the static type of steps.<id>. Every result may also be
// null, of a step that was skipped: null goes with any type.
func (c *compiler) resultNature(s *Step) nature.Nature {
	switch s.Kind {
	case StepRequest:
		if s.Pages == nil && !s.ContinueOnError {
			return plainResponse
		}
		body := anyNature
		if s.Pages != nil {
			body = mapNature(map[string]nature.Nature{"items": listNature(anyNature), "pages": intNature}, false)
		}
		return responseNature(body, s.ContinueOnError || s.Pages != nil && s.Pages.Partial)
	case StepSet:
		fields := map[string]nature.Nature{}
		for name := range s.Spec.Set {
			fields[name] = anyNature
		}
		if s.ContinueOnError {
			fields["error"] = mapNature(nil, false)
		}
		return mapNature(fields, true)
	case StepForEach:
		if s.ContinueOnError {
			return anyNature
		}
		return listNature(anyNature)
	case StepParallel:
		fields := map[string]nature.Nature{}
		for _, b := range s.Branches {
			fields[b.Name] = anyNature
		}
		if s.ContinueOnError {
			fields["error"] = mapNature(nil, false)
		}
		return mapNature(fields, true)
	}
	return anyNature
}

// schemaNature is the static type of the values that satisfy a JSON Schema, as
// far as it says one.
func schemaNature(s map[string]any) nature.Nature { return natureOfSchema(s, 0) }

func natureOfSchema(v any, depth int) nature.Nature {
	s, ok := v.(map[string]any)
	if !ok || depth > 20 {
		return anyNature
	}
	for _, composed := range []string{"$ref", "$dynamicRef", "anyOf", "oneOf", "allOf", "if", "not"} {
		if _, ok := s[composed]; ok {
			return anyNature
		}
	}
	switch schemaType(s["type"]) {
	case "string":
		return textNature
	case "integer":
		return intNature
	case "number":
		return numberNature
	case "boolean":
		return boolNature
	case "array":
		if _, ok := s["prefixItems"]; ok {
			return listNature(anyNature)
		}
		return listNature(natureOfSchema(s["items"], depth+1))
	case "object":
		properties, _ := s["properties"].(map[string]any)
		fields := make(map[string]nature.Nature, len(properties))
		for name, p := range properties {
			fields[name] = natureOfSchema(p, depth+1)
		}
		_, patterns := s["patternProperties"]
		closed := s["additionalProperties"] == false || s["unevaluatedProperties"] == false
		return mapNature(fields, closed && !patterns)
	}
	return anyNature
}

// schemaType is the one type of a schema, or the one beside null.
func schemaType(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		found := ""
		for _, e := range v {
			if e == "null" {
				continue
			}
			s, ok := e.(string)
			if !ok || found != "" {
				return ""
			}
			found = s
		}
		return found
	}
	return ""
}

// wantList reports a static type that can't be a list.
func (c *compiler) wantList(n nature.Nature, at *path) {
	if n.Type == nil || n.IsArray() || n.Kind == reflect.Interface {
		return
	}
	c.fail(at, "expression", "", "items must be a list, this is %s", natureName(n))
}
