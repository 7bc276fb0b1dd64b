// Package api is the contract of the HTTP API: its request and response types,
// and the typed client that paragonctl and the dashboard speak it with.
//
// It has no server code; engine/httpapi serves these types.
//
// The routes that Client calls, under /v1/projects/{project} unless they start
// with a slash, and what they take and answer:
//
//	POST   apply?dryRun=true&prune=true     ApplyRequest, or YAML    200 ApplyResult
//	GET    {kind}?cursor=&limit=            -                        200 List[StoredResource]
//	GET    {kind}/{name}                    -                        200 StoredResource, ETag
//	DELETE {kind}/{name}                    If-Match optional        204
//	GET    {kind}/{name}/revisions          -                        200 List[StoredResource], newest first
//	POST   {kind}/{name}/rollback           RollbackRequest          200 StoredResource
//	POST   workflows/{name}/runs?wait=30s   TriggerRequest           202 schema.Run (200 when it ended in the wait)
//	POST   workflows/{name}/runs            NDJSON of TriggerRequest 200 NDJSON of TriggerLine, in order
//	GET    runs?workflow=&status=a,b&since=&until=&error=&cursor=&limit=   200 List[schema.Run]
//	GET    runs/{id}?wait=20s               -                        200 schema.Run
//	GET    runs/{id}/steps                  -                        200 List[schema.StepRecord]
//	POST   runs/{id}/cancel                 -                        200 schema.Run
//	POST   runs/{id}/replay                 ReplayRequest            202 schema.Run
//	POST   runs/replay                      BulkReplayRequest        200 BulkReplayResult
//	GET    queues                           -                        200 List[Queue]
//	POST   queues/{lane}/{priority}/pause   -                        204; …/resume
//	GET    paused                           -                        200 List[PausedWorkflow]
//	POST   workflows/{name}/pause           -                        204; …/resume
//	GET    keys                             -                        200 List[Key]
//	POST   keys                             CreateKeyRequest         201 CreatedKey
//	DELETE keys/{id}                        -                        204
//	GET    /v1/whoami                       -                        200 Identity
//	GET    /version                         -                        200 Version
package api
