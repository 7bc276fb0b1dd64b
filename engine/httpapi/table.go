package httpapi

import (
	"encoding/json"
	"net/http"
	"reflect"

	"paragon/engine/config"
	"paragon/schema"
	"paragon/schema/api"
)

// The paths that the request log tells apart.
const (
	pathLive    = "/livez"
	pathReady   = "/readyz"
	pathMetrics = "/metrics"
	pathProject = "/v1/projects/{project}"
)

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

var (
	paramCursor = param{"query", "cursor", "nextCursor of the page before", "string"}
	paramLimit  = param{"query", "limit", "Items of a page, at most 1000. Default 100.", "integer"}
	paramWait   = param{"query", "wait", "Wait this long for the run to end (30s, 2m)", "duration"}
	paramKey    = param{"header", "Idempotency-Key", "A second request with the same key answers with the first one's run", "string"}
	paramOnce   = param{"header", "Idempotency-Key", "The same request with the same key gets the first one's answer, for 24 hours", "string"}
	paramEvent  = param{"header", "Idempotency-Key", "The event's id, when the body has none", "string"}
	paramMatch  = param{"header", "If-Match", "The ETag that the resource must have, or *", "string"}
)

// table lists every route that this process serves: without the api role, those
// about the process itself.
func (s *Server) table() []route {
	list := s.serverRoutes()
	if s.opts.Config == nil || s.opts.Runs == nil {
		return list
	}
	list = append(list, s.projectRoutes()...)
	list = append(list, s.proxyRoutes()...)
	list = append(list, s.releaseRoutes()...)
	list = append(list, s.accessRoutes()...)
	list = append(list, s.steeringRoutes()...)
	list = append(list, s.fleetRoutes()...)
	list = append(list, s.statsRoutes()...)
	list = append(list, s.userRoutes()...)
	list = append(list, s.credentialRoutes()...)
	list = append(list, s.userWorkflowRoutes()...)
	list = append(list, s.destinationRoutes()...)
	for _, kind := range schema.Kinds {
		list = append(list, s.kindRoutes(kind)...)
	}
	for i := range list {
		if list[i].keepsAnswers() {
			list[i].params = append(list[i].params, paramOnce)
		}
	}
	return list
}

// serverRoutes are the routes about the process.
func (s *Server) serverRoutes() []route {
	ok := func(body reflect.Type) []answer { return []answer{{status: http.StatusOK, body: body}} }
	list := []route{
		{method: "GET", path: pathLive, access: public, id: "live", tag: "server", summary: "Whether the process runs",
			answers: ok(typeOf[health]()), serve: s.live},
		{method: "GET", path: pathReady, access: public, id: "ready", tag: "server", summary: "Whether the process can serve, and what of it can't",
			answers: ok(typeOf[health]()), serve: s.ready},
		{method: "GET", path: "/version", access: public, id: "version", tag: "server", summary: "What runs here",
			answers: ok(typeOf[api.Version]()), serve: s.version},
		{method: "GET", path: "/openapi.json", access: public, id: "openapi", tag: "server", summary: "This document",
			answers: []answer{{status: http.StatusOK, media: "application/vnd.oai.openapi+json"}}, serve: s.document},
	}
	if s.opts.Metrics != nil {
		list = append(list, route{method: "GET", path: pathMetrics, access: public, id: "metrics", tag: "server", summary: "Metrics for Prometheus",
			answers: []answer{{status: http.StatusOK, media: "text/plain"}},
			serve: func(w http.ResponseWriter, r *request) error {
				s.opts.Metrics.ServeHTTP(w, r.Request)
				return nil
			}})
	}
	return list
}

// projectRoutes are the routes of the API but those of single resources.
func (s *Server) projectRoutes() []route {
	ok := func(body reflect.Type) []answer { return []answer{{status: http.StatusOK, body: body}} }
	run := typeOf[schema.Run]()
	operation := []answer{{status: http.StatusAccepted, body: typeOf[api.Operation]()},
		{status: http.StatusOK, doc: "With dryRun", body: typeOf[api.RunsCount]()}}
	return []route{

		{method: "POST", path: pathProject + "/apply", access: member, action: config.ActionWriteConfig, id: "apply", tag: "configuration",
			summary: "Bring the project to what documents say, all of it or nothing",
			params: []param{{"query", "dryRun", "Plan only", "boolean"}, {"query", "prune", "Delete what the same set applied before and does not hold now", "boolean"},
				{"query", "set", "The set's name, for a YAML body", "string"}, {"query", "file", "The file's name, for a YAML body", "string"}},
			body: typeOf[api.ApplyRequest](), media: []string{api.ContentTypeJSON, api.ContentTypeYAML},
			answers: ok(typeOf[api.ApplyResult]()), limit: s.limits.Apply, serve: s.apply},

		{method: "POST", path: pathProject + "/workflows/{name}/runs", access: connected, action: config.ActionTrigger, id: "trigger", tag: "runs",
			summary: "Start a run, or with NDJSON many",
			params:  []param{paramWait, paramKey},
			body:    typeOf[api.TriggerRequest](), media: []string{api.ContentTypeJSON, api.ContentTypeNDJSON}, optional: true,
			answers: []answer{{status: http.StatusAccepted, doc: "Accepted", body: run}, {status: http.StatusOK, doc: "The run ended in the wait", body: run},
				{status: http.StatusOK, doc: "One line a run, in order", body: typeOf[api.TriggerLine](), media: api.ContentTypeNDJSON}},
			limit: s.limits.Batch, streams: true, ownKeys: true, serve: s.trigger},

		{method: "GET", path: pathProject + "/runs", access: member, action: config.ActionReadRuns, id: "listRuns", tag: "runs",
			summary: "List runs, newest first",
			params: []param{{"query", "workflow", "Runs of this workflow", "string"}, {"query", "status", "States, separated by commas", "string"},
				{"query", "since", "Created at or after: a time, or a duration ago", "time"}, {"query", "until", "Created before: a time, or a duration ago", "time"},
				{"query", "user", "Runs for this user", "string"}, {"query", "error", "The error contains this text", "string"}, paramCursor, paramLimit},
			answers: ok(typeOf[api.List[schema.Run]]()), serve: s.listRuns},
		{method: "GET", path: pathProject + "/runs/{id}", access: member, action: config.ActionReadRuns, id: "getRun", tag: "runs",
			summary: "Read a run", params: []param{paramWait}, answers: ok(run), serve: s.getRun},
		{method: "GET", path: pathProject + "/runs/{id}/steps", access: member, action: config.ActionReadRuns, id: "getSteps", tag: "runs",
			summary: "Read what is known of a run's steps", answers: ok(typeOf[api.List[schema.StepRecord]]()), serve: s.getSteps},
		{method: "GET", path: pathProject + "/runs/{id}/payloads/{digest}", access: member, action: config.ActionReadRuns, id: "getPayload", tag: "runs",
			summary: "Read a large input, output or result of a run by its digest", answers: ok(typeOf[json.RawMessage]()), serve: s.getPayload},
		{method: "POST", path: pathProject + "/runs/{id}/cancel", access: member, action: config.ActionOperateRuns, id: "cancelRun", tag: "runs",
			summary: "End a run", answers: ok(run), serve: s.cancelRun},
		{method: "POST", path: pathProject + "/runs/{id}/replay", access: member, action: config.ActionOperateRuns, id: "replayRun", tag: "runs",
			summary: "Start a run again, from the start or from a step", body: typeOf[api.ReplayRequest](), optional: true,
			answers: []answer{{status: http.StatusAccepted, body: run}}, serve: s.replayRun},
		{method: "POST", path: pathProject + "/runs/replay", access: member, action: config.ActionOperateRuns, id: "replayRuns", tag: "runs",
			summary: "Start again, in the background, all ended runs that match a filter; dryRun counts them", body: typeOf[api.BulkReplayRequest](),
			answers: operation, serve: s.replayRuns},
		{method: "POST", path: pathProject + "/runs/cancel", access: member, action: config.ActionOperateRuns, id: "cancelRuns", tag: "runs",
			summary: "End, in the background, all runs that match a filter; dryRun counts them", body: typeOf[api.BulkCancelRequest](),
			answers: operation, serve: s.cancelRuns},
		{method: "GET", path: pathProject + "/operations", access: member, action: config.ActionReadRuns, id: "listOperations", tag: "runs",
			summary: "List what is, or was, done to many runs, newest first", params: []param{paramCursor, paramLimit},
			answers: ok(typeOf[api.List[api.Operation]]()), serve: s.listOperations},
		{method: "GET", path: pathProject + "/operations/{id}", access: member, action: config.ActionReadRuns, id: "getOperation", tag: "runs",
			summary: "Read an operation with its progress", answers: ok(typeOf[api.Operation]()), serve: s.getOperation},
		{method: "POST", path: pathProject + "/operations/{id}/cancel", access: member, action: config.ActionOperateRuns, id: "cancelOperation", tag: "runs",
			summary: "End an operation; what it has done stays done", answers: ok(typeOf[api.Operation]()), serve: s.cancelOperation},

		{method: "POST", path: pathProject + "/events", access: member, action: config.ActionTrigger, id: "sendEvent", tag: "runs",
			summary: "Tell what happened: it starts runs and lets waiting ones go on", params: []param{paramEvent}, body: typeOf[api.EventRequest](),
			answers: []answer{{status: http.StatusAccepted, body: typeOf[api.EventResult]()}}, ownKeys: true, serve: s.sendEvent},

		{method: "GET", path: pathProject + "/keys", access: member, action: config.ActionReadKeys, id: "listKeys", tag: "access",
			summary: "List API keys", answers: ok(typeOf[api.List[api.Key]]()), serve: s.listKeys},
		{method: "POST", path: pathProject + "/keys", access: member, action: config.ActionWriteKeys, id: "createKey", tag: "access",
			summary: "Create an API key; its token is shown this once", body: typeOf[api.CreateKeyRequest](),
			answers: []answer{{status: http.StatusCreated, body: typeOf[api.CreatedKey]()}}, serve: s.createKey},
		{method: "DELETE", path: pathProject + "/keys/{id}", access: member, action: config.ActionWriteKeys, id: "deleteKey", tag: "access",
			summary: "End an API key", answers: []answer{{status: http.StatusNoContent}}, serve: s.deleteKey},
		{method: "POST", path: pathProject + "/keys/{id}/rotate", access: member, action: config.ActionWriteKeys, id: "rotateKey", tag: "access",
			summary: "Make a key that may what an old one may, and let the old one end", body: typeOf[api.RotateKeyRequest](), optional: true,
			answers: []answer{{status: http.StatusCreated, body: typeOf[api.CreatedKey]()}}, serve: s.rotateKey},
		{method: "GET", path: pathProject + "/audit", access: member, action: config.ActionReadAudit, id: "listAudit", tag: "access",
			summary: "List who did, or was refused, what, newest first",
			params: []param{{"query", "actor", "Who did it", "string"}, {"query", "action", "What was done", "string"},
				{"query", "object", "What it was done to, such as workflow/lead-sync", "string"}, {"query", "outcome", "done or refused", "string"},
				{"query", "since", "At or after: a time, or a duration ago", "time"}, {"query", "until", "Before: a time, or a duration ago", "time"},
				{"query", "oldest", "The oldest first", "boolean"}, paramCursor, paramLimit},
			answers: ok(typeOf[api.List[api.AuditRecord]]()), serve: s.listAudit},

		{path: "/hooks/{project}/{workflow}/{trigger}", access: public, id: "hook", tag: "webhooks",
			summary: "Start a run by a webhook trigger, which says how the request proves itself",
			answers: []answer{{status: http.StatusAccepted, doc: "Accepted", body: typeOf[hookAccepted]()},
				{status: http.StatusOK, doc: "With respond: result, what the run says"}},
			serve: s.hook},
	}
}

// kindRoutes are the routes of one kind of resource.
func (s *Server) kindRoutes(kind schema.Kind) []route {
	path, name := pathProject+"/"+kind.Path(), string(kind)
	one := typeOf[api.StoredResource]()
	ok := func(body reflect.Type) []answer { return []answer{{status: http.StatusOK, body: body}} }
	on := func(serve func(w http.ResponseWriter, r *request, id schema.Ref) error) func(http.ResponseWriter, *request) error {
		return func(w http.ResponseWriter, r *request) error {
			return serve(w, r, schema.Ref{Kind: kind, Name: r.PathValue("name")})
		}
	}
	return []route{
		{method: "GET", path: path, access: member, action: config.ActionReadConfig, id: "list" + name + "s", tag: "configuration",
			summary: "List resources of kind " + name, params: []param{paramCursor, paramLimit},
			answers: ok(typeOf[api.List[api.StoredResource]]()), serve: on(s.listResources)},
		{method: "GET", path: path + "/{name}", access: member, action: config.ActionReadConfig, id: "get" + name, tag: "configuration",
			summary: "Read a resource, or one earlier revision of it", params: []param{{"query", "revision", "Default: the current one", "integer"}},
			answers: ok(one), serve: on(s.getResource)},
		{method: "PUT", path: path + "/{name}", access: member, action: config.ActionWriteConfig, id: "put" + name, tag: "configuration",
			summary: "Write a resource",
			params:  []param{paramMatch, {"header", "If-None-Match", "* asks that there is none yet", "string"}},
			body:    typeOf[schema.Resource](), media: []string{api.ContentTypeJSON, api.ContentTypeYAML},
			answers: []answer{{status: http.StatusOK, body: one}, {status: http.StatusCreated, body: one}}, serve: on(s.putResource)},
		{method: "DELETE", path: path + "/{name}", access: member, action: config.ActionWriteConfig, id: "delete" + name, tag: "configuration",
			summary: "End a resource", params: []param{paramMatch, {"query", "force", "Also when workflows use it", "boolean"}},
			answers: []answer{{status: http.StatusNoContent}}, serve: on(s.deleteResource)},
		{method: "GET", path: path + "/{name}/revisions", access: member, action: config.ActionReadConfig, id: "list" + name + "Revisions", tag: "configuration",
			summary: "List the revisions of a resource, newest first", params: []param{paramLimit},
			answers: ok(typeOf[api.List[api.StoredResource]]()), serve: on(s.listRevisions)},
		{method: "GET", path: path + "/{name}/compare", access: member, action: config.ActionReadConfig, id: "compare" + name + "Revisions", tag: "configuration",
			summary: "What differs from one revision to another", params: []param{{"query", "from", "The first revision. Default: the current one", "integer"},
				{"query", "to", "The second revision. Default: the current one", "integer"}},
			answers: ok(typeOf[api.Comparison]()), serve: on(s.compareRevisions)},
		{method: "POST", path: path + "/{name}/rollback", access: member, action: config.ActionWriteConfig, id: "rollback" + name, tag: "configuration",
			summary: "Write an earlier revision again as a new one", params: []param{paramMatch},
			body: typeOf[api.RollbackRequest](), optional: true, answers: ok(one), serve: on(s.rollback)},
	}
}
