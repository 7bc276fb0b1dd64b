-- Connect: the tables of Postgres in SQLite's types.

-- +goose Up

CREATE TABLE users (
    project    TEXT NOT NULL,
    id         TEXT NOT NULL,                -- the product's own
    meta       TEXT,
    disabled   INTEGER NOT NULL,
    generation INTEGER NOT NULL,             -- the change that wrote it (user_changes)
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (project, id)
) STRICT;

-- Public keys that the product signs its users' tokens with.
CREATE TABLE user_keys (
    project    TEXT NOT NULL,
    kid        TEXT NOT NULL,
    algorithm  TEXT NOT NULL,
    pem        TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    PRIMARY KEY (project, kid)
) STRICT;

-- A user's credentials; the project's shared ones have no user ('').
--
-- The generation is the change that a person or a program wrote the row with,
-- the version counts what workers made of it since (refreshed tokens): of two
-- states of a row, the one with the higher pair is the newer.
CREATE TABLE credentials (
    project     TEXT NOT NULL,
    user_id     TEXT NOT NULL,
    integration TEXT NOT NULL,
    account     TEXT NOT NULL,
    kind        TEXT NOT NULL,
    sealed      BLOB NOT NULL,               -- under the project's data key
    settings    TEXT,
    status      TEXT NOT NULL CHECK (status IN ('valid', 'invalid')),
    reason      TEXT NOT NULL,               -- why it is invalid
    expires_at  INTEGER,                     -- NULL: not known, or never
    generation  INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    updated_by  TEXT NOT NULL,
    PRIMARY KEY (project, user_id, integration, account)
) STRICT;
-- The few among very many that must be connected again.
CREATE INDEX credentials_invalid ON credentials (project, updated_at) WHERE status = 'invalid';

-- What is not in Redis yet: written in the transaction of the change, removed
-- once Redis has it, so that a process that dies between the two loses nothing.
-- A number is never used twice (AUTOINCREMENT).
CREATE TABLE user_changes (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    project     TEXT NOT NULL,
    kind        TEXT NOT NULL CHECK (kind IN ('user', 'keys', 'credential')),
    user_id     TEXT NOT NULL,
    integration TEXT NOT NULL,
    account     TEXT NOT NULL
) STRICT;
