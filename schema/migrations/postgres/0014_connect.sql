-- Connect: a product's users, the keys that their tokens are signed with, and
-- their credentials for third-party APIs.

-- +goose Up

CREATE TABLE users (
    project    text COLLATE "C" NOT NULL,
    id         text COLLATE "C" NOT NULL,    -- the product's own
    meta       json,
    disabled   boolean NOT NULL,
    generation bigint NOT NULL,              -- the change that wrote it (user_changes)
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (project, id)
);

-- Public keys that the product signs its users' tokens with.
CREATE TABLE user_keys (
    project    text COLLATE "C" NOT NULL,
    kid        text COLLATE "C" NOT NULL,
    algorithm  text NOT NULL,
    pem        text NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    PRIMARY KEY (project, kid)
);

-- A user's credentials; the project's shared ones have no user ('').
--
-- The generation is the change that a person or a program wrote the row with,
-- the version counts what workers made of it since (refreshed tokens): of two
-- states of a row, the one with the higher pair is the newer.
CREATE TABLE credentials (
    project     text COLLATE "C" NOT NULL,
    user_id     text COLLATE "C" NOT NULL,
    integration text COLLATE "C" NOT NULL,
    account     text COLLATE "C" NOT NULL,
    kind        text NOT NULL,
    sealed      bytea NOT NULL,              -- under the project's data key
    settings    json,
    status      text NOT NULL CHECK (status IN ('valid', 'invalid')),
    reason      text NOT NULL,               -- why it is invalid
    expires_at  timestamptz,                 -- NULL: not known, or never
    generation  bigint NOT NULL,
    version     bigint NOT NULL,
    updated_at  timestamptz NOT NULL,
    updated_by  text NOT NULL,
    PRIMARY KEY (project, user_id, integration, account)
);
-- The few among very many that must be connected again.
CREATE INDEX credentials_invalid ON credentials (project, updated_at) WHERE status = 'invalid';

-- What is not in Redis yet: written in the transaction of the change, removed
-- once Redis has it, so that a process that dies between the two loses nothing.
CREATE TABLE user_changes (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project     text NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('user', 'keys', 'credential')),
    user_id     text NOT NULL,
    integration text NOT NULL,
    account     text NOT NULL
);
