package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"paragon/engine/cache"
	"paragon/engine/seal"
	"paragon/engine/store"
	"paragon/schema"
)

// maxSecret bounds the value of a secret, in bytes.
const maxSecret = 64 << 10

// storedSecret is the spec of a Secret as the store keeps it.
type storedSecret struct {
	Description string `json:"description,omitempty"`
	// Digest is a keyed digest of the value, Sealed the value itself.
	Digest string `json:"digest"`
	Sealed []byte `json:"sealed"`
	// Past has the values of before, sealed, the newest last: runs that took one
	// up may still be going on, and processes that start now must know what to
	// keep out of the logs.
	Past [][]byte `json:"past,omitempty"`
}

// after is the secret in the place of the one before.
func (s storedSecret) after(before storedSecret) storedSecret {
	s.Past = before.Past
	if s.Digest != before.Digest && len(before.Sealed) > 0 {
		s.Past = append(slices.Clip(before.Past), before.Sealed)
		s.Past = s.Past[max(0, len(s.Past)-cache.MaxPast):]
	}
	return s
}

// following is the stored spec of a resource that is written in the place of
// the current one, nil for none. Only of a secret does it tell of what was
// before.
func following(r store.Resource, current *store.Resource) (json.RawMessage, error) {
	if r.Kind != schema.KindSecret || current == nil {
		return r.Spec, nil
	}
	var next, before storedSecret
	if err := errors.Join(json.Unmarshal(r.Spec, &next), json.Unmarshal(current.Spec, &before)); err != nil {
		return nil, fmt.Errorf("the stored secret %s can't be read", r.Metadata.Name)
	}
	return json.Marshal(next.after(before))
}

// sealSecret makes the stored spec and the digest of the whole resource from
// an applied Secret and the current one, which may be nil. values holds what
// the client read for valueFrom.
//
// A document without a value is one that the server showed: it keeps the
// current value when it names its digest.
func sealSecret(key *seal.DataKey, r schema.Resource, current *store.Resource, values map[string]string) (spec json.RawMessage, digest string, d *schema.Diagnostic) {
	name := r.Metadata.Name
	fail := func(field, message, suggestion string) (json.RawMessage, string, *schema.Diagnostic) {
		return nil, "", &schema.Diagnostic{Severity: schema.SeverityError, Code: "secret-value", Field: field, Message: message,
			Suggestion: suggestion, Resource: schema.Ref{Kind: r.Kind, Name: name}.String()}
	}
	var given schema.SecretSpec
	if err := json.Unmarshal(r.Spec, &given); err != nil {
		// The error's text may hold a piece of the value.
		return fail("spec", fmt.Sprintf("the spec of secret %s can't be read", name), "")
	}
	value := given.Value
	if given.ValueFrom != nil {
		resolved, ok := values[name]
		if !ok {
			return fail("spec.valueFrom", fmt.Sprintf("the value of secret %s did not come with the request", name),
				"valueFrom is resolved by paragonctl: apply with it, or give the value itself")
		}
		value = resolved
	}
	var before storedSecret
	if current != nil {
		if err := json.Unmarshal(current.Spec, &before); err != nil {
			return fail("spec", fmt.Sprintf("the stored secret %s can't be read; delete it and apply it again", name), "")
		}
	}
	stored := storedSecret{Description: given.Description}
	switch {
	case len(value) > maxSecret:
		return fail("spec.value", fmt.Sprintf("the value of secret %s has %d bytes, %d is the most", name, len(value), maxSecret), "")
	case value != "":
		stored.Digest = key.Digest([]byte(value), cache.SecretPlace(name)...)
	case given.ValueFrom != nil:
		return fail("spec.valueFrom", fmt.Sprintf("the value of secret %s is empty", name), "")
	case given.Digest != "" && current != nil && given.Digest == before.Digest:
		stored.Digest = before.Digest
	case given.Digest != "":
		return fail("spec.digest", fmt.Sprintf("secret %s has no value, and the stored one has another digest", name), "give value or valueFrom")
	default:
		return fail("spec", fmt.Sprintf("secret %s has no value", name), "give value or valueFrom")
	}
	if stored.Digest == before.Digest {
		stored.Sealed = before.Sealed
	} else {
		sealed, err := key.Seal([]byte(value), cache.SecretPlace(name)...)
		if err != nil {
			return fail("spec.value", fmt.Sprintf("secret %s can't be sealed", name), "")
		}
		stored.Sealed = sealed
	}
	stored = stored.after(before)
	spec, err := json.Marshal(stored)
	if err != nil {
		return fail("spec", fmt.Sprintf("secret %s can't be stored", name), "")
	}
	return spec, digestOf(r.Metadata, shownSecretSpec(stored, 0)), nil
}

// shownSecretSpec is what is shown of a stored secret: never its value. The
// digest of a resource is taken of it with version 0.
func shownSecretSpec(stored storedSecret, revision int64) json.RawMessage {
	b, err := json.Marshal(schema.SecretSpec{Description: stored.Description, Digest: stored.Digest, Version: revision})
	if err != nil {
		return json.RawMessage(`{}`)
	}
	return b
}

// shownSpec is the spec of a stored resource as the API shows it.
func shownSpec(r store.Resource) json.RawMessage {
	if r.Deleted && len(r.Spec) == 0 {
		return json.RawMessage(`{}`)
	}
	if r.Kind != schema.KindSecret {
		return r.Spec
	}
	var stored storedSecret
	if json.Unmarshal(r.Spec, &stored) != nil {
		return json.RawMessage(`{}`)
	}
	return shownSecretSpec(stored, r.Revision)
}
