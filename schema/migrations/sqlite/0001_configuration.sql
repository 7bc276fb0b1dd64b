-- Configuration: the tables of Postgres in SQLite's types. Times are whole
-- microseconds since 1970, NULL for none; documents are JSON text.

-- +goose Up

CREATE TABLE projects (
    name       TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    data_key   BLOB NOT NULL,            -- sealed under the master key
    settings   TEXT
) STRICT;

-- How many changes of configuration there were.
CREATE TABLE config_version (
    single  INTEGER PRIMARY KEY DEFAULT 1 CHECK (single = 1),
    version INTEGER NOT NULL
) STRICT;
INSERT INTO config_version (version) VALUES (0);

-- Every write of a resource. A deletion is a revision too, so that the
-- numbers of a name that comes back go on where they ended.
CREATE TABLE revisions (
    project     TEXT NOT NULL,
    kind        TEXT NOT NULL,
    name        TEXT NOT NULL,
    revision    INTEGER NOT NULL CHECK (revision > 0),
    updated_at  INTEGER NOT NULL,
    deleted     INTEGER NOT NULL,
    updated_by  TEXT NOT NULL,
    digest      TEXT NOT NULL,
    source      TEXT NOT NULL,
    labels      TEXT,
    annotations TEXT,
    spec        TEXT,                    -- of a secret: its sealed value
    PRIMARY KEY (project, kind, name, revision)
) STRICT;

-- The current revision of each resource that is not deleted.
CREATE TABLE resources (
    project     TEXT NOT NULL,
    kind        TEXT NOT NULL,
    name        TEXT NOT NULL,
    revision    INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    updated_by  TEXT NOT NULL,
    digest      TEXT NOT NULL,
    source      TEXT NOT NULL,
    labels      TEXT,
    annotations TEXT,
    spec        TEXT,
    PRIMARY KEY (project, kind, name)
) STRICT;

-- API keys. Only the hash of a token is kept.
CREATE TABLE keys (
    id         TEXT PRIMARY KEY,
    project    TEXT NOT NULL,
    name       TEXT NOT NULL,
    role       TEXT NOT NULL,
    hash       BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_at INTEGER,                  -- NULL: never
    last_used  INTEGER
) STRICT;
CREATE INDEX keys_project ON keys (project);

CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    project TEXT NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    object  TEXT NOT NULL,
    outcome TEXT NOT NULL,
    remote  TEXT NOT NULL,               -- the address it came from
    detail  TEXT
) STRICT;
CREATE INDEX audit_project ON audit (project, id);
