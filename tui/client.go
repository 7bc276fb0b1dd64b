package tui

import (
	"context"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

// Client is what the dashboard asks of a server; *api.Client is one.
type Client interface {
	Server() string
	Project() string
	WhoAmI(context.Context) (*api.Identity, error)

	Get(context.Context, schema.Ref) (*api.StoredResource, error)
	List(ctx context.Context, kind schema.Kind, cursor string, limit int) (*api.List[api.StoredResource], error)

	Runs(context.Context, api.RunsQuery) (*api.List[schema.Run], error)
	Run(ctx context.Context, id string, wait time.Duration) (*schema.Run, error)
	Steps(ctx context.Context, id string) ([]schema.StepRecord, error)
	Cancel(ctx context.Context, id string) (*schema.Run, error)
	Replay(ctx context.Context, id string, req api.ReplayRequest) (*schema.Run, error)

	CountReplay(context.Context, api.RunsFilter) (*api.RunsCount, error)
	CountCancel(context.Context, api.RunsFilter) (*api.RunsCount, error)
	ReplayMany(ctx context.Context, f api.RunsFilter, from string) (*api.Operation, error)
	CancelMany(context.Context, api.RunsFilter) (*api.Operation, error)
	Operation(ctx context.Context, id string) (*api.Operation, error)
	CancelOperation(ctx context.Context, id string) (*api.Operation, error)

	Stats(context.Context, api.StatsQuery) (*api.Stats, error)
	// StreamStats calls each when a second or a half has ended, until the stream
	// ends.
	StreamStats(ctx context.Context, q api.StatsQuery, each func(*api.Stats) error) error

	Queues(context.Context) (*api.List[api.Queue], error)
	PausedWorkflows(context.Context) (*api.List[api.PausedWorkflow], error)
	PauseQueue(ctx context.Context, name string) error
	ResumeQueue(ctx context.Context, name string) error
	PauseWorkflow(ctx context.Context, name string) error
	ResumeWorkflow(ctx context.Context, name string) error
	Workers(context.Context) (*api.List[api.Worker], error)
	WorkerRuns(ctx context.Context, worker, cursor string, limit int) (*api.List[schema.Run], error)

	InvalidCredentials(context.Context) (*api.List[api.Credential], error)

	Audit(ctx context.Context, q api.AuditQuery) (*api.List[api.AuditRecord], error)
}
