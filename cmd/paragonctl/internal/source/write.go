package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
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

// Sealed asks an owner's client for the values of a project's secrets, by name, each
// an age file for a recipient; none without one.
func Sealed(ctx context.Context, client *api.Client, recipient string) (map[string]string, error) {
	if recipient == "" {
		return nil, nil
	}
	secrets, err := client.ExportSecrets(ctx, recipient)
	if err != nil {
		return nil, err
	}
	sealed := make(map[string]string, len(secrets.Items))
	for _, s := range secrets.Items {
		sealed[s.Name] = s.Age
	}
	return sealed, nil
}

// FileName is the name of the file that a stored resource is written to. Names come
// from the server, so one that would lead out of the directory is refused.
func FileName(item api.StoredResource) (string, error) {
	name := item.Kind.Singular() + "-" + item.Metadata.Name + ".yaml"
	if !filepath.IsLocal(name) || filepath.Base(name) != name {
		return "", errors.New("its name can't be that of a file")
	}
	return name, nil
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
