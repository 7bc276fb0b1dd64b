-- History: high volume, written in batches by COPY, dropped by the day.
--
-- A run's id is "r" and a ULID in lower case, so that ids in byte order are
-- runs in order of creation, and a day is a range of ids. runs and steps are
-- partitioned by such ranges; the store makes a day's pair of partitions when
-- the first row of the day is written, and there is no default partition,
-- since one that holds rows would block the making of theirs.
--
-- Payloads are text and not json: they were JSON when they were accepted, and
-- a batch of ten thousand rows must not fail for one of them. Indexes are few
-- because each costs every row.

-- +goose Up

-- Runs that must outlive Redis, until they end.
CREATE TABLE accepted (
    id              text COLLATE "C" PRIMARY KEY,
    created_at      timestamptz NOT NULL,
    project         text COLLATE "C" NOT NULL,
    workflow        text COLLATE "C" NOT NULL,
    idempotency_key bytea,               -- bytes, since it comes from a header
    meta            text
);

-- Which run an idempotency key stands for. A row outlives its run and is
-- removed some time after it has expired. The digest covers project, workflow
-- and key: 32 bytes, however long the key is.
CREATE TABLE idempotency (
    expires_at timestamptz NOT NULL,
    digest     bytea PRIMARY KEY,
    run        text COLLATE "C" NOT NULL
);
-- Keys come in the order in which they expire: a BRIN index costs almost
-- nothing and finds the expired ones.
CREATE INDEX idempotency_expires_at ON idempotency USING brin (expires_at);

-- Up to where each log stream is written. Set in the transaction that writes
-- the rows: that makes them exactly once.
CREATE TABLE log_positions (
    stream   text COLLATE "C" PRIMARY KEY,
    position text NOT NULL
);

-- Which projects may have rows in a day's partitions. A writer locks its rows
-- here while it writes, and the partitions of a day exist as long as any
-- project is named for it.
CREATE TABLE history_days (
    day     date NOT NULL,
    project text COLLATE "C" NOT NULL,
    PRIMARY KEY (day, project)
);

-- Ended runs. Fixed-width columns come first, so that no row pays padding for
-- alignment between them.
CREATE TABLE runs (
    revision     bigint NOT NULL,
    created_at   timestamptz NOT NULL,
    started_at   timestamptz,
    ended_at     timestamptz,
    attempts     integer NOT NULL,
    recoveries   integer NOT NULL,
    id           text COLLATE "C" NOT NULL,
    project      text COLLATE "C" NOT NULL,
    workflow     text COLLATE "C" NOT NULL,
    status       text COLLATE "C" NOT NULL,
    trace_id     text,
    trigger      text NOT NULL,          -- JSON, as all that follows
    error        text,
    error_folded text COLLATE "C",       -- not JSON: the message in lower case, to search in
    input        text,
    output       text,
    PRIMARY KEY (project, id)
) PARTITION BY RANGE (id);
CREATE INDEX runs_workflow ON runs (project, workflow, id);
-- The few that did not succeed, among the many that did. Status and workflow
-- are in the index so that the others' rows are not read.
CREATE INDEX runs_unsuccessful ON runs (project, id, status, workflow) WHERE status <> 'succeeded';

-- Step records in the order in which they were written.
CREATE TABLE steps (
    seq        bigint NOT NULL,
    started_at timestamptz,
    ended_at   timestamptz,
    retry_at   timestamptz,
    wait_until timestamptz,
    attempt    integer NOT NULL,
    run        text COLLATE "C" NOT NULL,
    project    text COLLATE "C" NOT NULL,
    path       text NOT NULL,
    step       text NOT NULL,
    kind       text NOT NULL,
    status     text NOT NULL,
    result     text,                     -- JSON, as all that follows
    error      text,
    attempts   text,
    PRIMARY KEY (run, seq)
) PARTITION BY RANGE (run);
