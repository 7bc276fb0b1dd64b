-- Calls to integrations through the proxy: history like runs and steps,
-- written in the same batches and dropped with their days. An id is "p" and a
-- ULID in lower case.

-- +goose Up

CREATE TABLE proxy_calls (
    started_at  timestamptz NOT NULL,
    duration    bigint NOT NULL,         -- in microseconds
    sent        bigint NOT NULL,         -- bytes of the bodies
    received    bigint NOT NULL,
    status      integer NOT NULL,        -- 0: the caller had gone
    attempts    integer NOT NULL,
    id          text COLLATE "C" NOT NULL,
    project     text COLLATE "C" NOT NULL,
    integration text COLLATE "C" NOT NULL,
    user_id     text COLLATE "C",        -- NULL: the project's shared credential
    account     text,
    actor       text,
    method      text NOT NULL,
    path        text NOT NULL,           -- without the query
    error_type  text,
    error       text,
    trace_id    text,
    job         text,
    PRIMARY KEY (project, id)
) PARTITION BY RANGE (id);
CREATE INDEX proxy_calls_integration ON proxy_calls (project, integration, id);
CREATE INDEX proxy_calls_user ON proxy_calls (project, user_id, id) WHERE user_id IS NOT NULL;
-- The few that failed, among the many that did not.
CREATE INDEX proxy_calls_failed ON proxy_calls (project, id) WHERE status >= 400 OR error_type IS NOT NULL;
