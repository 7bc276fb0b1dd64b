-- Workflows for users: what each user chose, and the runs of a user.

-- +goose Up

-- What a user chose of a workflow; no row: what the workflow has by default.
CREATE TABLE user_workflows (
    project    TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    workflow   TEXT NOT NULL,
    enabled    INTEGER NOT NULL,
    settings   TEXT,
    generation INTEGER NOT NULL,             -- the change that wrote it (user_changes)
    updated_at INTEGER NOT NULL,
    updated_by TEXT NOT NULL,
    PRIMARY KEY (project, user_id, workflow)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_workflows_workflow ON user_workflows (project, workflow, user_id);

-- Most runs are for no user: those cost the index nothing.
ALTER TABLE runs ADD COLUMN user_id TEXT;
CREATE INDEX runs_user ON runs (project, user_id, id) WHERE user_id IS NOT NULL;
