package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"paragon/schema"
)

// Queue is where runs of one lane and priority wait for a worker.
type Queue struct {
	// Name is lane and priority, as in "0/high".
	Name     string          `json:"name"`
	Lane     int             `json:"lane"`
	Priority schema.Priority `json:"priority"`
	// Runs is how many runs wait, and Oldest since when the one does that has
	// waited longest.
	Runs   int64     `json:"runs"`
	Oldest time.Time `json:"oldest,omitzero"`
	// Paused says that workers take nothing from it.
	Paused bool `json:"paused"`
}

// PausedWorkflow is a workflow whose runs are accepted and not begun.
type PausedWorkflow struct {
	Workflow string    `json:"workflow"`
	Since    time.Time `json:"since"`
	By       string    `json:"by,omitempty"`
	// Held is how many runs were put aside so far.
	Held int64 `json:"held"`
}

// Queues lists the queues of the installation.
func (c *Client) Queues(ctx context.Context) (*List[Queue], error) {
	return get[List[Queue]](ctx, c, c.path("queues"), nil)
}

// PausedWorkflows lists the paused workflows of the project.
func (c *Client) PausedWorkflows(ctx context.Context) (*List[PausedWorkflow], error) {
	return get[List[PausedWorkflow]](ctx, c, c.path("paused"), nil)
}

// PauseQueue keeps workers from taking runs from a queue ("0/high"), and
// ResumeQueue ends that.
func (c *Client) PauseQueue(ctx context.Context, name string) error {
	return c.steer(ctx, append(append([]string{"queues"}, queueSegments(name)...), "pause"))
}

// ResumeQueue ends PauseQueue.
func (c *Client) ResumeQueue(ctx context.Context, name string) error {
	return c.steer(ctx, append(append([]string{"queues"}, queueSegments(name)...), "resume"))
}

// queueSegments are lane and priority as the path has them.
func queueSegments(name string) []string {
	lane, priority, _ := strings.Cut(name, "/")
	return []string{lane, priority}
}

// PauseWorkflow holds the runs of a workflow that have not begun, and
// ResumeWorkflow lets them go.
func (c *Client) PauseWorkflow(ctx context.Context, name string) error {
	return c.steer(ctx, []string{"workflows", name, "pause"})
}

// ResumeWorkflow ends PauseWorkflow.
func (c *Client) ResumeWorkflow(ctx context.Context, name string) error {
	return c.steer(ctx, []string{"workflows", name, "resume"})
}

// steer makes a request that has nothing to say and may be repeated.
func (c *Client) steer(ctx context.Context, segments []string) error {
	return c.do(ctx, &call{method: http.MethodPost, path: c.path(segments...), again: true})
}
