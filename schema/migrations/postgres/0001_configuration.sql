-- Configuration: low volume, must never be lost.
--
-- Text is compared byte by byte (COLLATE "C") wherever it is a key or gives an
-- order: the same on every machine and in SQLite, and faster. Documents are
-- json and not jsonb: nothing queries inside them, they come back byte for
-- byte, and jsonb refuses the escape of NUL that valid JSON may hold.

-- +goose Up

CREATE TABLE projects (
    name       text COLLATE "C" PRIMARY KEY,
    created_at timestamptz NOT NULL,
    data_key   bytea NOT NULL,           -- sealed under the master key
    settings   json
);

-- How many changes of configuration there were. Every change locks this one
-- row first, which puts all changes in one order.
CREATE TABLE config_version (
    single  boolean PRIMARY KEY DEFAULT true CHECK (single),
    version bigint NOT NULL
);
INSERT INTO config_version (version) VALUES (0);

-- Every write of a resource. A deletion is a revision too, so that the
-- numbers of a name that comes back go on where they ended.
CREATE TABLE revisions (
    project     text COLLATE "C" NOT NULL,
    kind        text COLLATE "C" NOT NULL,
    name        text COLLATE "C" NOT NULL,
    revision    bigint NOT NULL CHECK (revision > 0),
    updated_at  timestamptz NOT NULL,
    deleted     boolean NOT NULL,
    updated_by  text NOT NULL,
    digest      text NOT NULL,
    source      text NOT NULL,
    labels      json,
    annotations json,
    spec        json,                    -- of a secret: its sealed value
    PRIMARY KEY (project, kind, name, revision)
);

-- The current revision of each resource that is not deleted: a copy, so that
-- loading all of the configuration reads nothing else.
CREATE TABLE resources (
    project     text COLLATE "C" NOT NULL,
    kind        text COLLATE "C" NOT NULL,
    name        text COLLATE "C" NOT NULL,
    revision    bigint NOT NULL,
    updated_at  timestamptz NOT NULL,
    updated_by  text NOT NULL,
    digest      text NOT NULL,
    source      text NOT NULL,
    labels      json,
    annotations json,
    spec        json,
    PRIMARY KEY (project, kind, name)
);

-- API keys. Only the hash of a token is kept.
CREATE TABLE keys (
    id         text COLLATE "C" PRIMARY KEY,
    project    text COLLATE "C" NOT NULL,
    name       text NOT NULL,
    role       text NOT NULL,
    hash       bytea NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    expires_at timestamptz,              -- NULL: never
    last_used  timestamptz
);
CREATE INDEX keys_project ON keys (project);

CREATE TABLE audit (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL,
    project text COLLATE "C" NOT NULL,
    actor   text NOT NULL,
    action  text NOT NULL,
    object  text NOT NULL,
    outcome text NOT NULL,
    remote  text NOT NULL,               -- the address it came from
    detail  json
);
CREATE INDEX audit_project ON audit (project, id);
