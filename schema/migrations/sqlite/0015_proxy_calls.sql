-- Calls to integrations through the proxy. An id is "p" and a ULID in lower
-- case; times are microseconds since 1970.

-- +goose Up

CREATE TABLE proxy_calls (
    id          TEXT NOT NULL,
    project     TEXT NOT NULL,
    integration TEXT NOT NULL,
    user_id     TEXT,                    -- NULL: the project's shared credential
    account     TEXT,
    actor       TEXT,
    method      TEXT NOT NULL,
    path        TEXT NOT NULL,           -- without the query
    status      INTEGER NOT NULL,        -- 0: the caller had gone
    error_type  TEXT,
    error       TEXT,
    sent        INTEGER NOT NULL,        -- bytes of the bodies
    received    INTEGER NOT NULL,
    attempts    INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    duration    INTEGER NOT NULL,        -- in microseconds
    trace_id    TEXT,
    job         TEXT,
    PRIMARY KEY (project, id)
) STRICT;
CREATE INDEX proxy_calls_integration ON proxy_calls (project, integration, id);
CREATE INDEX proxy_calls_user ON proxy_calls (project, user_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX proxy_calls_failed ON proxy_calls (project, id) WHERE status >= 400 OR error_type IS NOT NULL;
