-- Access: the tables of Postgres in SQLite's types.

-- +goose Up

-- People who log in. The email is in lower case.
CREATE TABLE people (
    id         TEXT PRIMARY KEY,
    email      TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    password   TEXT,                     -- argon2id in PHC form; NULL: by the identity provider alone
    created_at INTEGER NOT NULL
) STRICT;

-- Their roles.
CREATE TABLE members (
    project    TEXT NOT NULL,
    person     TEXT NOT NULL REFERENCES people,
    role       TEXT NOT NULL,
    added_at   INTEGER NOT NULL,
    added_by   TEXT NOT NULL,
    PRIMARY KEY (project, person)
) STRICT;
CREATE INDEX members_person ON members (person);

-- Who may become a member. Only the hash of an invitation's token is kept.
CREATE TABLE invitations (
    hash       BLOB PRIMARY KEY,
    project    TEXT NOT NULL,
    email      TEXT NOT NULL,
    role       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX invitations_email ON invitations (email, project);

-- Who is logged in. Only the hash of a session's token is kept.
CREATE TABLE sessions (
    hash       BLOB PRIMARY KEY,
    person     TEXT NOT NULL REFERENCES people,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    remote     TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_person ON sessions (person);

-- What of its role a key may do: actions, separated by commas; empty: all.
ALTER TABLE keys ADD COLUMN scope TEXT NOT NULL DEFAULT '';

-- Records from before have neither; the chain begins after them.
ALTER TABLE audit ADD COLUMN seq INTEGER;
ALTER TABLE audit ADD COLUMN hash BLOB;
CREATE UNIQUE INDEX audit_chain ON audit (project, seq);

-- +goose StatementBegin
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- +goose StatementEnd
