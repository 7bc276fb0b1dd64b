-- Access: people, what they may do in which project, and the chain that makes
-- a change of the audit log show.

-- +goose Up

-- People who log in. The email is in lower case.
CREATE TABLE people (
    id         text COLLATE "C" PRIMARY KEY,
    email      text COLLATE "C" NOT NULL UNIQUE,
    name       text NOT NULL,
    password   text,                     -- argon2id in PHC form; NULL: by the identity provider alone
    created_at timestamptz NOT NULL
);

-- Their roles.
CREATE TABLE members (
    project    text COLLATE "C" NOT NULL,
    person     text COLLATE "C" NOT NULL REFERENCES people,
    role       text NOT NULL,
    added_at   timestamptz NOT NULL,
    added_by   text NOT NULL,
    PRIMARY KEY (project, person)
);
CREATE INDEX members_person ON members (person);

-- Who may become a member. Only the hash of an invitation's token is kept.
CREATE TABLE invitations (
    hash       bytea PRIMARY KEY,
    project    text COLLATE "C" NOT NULL,
    email      text COLLATE "C" NOT NULL,
    role       text NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX invitations_email ON invitations (email, project);

-- Who is logged in. Only the hash of a session's token is kept.
CREATE TABLE sessions (
    hash       bytea PRIMARY KEY,
    person     text COLLATE "C" NOT NULL REFERENCES people,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    remote     text NOT NULL
);
CREATE INDEX sessions_person ON sessions (person);

-- What of its role a key may do: actions, separated by commas; empty: all.
ALTER TABLE keys ADD COLUMN scope text NOT NULL DEFAULT '';

-- Records from before have neither; the chain begins after them.
ALTER TABLE audit ADD COLUMN seq bigint, ADD COLUMN hash bytea;
CREATE UNIQUE INDEX audit_chain ON audit (project, seq);

-- +goose StatementBegin
CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END
$$;
-- +goose StatementEnd
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
