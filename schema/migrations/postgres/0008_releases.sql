-- Releases: what was applied together under a name.

-- +goose Up

CREATE TABLE releases (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project    text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    of_set     text NOT NULL,            -- empty: what was applied belongs to no set
    commit_id  text NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    items      json,                     -- each resource with its revision
    UNIQUE (project, name)
);
CREATE INDEX releases_project ON releases (project, id);
