package sqlite

import (
	"context"

	"paragon/engine/store"
	"paragon/engine/store/internal/column"
)

const selectUserWorkflow = `SELECT project, user_id, workflow, enabled, settings, generation, updated_at, updated_by FROM user_workflows`

// UserWorkflows lists what a user chose.
func (s *Store) UserWorkflows(ctx context.Context, project, user string) ([]store.UserWorkflow, error) {
	found, err := list(ctx, s.read, scanUserWorkflow, selectUserWorkflow+` WHERE project = ?1 AND user_id = ?2 ORDER BY workflow`,
		column.Text(project), column.Text(user))
	return found, s.wrap(ctx, "list a user's workflows", err)
}

// WorkflowUsers lists what was chosen of a workflow.
func (s *Store) WorkflowUsers(ctx context.Context, project, workflow, after, last string, limit int) ([]store.UserWorkflow, error) {
	found, err := list(ctx, s.read, scanUserWorkflow, selectUserWorkflow+` WHERE project = ?1 AND workflow = ?2 AND user_id > ?3
		AND (?4 = '' OR user_id <= ?4) ORDER BY user_id LIMIT ?5`,
		column.Text(project), column.Text(workflow), column.Text(after), column.Text(last), limitOf(limit))
	return found, s.wrap(ctx, "list a workflow's users", err)
}

func (c *configTx) UserWorkflow(ctx context.Context, user, workflow string) (*store.UserWorkflow, error) {
	w, err := one(scanUserWorkflow, c.tx.QueryRowContext(ctx, selectUserWorkflow+` WHERE project = ?1 AND user_id = ?2 AND workflow = ?3`,
		c.project, column.Text(user), column.Text(workflow)))
	return w, c.store.wrap(ctx, "read what a user chose", err)
}

func (c *configTx) PutUserWorkflow(ctx context.Context, w store.UserWorkflow) error {
	generation, err := c.noteChange(ctx, store.ChangedUser, store.CredentialID{User: w.User})
	if err != nil {
		return err
	}
	_, err = c.run(ctx, "write what a user chose", `INSERT INTO user_workflows (project, user_id, workflow, enabled, settings, generation, updated_at, updated_by)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (project, user_id, workflow) DO UPDATE SET enabled = excluded.enabled,
			settings = excluded.settings, generation = excluded.generation, updated_at = excluded.updated_at, updated_by = excluded.updated_by`,
		c.project, column.Text(w.User), column.Text(w.Workflow), w.Enabled, column.Raw(w.Settings), generation, w.UpdatedAt.UnixMicro(), column.Text(w.UpdatedBy))
	return err
}

func (c *configTx) DeleteUserWorkflow(ctx context.Context, user, workflow string) error {
	if err := c.mustDelete(ctx, "forget what a user chose", `DELETE FROM user_workflows WHERE project = ?1 AND user_id = ?2 AND workflow = ?3`,
		c.project, column.Text(user), column.Text(workflow)); err != nil {
		return err
	}
	_, err := c.noteChange(ctx, store.ChangedUser, store.CredentialID{User: user})
	return err
}

func scanUserWorkflow(row scanner) (w store.UserWorkflow, err error) {
	var settings *string
	var updated int64
	err = row.Scan(&w.Project, &w.User, &w.Workflow, &w.Enabled, &settings, &w.Generation, &updated, &w.UpdatedBy)
	w.Settings, w.UpdatedAt = column.RawFrom(settings), timeOf(&updated)
	return w, err
}
