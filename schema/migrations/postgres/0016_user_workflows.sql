-- Workflows for users: what each user chose, and the runs of a user.

-- +goose Up

-- What a user chose of a workflow; no row: what the workflow has by default.
CREATE TABLE user_workflows (
    project    text COLLATE "C" NOT NULL,
    user_id    text COLLATE "C" NOT NULL,
    workflow   text COLLATE "C" NOT NULL,
    enabled    boolean NOT NULL,
    settings   json,
    generation bigint NOT NULL,              -- the change that wrote it (user_changes)
    updated_at timestamptz NOT NULL,
    updated_by text NOT NULL,
    PRIMARY KEY (project, user_id, workflow)
);
CREATE INDEX user_workflows_workflow ON user_workflows (project, workflow, user_id);

-- Most runs are for no user: those cost the index nothing.
ALTER TABLE runs ADD COLUMN user_id text COLLATE "C";
CREATE INDEX runs_user ON runs (project, user_id, id) WHERE user_id IS NOT NULL;
