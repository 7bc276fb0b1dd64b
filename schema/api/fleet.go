package api

import (
	"context"
	"time"

	"paragon/schema"
)

// Worker is a process that executes runs. GET …/workers lists those that are
// known; workers serve all projects, so each project sees the same ones.
type Worker struct {
	ID string `json:"id"`
	// LastSeen is its last heartbeat, by Redis' clock.
	LastSeen time.Time `json:"lastSeen"`
	// Alive is false when it has been silent for so long that others take its
	// runs.
	Alive bool `json:"alive"`
	// Running is how many runs of all projects it has.
	Running int64 `json:"running"`
}

// Workers lists the workers that are known, in one page.
func (c *Client) Workers(ctx context.Context) (*List[Worker], error) {
	return get[List[Worker]](ctx, c, c.path("workers"), nil)
}

// WorkerRuns lists the project's runs that a worker has now, newest first; a
// worker that is not known has none. limit 0 is the server's default.
func (c *Client) WorkerRuns(ctx context.Context, worker, cursor string, limit int) (*List[schema.Run], error) {
	return get[List[schema.Run]](ctx, c, c.path("workers", worker, "runs"), page(cursor, limit))
}
