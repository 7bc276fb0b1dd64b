-- Releases: what was applied together under a name.

-- +goose Up

CREATE TABLE releases (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    project    TEXT NOT NULL,
    name       TEXT NOT NULL,
    of_set     TEXT NOT NULL,            -- empty: what was applied belongs to no set
    commit_id  TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    items      TEXT,                     -- each resource with its revision
    UNIQUE (project, name)
) STRICT;
CREATE INDEX releases_project ON releases (project, id);
