package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// UserWorkflow is a workflow with users as it is for one of them.
type UserWorkflow struct {
	Workflow string `json:"workflow"`
	// Enabled is what the user chose; Default says that the user has not chosen,
	// and it is what the workflow has by default.
	Enabled bool `json:"enabled"`
	Default bool `json:"default,omitempty"`
	// Active says that the workflow runs for the user. Reason (below) and Detail
	// say why it does not.
	Active bool   `json:"active"`
	Reason string `json:"reason,omitempty"`
	Detail string `json:"detail,omitempty"`
	// Settings are what the user set, a JSON object.
	Settings  json.RawMessage `json:"settings,omitempty"`
	UpdatedAt time.Time       `json:"updatedAt,omitzero"`
	UpdatedBy string          `json:"updatedBy,omitempty"`
}

// Why a workflow does not run for a user.
const (
	ReasonDisabled     = "disabled"     // the user has not enabled it
	ReasonNotAllowed   = "notAllowed"   // spec.users.allow is false
	ReasonSettings     = "settings"     // the settings do not fit spec.users.settings
	ReasonUserDisabled = "userDisabled" // the user is disabled
)

// PutUserWorkflowRequest is the body of PUT …/users/{id}/workflows/{name}. What
// is left out stays as it is.
type PutUserWorkflowRequest struct {
	Enabled *bool `json:"enabled,omitempty"`
	// Settings is a JSON object that the workflow reads as settings; it takes the
	// place of the one before.
	Settings json.RawMessage `json:"settings,omitempty"`
}

// UserWorkflows lists the workflows with users as they are for one of them.
func (c *Client) UserWorkflows(ctx context.Context, user string) (*List[UserWorkflow], error) {
	return get[List[UserWorkflow]](ctx, c, c.path("users", user, "workflows"), nil)
}

// UserWorkflow returns a workflow with users as it is for one of them.
func (c *Client) UserWorkflow(ctx context.Context, user, workflow string) (*UserWorkflow, error) {
	return get[UserWorkflow](ctx, c, c.path("users", user, "workflows", workflow), nil)
}

// PutUserWorkflow enables or disables a workflow for a user, or sets the user's
// settings for it.
func (c *Client) PutUserWorkflow(ctx context.Context, user, workflow string, req PutUserWorkflowRequest) (*UserWorkflow, error) {
	return put[UserWorkflow](ctx, c, c.path("users", user, "workflows", workflow), req)
}

// DeleteUserWorkflow forgets what a user chose of a workflow.
func (c *Client) DeleteUserWorkflow(ctx context.Context, user, workflow string) error {
	return c.do(ctx, &call{method: http.MethodDelete, path: c.path("users", user, "workflows", workflow)})
}
