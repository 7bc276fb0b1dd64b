package api

import (
	"encoding/json"
	"time"

	"paragon/schema"
)

// Action is what apply does, or would do, with one document.
type Action string

// The actions of a plan.
const (
	ActionCreate    Action = "create"
	ActionUpdate    Action = "update"
	ActionUnchanged Action = "unchanged"
	ActionDelete    Action = "delete"
)

// ApplyResult answers POST …/apply.
type ApplyResult struct {
	// DryRun says that nothing was written.
	DryRun bool `json:"dryRun"`
	// Changed says whether any item is not unchanged.
	Changed bool `json:"changed"`
	// Items has one entry a document, in the order given, then deletions.
	Items []ApplyItem `json:"items"`
	// Warnings do not stop an apply.
	Warnings []schema.Diagnostic `json:"warnings,omitempty"`
}

// ApplyItem is the plan, and unless DryRun the outcome, for one resource.
type ApplyItem struct {
	schema.Ref
	Action Action `json:"action"`
	// Revision is the revision after the apply (before it, with dryRun).
	Revision int64 `json:"revision,omitempty"`
	// Changes lists the fields that differ.
	Changes []FieldChange `json:"changes,omitempty"`
}

// FieldChange is one field that differs.
type FieldChange struct {
	Field string `json:"field"`
	// Before and After are JSON values; absent where the field is not set. A
	// secret's value shows as its digest.
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// StoredResource is a resource as GET …/{kind}/{name} shows it. Its ETag is
// the revision in quotes.
type StoredResource struct {
	schema.Resource
	Status ResourceStatus `json:"status"`
}

// ResourceStatus is what the server knows about a resource.
type ResourceStatus struct {
	Revision  int64     `json:"revision"`
	Digest    string    `json:"digest,omitempty"`
	UpdatedAt time.Time `json:"updatedAt"`
	UpdatedBy string    `json:"updatedBy,omitempty"`
	// Source says what file and set it was applied from.
	Source string `json:"source,omitempty"`
	// Deleted marks a revision that ended the resource.
	Deleted bool `json:"deleted,omitempty"`
}

// List is a page of items.
type List[T any] struct {
	Items []T `json:"items"`
	// NextCursor asks for the next page; empty on the last.
	NextCursor string `json:"nextCursor,omitempty"`
}

// TriggerRequest is the body of POST …/workflows/{name}/runs.
type TriggerRequest struct {
	Input json.RawMessage `json:"input,omitempty"`
	// IdempotencyKey is the same as the header of that name; the one way to
	// give it in NDJSON.
	IdempotencyKey string `json:"idempotencyKey,omitempty"`
	// User is the id of the user whom the run is for, the same as the header
	// Paragon-User; the one way to give it in NDJSON. A user's own token needs
	// none.
	User string `json:"user,omitempty"`
}

// TriggerLine answers one line of an NDJSON trigger: a run or a problem.
type TriggerLine struct {
	ID    string          `json:"id,omitempty"`
	Error *schema.Problem `json:"error,omitempty"`
}

// RunsQuery filters GET …/runs.
type RunsQuery struct {
	Workflow string
	Status   []schema.RunStatus
	Since    time.Time
	Until    time.Time
	User     string
	Error    string
	Cursor   string
	Limit    int
}

// Version answers GET /version.
type Version struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go"`
	// Mode is "dev" or "serve".
	Mode string `json:"mode"`
}

// Identity answers GET /v1/whoami.
type Identity struct {
	Name    string    `json:"name"`
	Role    string    `json:"role"`
	Project string    `json:"project"`
	Expires time.Time `json:"expires,omitzero"`
	// Scope has what of its role a key may do; empty: all.
	Scope []string `json:"scope,omitempty"`
	// Person tells a login from a key. Project is empty then when the person
	// is a member of more than one, or of none.
	Person bool `json:"person,omitempty"`
	// Projects are those that a person has a role in.
	Projects []Project `json:"projects,omitempty"`
}
