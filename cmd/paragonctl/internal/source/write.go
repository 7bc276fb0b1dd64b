package source

import (
	"bytes"
	"encoding/json"
	"reflect"

	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows"
)

// Write is a stored resource as someone would write it, so that applying it
// changes nothing. A secret says where its value comes from instead of what it
// is: sealed has those, by name, that are at hand as age files.
func Write(item api.StoredResource, sealed map[string]string) ([]byte, error) {
	r, err := Portable(item, sealed)
	if err != nil {
		return nil, err
	}
	return workflows.MarshalYAML(r)
}

// Portable is a stored resource as a document of its own, as Write writes it.
func Portable(item api.StoredResource, sealed map[string]string) (schema.Resource, error) {
	from := schema.SecretSource{Env: item.Metadata.Name}
	if age := sealed[item.Metadata.Name]; age != "" {
		from = schema.SecretSource{Age: age}
	}
	r := item.Resource
	r.APIVersion = schema.APIVersion
	r.Spec = InOrder(r)
	if r.Kind == schema.KindSecret {
		var spec schema.SecretSpec
		if err := json.Unmarshal(r.Spec, &spec); err != nil {
			return r, err
		}
		text, err := json.Marshal(schema.SecretSpec{Description: spec.Description, ValueFrom: &from})
		if err != nil {
			return r, err
		}
		r.Spec = text
	}
	return r, nil
}

// InOrder is the spec of a resource with its fields in the order in which people
// write them, unless this version doesn't know all of them.
func InOrder(r schema.Resource) json.RawMessage {
	switch r.Kind {
	case schema.KindWorkflow:
		return inOrder[schema.WorkflowSpec](r.Spec)
	case schema.KindSecret:
		return inOrder[schema.SecretSpec](r.Spec)
	case schema.KindIntegration:
		return inOrder[schema.IntegrationSpec](r.Spec)
	case schema.KindDestination:
		return inOrder[schema.DestinationSpec](r.Spec)
	}
	return r.Spec
}

func inOrder[T any](spec json.RawMessage) json.RawMessage {
	var typed T
	if json.Unmarshal(spec, &typed) != nil {
		return spec
	}
	text, err := json.Marshal(typed)
	if err != nil {
		return spec
	}
	var before, after any
	if json.Unmarshal(spec, &before) != nil || json.Unmarshal(text, &after) != nil || !reflect.DeepEqual(before, after) {
		return spec
	}
	return bytes.Clone(text)
}
