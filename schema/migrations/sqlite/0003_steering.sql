-- What operators asked for: low volume, and must outlive Redis. Times are
-- microseconds since 1970.

-- +goose Up

-- What is paused until somebody resumes it. A workflow is named in its
-- project; a queue ("0/high") belongs to none.
CREATE TABLE pauses (
    at      integer NOT NULL,
    kind    text NOT NULL CHECK (kind IN ('workflow', 'queue')),
    project text NOT NULL,
    name    text NOT NULL,
    by_whom text NOT NULL,
    PRIMARY KEY (kind, project, name)
) STRICT;

-- Operations on many runs. One process at a time works on each: until the
-- lease is over it is the owner's.
CREATE TABLE operations (
    total       integer NOT NULL DEFAULT 0,
    done        integer NOT NULL DEFAULT 0,
    failed      integer NOT NULL DEFAULT 0,
    created_at  integer NOT NULL,
    updated_at  integer NOT NULL,
    ended_at    integer,
    leased_till integer NOT NULL DEFAULT 0,
    id          text PRIMARY KEY,
    project     text NOT NULL,
    kind        text NOT NULL,
    state       text NOT NULL,
    by_whom     text NOT NULL,
    owner       text NOT NULL DEFAULT '',
    cursor      text NOT NULL DEFAULT '',
    request     text NOT NULL,           -- JSON, as all that follows
    failures    text
) STRICT;
CREATE INDEX operations_project ON operations (project, id);
-- Those that have not ended are few, and looked for every second.
CREATE INDEX operations_open ON operations (id) WHERE state IN ('queued', 'running');
