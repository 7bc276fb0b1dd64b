package plan

import (
	"context"
	"encoding/json"
	"fmt"

	"paragon/cmd/paragonctl/internal/source"
	"paragon/schema"
	"paragon/schema/api"
)

// Complete adds to a dry run's result what a reviewer wants to read and the
// server leaves out, because both sides are known: the whole of what would be
// created, from the documents, and the whole of what would be deleted, from the
// server. The values of secrets are in neither.
func Complete(ctx context.Context, client *api.Client, set *source.Set, result *api.ApplyResult) error {
	written := map[schema.Ref]schema.Resource{}
	for _, d := range set.Documents {
		written[d.Ref()] = d.Resource
	}
	for i := range result.Items {
		item := &result.Items[i]
		if len(item.Changes) > 0 {
			continue
		}
		switch item.Action {
		case api.ActionCreate:
			for _, part := range parts(written[item.Ref]) {
				item.Changes = append(item.Changes, api.FieldChange{Field: part.field, After: part.value})
			}
		case api.ActionDelete:
			stored, err := client.Get(ctx, item.Ref)
			if err != nil {
				return fmt.Errorf("read %s: %w", item.Ref, err)
			}
			for _, part := range parts(stored.Resource) {
				item.Changes = append(item.Changes, api.FieldChange{Field: part.field, Before: part.value})
			}
		}
	}
	return nil
}

type part struct {
	field string
	value json.RawMessage
}

// parts are what a document says beside its name. A field of a secret that holds
// its value is left out.
func parts(r schema.Resource) (out []part) {
	for _, m := range []struct {
		field string
		texts map[string]string
	}{{"metadata.labels", r.Metadata.Labels}, {"metadata.annotations", r.Metadata.Annotations}} {
		if len(m.texts) == 0 {
			continue
		}
		if text, err := json.Marshal(m.texts); err == nil {
			out = append(out, part{m.field, text})
		}
	}
	spec := source.InOrder(r)
	if r.Kind == schema.KindSecret {
		var secret schema.SecretSpec
		if json.Unmarshal(spec, &secret) != nil {
			return out
		}
		secret.Value = ""
		text, err := json.Marshal(secret)
		if err != nil {
			return out
		}
		spec = text
	}
	if len(spec) > 0 && string(spec) != "{}" {
		out = append(out, part{"spec", spec})
	}
	return out
}
