package cache

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"paragon/engine/store"
	"paragon/schema"
)

// document is a revision of a resource as Redis holds it. Of a Secret the spec
// holds the value sealed only.
type document struct {
	Labels  map[string]string `json:"labels,omitempty"`
	Spec    json.RawMessage   `json:"spec,omitempty"`
	Digest  string            `json:"digest,omitempty"`
	Missing bool              `json:"missing,omitempty"` // the store has no such revision
}

// projectEntry is a project in the index.
type projectEntry struct {
	DataKey  []byte          `json:"dataKey,omitempty"`
	Settings json.RawMessage `json:"settings,omitempty"`
}

// keyEntry is an API key in the index.
type keyEntry struct {
	Project   string    `json:"project"`
	Name      string    `json:"name"`
	Role      string    `json:"role"`
	Scope     string    `json:"scope,omitempty"`
	Hash      []byte    `json:"hash"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
}

// resourceEntry is a resource in the index: "<revision> <digest>".
type resourceEntry struct {
	revision int64
	digest   string
}

func (e resourceEntry) String() string { return strconv.FormatInt(e.revision, 10) + " " + e.digest }

func parseResourceEntry(s string) (resourceEntry, error) {
	rev, digest, _ := strings.Cut(s, " ")
	n, err := strconv.ParseInt(rev, 10, 64)
	if err != nil {
		return resourceEntry{}, fmt.Errorf("index entry %q has no revision", s)
	}
	return resourceEntry{n, digest}, nil
}

func projectField(name string) string { return "p/" + name }
func keyField(id string) string       { return "k/" + id }

func resourceField(project string, ref schema.Ref) string {
	return "r/" + project + "/" + string(ref.Kind) + "/" + ref.Name
}

// parseResourceField is the reverse of resourceField.
func parseResourceField(field string) (project string, ref schema.Ref, ok bool) {
	parts := strings.Split(field, "/")
	if len(parts) != 4 || parts[0] != "r" {
		return "", schema.Ref{}, false
	}
	return parts[1], schema.Ref{Kind: schema.Kind(parts[2]), Name: parts[3]}, true
}

func encodeProject(p store.Project) string {
	return asJSON(projectEntry{DataKey: p.DataKey, Settings: p.Settings})
}

func encodeKey(k store.Key) string {
	return asJSON(keyEntry{Project: k.Project, Name: k.Name, Role: k.Role, Scope: k.Scope, Hash: k.Hash, ExpiresAt: k.ExpiresAt})
}

func encodeDocument(r store.Resource) string {
	return asJSON(document{Labels: r.Metadata.Labels, Spec: r.Spec, Digest: r.Digest})
}

func idOf(r store.Resource) revisionID {
	return revisionID{r.Project, r.Kind, r.Metadata.Name, r.Revision}
}

// asJSON encodes what is made of strings, bytes and JSON that the store
// returned. Only a RawMessage that is no JSON could fail; it becomes null.
func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "null"
	}
	return string(b)
}
