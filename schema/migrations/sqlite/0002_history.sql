-- History: the tables of Postgres, without partitions, since one team's
-- laptop deletes rows fast enough.

-- +goose Up

-- Runs that must outlive Redis, until they end.
CREATE TABLE accepted (
    id              TEXT PRIMARY KEY,
    created_at      INTEGER NOT NULL,
    project         TEXT NOT NULL,
    workflow        TEXT NOT NULL,
    idempotency_key BLOB,
    meta            TEXT
) STRICT, WITHOUT ROWID;

-- Which run an idempotency key stands for. A row outlives its run and is
-- removed some time after it has expired.
CREATE TABLE idempotency (
    digest     BLOB PRIMARY KEY,
    run        TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_expires_at ON idempotency (expires_at);

-- Up to where each log stream is written.
CREATE TABLE log_positions (
    stream   TEXT PRIMARY KEY,
    position TEXT NOT NULL
) STRICT;

-- Ended runs.
CREATE TABLE runs (
    id           TEXT NOT NULL,
    project      TEXT NOT NULL,
    workflow     TEXT NOT NULL,
    revision     INTEGER NOT NULL,
    status       TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    started_at   INTEGER,
    ended_at     INTEGER,
    attempts     INTEGER NOT NULL,
    recoveries   INTEGER NOT NULL,
    trace_id     TEXT,
    trigger      TEXT NOT NULL,          -- JSON, as all that follows
    error        TEXT,
    error_folded TEXT,                   -- not JSON: the message in lower case, to search in
    input        TEXT,
    output       TEXT,
    PRIMARY KEY (project, id)
) STRICT;
CREATE INDEX runs_workflow ON runs (project, workflow, id);
CREATE INDEX runs_unsuccessful ON runs (project, id, status, workflow) WHERE status <> 'succeeded';

-- Step records in the order in which they were written.
CREATE TABLE steps (
    run        TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    project    TEXT NOT NULL,
    path       TEXT NOT NULL,
    step       TEXT NOT NULL,
    kind       TEXT NOT NULL,
    status     TEXT NOT NULL,
    attempt    INTEGER NOT NULL,
    started_at INTEGER,
    ended_at   INTEGER,
    retry_at   INTEGER,
    wait_until INTEGER,
    result     TEXT,                     -- JSON, as all that follows
    error      TEXT,
    attempts   TEXT,
    PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;
