package config

import (
	"encoding/json"
	"time"

	"paragon/engine/store"
	"paragon/schema/api"
)

// auditedChange is what the audit log tells of a change of a resource: an
// update by its fields, each before and after, a creation and a deletion by the
// whole, a secret's value as its digest.
type auditedChange struct {
	Revision int64 `json:"revision"`
	// To is the earlier revision that was gone back to.
	To      int64             `json:"to,omitempty"`
	Source  string            `json:"source,omitempty"`
	Changes []api.FieldChange `json:"changes,omitempty"`
	Before  *auditedResource  `json:"before,omitempty"`
	After   *auditedResource  `json:"after,omitempty"`
}

// maxAudited bounds the spec that is told in full, in bytes. Of a larger one
// the log has the digest; its revision has the rest.
const maxAudited = 32 << 10

// auditedResource is a resource as the audit log tells it.
type auditedResource struct {
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Spec        json.RawMessage   `json:"spec,omitempty"`
	Digest      string            `json:"digest"`
}

func audited(r store.Resource) *auditedResource {
	out := &auditedResource{Labels: r.Metadata.Labels, Annotations: r.Metadata.Annotations, Digest: r.Digest}
	if spec := shownSpec(r); len(spec) <= maxAudited {
		out.Spec = spec
	}
	return out
}

// auditedKey is an API key as the audit log tells it.
func auditedKey(k store.Key) any {
	return struct {
		Name      string    `json:"name"`
		Role      string    `json:"role"`
		Scope     []string  `json:"scope,omitempty"`
		ExpiresAt time.Time `json:"expiresAt,omitzero"`
	}{k.Name, k.Role, scopeList(k.Scope), k.ExpiresAt}
}
