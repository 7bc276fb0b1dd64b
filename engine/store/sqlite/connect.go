package sqlite

import (
	"context"
	"encoding/json"

	"paragon/engine/store"
	"paragon/engine/store/internal/column"
)

const (
	selectUser       = `SELECT project, id, meta, disabled, generation, created_at, updated_at FROM users`
	selectUserKey    = `SELECT project, kid, algorithm, pem, created_at, created_by FROM user_keys`
	selectCredential = `SELECT project, user_id, integration, account, kind, sealed, settings, status, reason,
		expires_at, generation, version, updated_at, updated_by FROM credentials`
	whereCredential = ` WHERE project = ?1 AND user_id = ?2 AND integration = ?3 AND account = ?4`
)

// User returns a user.
func (s *Store) User(ctx context.Context, project, id string) (*store.User, error) {
	u, err := one(scanUser, s.read.QueryRowContext(ctx, selectUser+` WHERE project = ?1 AND id = ?2`, column.Text(project), column.Text(id)))
	return u, s.wrap(ctx, "read a user", err)
}

// Users lists a project's users.
func (s *Store) Users(ctx context.Context, project, after string, limit int) ([]store.User, error) {
	found, err := list(ctx, s.read, scanUser, selectUser+` WHERE project = ?1 AND id > ?2 ORDER BY id LIMIT ?3`,
		column.Text(project), column.Text(after), limitOf(limit))
	return found, s.wrap(ctx, "list the users", err)
}

// UserKeys lists a project's public keys.
func (s *Store) UserKeys(ctx context.Context, project string) ([]store.UserKey, error) {
	found, err := list(ctx, s.read, scanUserKey, selectUserKey+` WHERE project = ?1 ORDER BY kid`, column.Text(project))
	return found, s.wrap(ctx, "list the users' keys", err)
}

// Credential returns a credential.
func (s *Store) Credential(ctx context.Context, id store.CredentialID) (*store.Credential, error) {
	c, err := one(scanCredential, s.read.QueryRowContext(ctx, selectCredential+whereCredential,
		column.Text(id.Project), column.Text(id.User), column.Text(id.Integration), column.Text(id.Account)))
	return c, s.wrap(ctx, "read a credential", err)
}

// Credentials lists the credentials of a user, or the shared ones.
func (s *Store) Credentials(ctx context.Context, project, user string) ([]store.Credential, error) {
	found, err := list(ctx, s.read, scanCredential, selectCredential+` WHERE project = ?1 AND user_id = ?2 ORDER BY integration, account`,
		column.Text(project), column.Text(user))
	return found, s.wrap(ctx, "list the credentials", err)
}

// AllCredentials lists a project's credentials.
func (s *Store) AllCredentials(ctx context.Context, after store.CredentialID, limit int) ([]store.Credential, error) {
	found, err := list(ctx, s.read, scanCredential, selectCredential+` WHERE project = ?1 AND (user_id, integration, account) > (?2, ?3, ?4)
		ORDER BY user_id, integration, account LIMIT ?5`,
		column.Text(after.Project), column.Text(after.User), column.Text(after.Integration), column.Text(after.Account), limitOf(limit))
	return found, s.wrap(ctx, "list the credentials", err)
}

// InvalidCredentials lists a project's credentials that must be connected again.
func (s *Store) InvalidCredentials(ctx context.Context, project string, limit int) ([]store.Credential, error) {
	found, err := list(ctx, s.read, scanCredential, selectCredential+` WHERE project = ?1 AND status = 'invalid'
		ORDER BY updated_at DESC, user_id, integration, account LIMIT ?2`, column.Text(project), limitOf(limit))
	return found, s.wrap(ctx, "list the invalid credentials", err)
}

// UserChanges lists the oldest changes that nobody has settled.
func (s *Store) UserChanges(ctx context.Context, limit int) ([]store.UserChange, error) {
	found, err := list(ctx, s.read, func(row scanner) (ch store.UserChange, err error) {
		err = row.Scan(&ch.ID, &ch.Kind, &ch.Project, &ch.User, &ch.Integration, &ch.Account)
		return ch, err
	}, `SELECT id, kind, project, user_id, integration, account FROM user_changes ORDER BY id LIMIT ?1`, limitOf(limit))
	return found, s.wrap(ctx, "list the changes of users", err)
}

// SettleUserChanges forgets changes.
func (s *Store) SettleUserChanges(ctx context.Context, ids []int64) error {
	numbers, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	_, err = s.write.ExecContext(ctx, `DELETE FROM user_changes WHERE id IN (SELECT value FROM json_each(?1))`, string(numbers))
	return s.wrap(ctx, "settle changes of users", err)
}

func (c *configTx) User(ctx context.Context, id string) (*store.User, error) {
	u, err := one(scanUser, c.tx.QueryRowContext(ctx, selectUser+` WHERE project = ?1 AND id = ?2`, c.project, column.Text(id)))
	return u, c.store.wrap(ctx, "read a user", err)
}

func (c *configTx) PutUser(ctx context.Context, u store.User) error {
	generation, err := c.noteChange(ctx, store.ChangedUser, store.CredentialID{User: u.ID})
	if err != nil {
		return err
	}
	_, err = c.run(ctx, "write a user", `INSERT INTO users (project, id, meta, disabled, generation, created_at, updated_at)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (project, id) DO UPDATE SET meta = excluded.meta, disabled = excluded.disabled,
			generation = excluded.generation, updated_at = excluded.updated_at`,
		c.project, column.Text(u.ID), column.Raw(u.Meta), u.Disabled, generation, u.CreatedAt.UnixMicro(), u.UpdatedAt.UnixMicro())
	return err
}

func (c *configTx) DeleteUser(ctx context.Context, id string) error {
	found, err := list(ctx, c.tx, scanCredential, selectCredential+` WHERE project = ?1 AND user_id = ?2`, c.project, column.Text(id))
	if err != nil {
		return c.fail(c.store.wrap(ctx, "list the credentials", err))
	}
	if err := c.mustDelete(ctx, "delete a user", `DELETE FROM users WHERE project = ?1 AND id = ?2`, c.project, column.Text(id)); err != nil {
		return err
	}
	for _, gone := range found {
		if err := c.DeleteCredential(ctx, id, gone.Integration, gone.Account); err != nil {
			return err
		}
	}
	if _, err := c.run(ctx, "delete what a user chose", `DELETE FROM user_workflows WHERE project = ?1 AND user_id = ?2`, c.project, column.Text(id)); err != nil {
		return err
	}
	_, err = c.noteChange(ctx, store.ChangedUser, store.CredentialID{User: id})
	return err
}

func (c *configTx) PutUserKey(ctx context.Context, k store.UserKey) error {
	if _, err := c.noteChange(ctx, store.ChangedKeys, store.CredentialID{}); err != nil {
		return err
	}
	_, err := c.run(ctx, "write a key of users", `INSERT INTO user_keys (project, kid, algorithm, pem, created_at, created_by)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (project, kid) DO UPDATE SET algorithm = excluded.algorithm, pem = excluded.pem,
			created_at = excluded.created_at, created_by = excluded.created_by`,
		c.project, column.Text(k.ID), k.Algorithm, column.Text(k.PEM), k.CreatedAt.UnixMicro(), column.Text(k.CreatedBy))
	return err
}

func (c *configTx) DeleteUserKey(ctx context.Context, id string) error {
	if err := c.mustDelete(ctx, "delete a key of users", `DELETE FROM user_keys WHERE project = ?1 AND kid = ?2`, c.project, column.Text(id)); err != nil {
		return err
	}
	_, err := c.noteChange(ctx, store.ChangedKeys, store.CredentialID{})
	return err
}

func (c *configTx) Credential(ctx context.Context, user, integration, account string) (*store.Credential, error) {
	found, err := one(scanCredential, c.tx.QueryRowContext(ctx, selectCredential+whereCredential,
		c.project, column.Text(user), column.Text(integration), column.Text(account)))
	return found, c.store.wrap(ctx, "read a credential", err)
}

func (c *configTx) PutCredential(ctx context.Context, cr store.Credential) error {
	generation, err := c.noteChange(ctx, store.ChangedCredential, cr.CredentialID)
	if err != nil {
		return err
	}
	_, err = c.run(ctx, "write a credential", `INSERT INTO credentials (project, user_id, integration, account, kind, sealed, settings, status, reason,
			expires_at, generation, version, updated_at, updated_by)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0, ?12, ?13) ON CONFLICT (project, user_id, integration, account) DO UPDATE SET
			kind = excluded.kind, sealed = excluded.sealed, settings = excluded.settings, status = excluded.status, reason = excluded.reason,
			expires_at = excluded.expires_at, generation = excluded.generation, version = 0,
			updated_at = excluded.updated_at, updated_by = excluded.updated_by`,
		c.project, column.Text(cr.User), column.Text(cr.Integration), column.Text(cr.Account), cr.Kind, column.Bytes(cr.Sealed), column.Raw(cr.Settings),
		cr.Status, column.Text(cr.Reason), column.Micros(cr.ExpiresAt), generation, cr.UpdatedAt.UnixMicro(), column.Text(cr.UpdatedBy))
	return err
}

func (c *configTx) DeleteCredential(ctx context.Context, user, integration, account string) error {
	if err := c.mustDelete(ctx, "delete a credential", `DELETE FROM credentials`+whereCredential,
		c.project, column.Text(user), column.Text(integration), column.Text(account)); err != nil {
		return err
	}
	_, err := c.noteChange(ctx, store.ChangedCredential, store.CredentialID{User: user, Integration: integration, Account: account})
	return err
}

func (c *configTx) RenewCredential(ctx context.Context, cr store.Credential) (applied bool, err error) {
	rows, err := c.run(ctx, "renew a credential", `UPDATE credentials SET sealed = ?5, status = ?6, reason = ?7, expires_at = ?8, version = ?10,
			updated_at = ?11, updated_by = ?12`+whereCredential+` AND generation = ?9 AND version < ?10`,
		c.project, column.Text(cr.User), column.Text(cr.Integration), column.Text(cr.Account), column.Bytes(cr.Sealed), cr.Status,
		column.Text(cr.Reason), column.Micros(cr.ExpiresAt), cr.Generation, cr.Version, cr.UpdatedAt.UnixMicro(), column.Text(cr.UpdatedBy))
	return rows > 0, err
}

func (c *configTx) UserChanges() []store.UserChange { return c.changes }

// noteChange notes a change of a user, and returns its number.
func (c *configTx) noteChange(ctx context.Context, kind string, id store.CredentialID) (number int64, err error) {
	id.Project = c.project
	err = c.tx.QueryRowContext(ctx, `INSERT INTO user_changes (project, kind, user_id, integration, account) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id`,
		c.project, kind, column.Text(id.User), column.Text(id.Integration), column.Text(id.Account)).Scan(&number)
	if err != nil {
		return 0, c.fail(c.store.wrap(ctx, "note a change of users", err))
	}
	c.changes = append(c.changes, store.UserChange{ID: number, Kind: kind, CredentialID: id})
	return number, nil
}

func scanUser(row scanner) (u store.User, err error) {
	var meta *string
	var created, updated int64
	err = row.Scan(&u.Project, &u.ID, &meta, &u.Disabled, &u.Generation, &created, &updated)
	u.Meta = column.RawFrom(meta)
	u.CreatedAt, u.UpdatedAt = timeOf(&created), timeOf(&updated)
	return u, err
}

func scanUserKey(row scanner) (k store.UserKey, err error) {
	var created int64
	err = row.Scan(&k.Project, &k.ID, &k.Algorithm, &k.PEM, &created, &k.CreatedBy)
	k.CreatedAt = timeOf(&created)
	return k, err
}

func scanCredential(row scanner) (c store.Credential, err error) {
	var settings *string
	var expires *int64
	var updated int64
	err = row.Scan(&c.Project, &c.User, &c.Integration, &c.Account, &c.Kind, &c.Sealed, &settings, &c.Status, &c.Reason,
		&expires, &c.Generation, &c.Version, &updated, &c.UpdatedBy)
	c.Sealed, c.Settings = column.BytesFrom(c.Sealed), column.RawFrom(settings)
	c.ExpiresAt, c.UpdatedAt = timeOf(expires), timeOf(&updated)
	return c, err
}
