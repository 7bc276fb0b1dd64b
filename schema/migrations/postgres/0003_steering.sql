-- What operators asked for: low volume, and must outlive Redis.

-- +goose Up

-- What is paused until somebody resumes it. A workflow is named in its
-- project; a queue ("0/high") belongs to none.
CREATE TABLE pauses (
    at      timestamptz NOT NULL,
    kind    text COLLATE "C" NOT NULL CHECK (kind IN ('workflow', 'queue')),
    project text COLLATE "C" NOT NULL,
    name    text COLLATE "C" NOT NULL,
    by_whom text NOT NULL,
    PRIMARY KEY (kind, project, name)
);

-- Operations on many runs. One process at a time works on each: until the
-- lease is over it is the owner's.
CREATE TABLE operations (
    total       bigint NOT NULL DEFAULT 0,
    done        bigint NOT NULL DEFAULT 0,
    failed      bigint NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    ended_at    timestamptz,
    leased_till timestamptz NOT NULL DEFAULT '-infinity',
    id          text COLLATE "C" PRIMARY KEY,
    project     text COLLATE "C" NOT NULL,
    kind        text COLLATE "C" NOT NULL,
    state       text COLLATE "C" NOT NULL,
    by_whom     text NOT NULL,
    owner       text NOT NULL DEFAULT '',
    cursor      text NOT NULL DEFAULT '',
    request     text NOT NULL,           -- JSON, as all that follows
    failures    text
);
CREATE INDEX operations_project ON operations (project, id);
-- Those that have not ended are few, and looked for every second.
CREATE INDEX operations_open ON operations (id) WHERE state IN ('queued', 'running');
