package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"paragon/engine/store"
	"paragon/engine/store/internal/column"
)

const (
	selectPerson     = `SELECT p.id, p.email, p.name, coalesce(p.password, ''), p.created_at`
	selectInvitation = `SELECT hash, project, email, role, created_at, created_by, expires_at FROM invitations`
)

// Session returns who a session is of.
func (s *Store) Session(ctx context.Context, hash []byte) (*store.Session, *store.Person, error) {
	const what = "read a session"
	found, err := one(ctx, s.pool, scanSession, `SELECT hash, person, created_at, expires_at, remote FROM sessions WHERE hash = $1`, hash)
	if err != nil {
		return nil, nil, s.wrap(ctx, what, err)
	}
	p, err := one(ctx, s.pool, scanPerson, selectPerson+` FROM people p WHERE p.id = $1`, found.Person)
	return found, p, s.wrap(ctx, what, err)
}

// PersonByEmail returns a person.
func (s *Store) PersonByEmail(ctx context.Context, email string) (*store.Person, error) {
	p, err := one(ctx, s.pool, scanPerson, selectPerson+` FROM people p WHERE p.email = $1`, column.Text(email))
	return p, s.wrap(ctx, "read a person", err)
}

// Roles returns a person's role by project.
func (s *Store) Roles(ctx context.Context, person string) (map[string]string, error) {
	found, err := list(ctx, s.pool, scanMember, selectPerson+`, m.project, m.role, m.added_at, m.added_by
		FROM members m JOIN people p ON p.id = m.person WHERE m.person = $1`, column.Text(person))
	roles := make(map[string]string, len(found))
	for _, m := range found {
		roles[m.Project] = m.Role
	}
	return roles, s.wrap(ctx, "read a person's roles", err)
}

// KeysOf lists a project's keys.
func (s *Store) KeysOf(ctx context.Context, project string) ([]store.Key, error) {
	found, err := list(ctx, s.pool, scanKey, selectKey+` WHERE project = $1 ORDER BY id`, project)
	return found, s.wrap(ctx, "list the keys", err)
}

// MembersOf lists a project's members.
func (s *Store) MembersOf(ctx context.Context, project string) ([]store.Member, error) {
	found, err := list(ctx, s.pool, scanMember, selectMember, project)
	return found, s.wrap(ctx, "list the members", err)
}

// InvitationsOf lists who is invited to a project.
func (s *Store) InvitationsOf(ctx context.Context, project string) ([]store.Invitation, error) {
	found, err := list(ctx, s.pool, scanInvitation, selectInvitation+` WHERE project = $1 ORDER BY email`, project)
	return found, s.wrap(ctx, "list the invitations", err)
}

// selectMember selects the members of a project.
const selectMember = selectPerson + `, m.project, m.role, m.added_at, m.added_by
	FROM members m JOIN people p ON p.id = m.person WHERE m.project = $1 ORDER BY p.email`

func (c *configTx) PutPerson(ctx context.Context, p store.Person) error {
	rows, err := c.run(ctx, "write a person", `INSERT INTO people (id, email, name, password, created_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (email) DO UPDATE SET name = excluded.name, password = excluded.password WHERE people.id = excluded.id`,
		p.ID, column.Text(p.Email), column.Text(p.Name), column.TextOrNil(p.Password), p.CreatedAt)
	if err == nil && rows == 0 {
		return fmt.Errorf("write a person: the email: %w", store.ErrExists)
	}
	return err
}

func (c *configTx) Members(ctx context.Context) ([]store.Member, error) {
	found, err := list(ctx, c.tx, scanMember, selectMember, c.project)
	return found, c.store.wrap(ctx, "list the members", err)
}

func (c *configTx) PutMember(ctx context.Context, m store.Member) error {
	_, err := c.run(ctx, "write a member", `INSERT INTO members (project, person, role, added_at, added_by) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (project, person) DO UPDATE SET role = excluded.role`,
		c.project, m.ID, m.Role, m.AddedAt, column.Text(m.AddedBy))
	return err
}

func (c *configTx) DeleteMember(ctx context.Context, person string) error {
	return c.mustDelete(ctx, "end a membership", `DELETE FROM members WHERE project = $1 AND person = $2`, c.project, column.Text(person))
}

func (c *configTx) Invitations(ctx context.Context) ([]store.Invitation, error) {
	found, err := list(ctx, c.tx, scanInvitation, selectInvitation+` WHERE project = $1 ORDER BY email`, c.project)
	return found, c.store.wrap(ctx, "list the invitations", err)
}

func (c *configTx) InvitationsTo(ctx context.Context, email string, hash []byte) ([]store.Invitation, error) {
	found, err := list(ctx, c.tx, scanInvitation, selectInvitation+` WHERE email = $1 OR hash = $2 ORDER BY project`, column.Text(email), hash)
	return found, c.store.wrap(ctx, "find invitations", err)
}

func (c *configTx) PutInvitation(ctx context.Context, i store.Invitation) error {
	_, err := c.run(ctx, "invite", `INSERT INTO invitations (hash, project, email, role, created_at, created_by, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (email, project) DO UPDATE SET hash = excluded.hash, role = excluded.role,
			created_at = excluded.created_at, created_by = excluded.created_by, expires_at = excluded.expires_at`,
		i.Hash, c.project, column.Text(i.Email), i.Role, i.CreatedAt, column.Text(i.CreatedBy), i.ExpiresAt)
	return err
}

func (c *configTx) DeleteInvitation(ctx context.Context, hash []byte) error {
	return c.mustDelete(ctx, "take back an invitation", `DELETE FROM invitations WHERE hash = $1`, hash)
}

func (c *configTx) PutSession(ctx context.Context, s store.Session) error {
	_, err := c.run(ctx, "log in", `DELETE FROM sessions WHERE person = $1 AND expires_at <= $2`, s.Person, s.CreatedAt)
	if err == nil {
		_, err = c.run(ctx, "log in", `INSERT INTO sessions (hash, person, created_at, expires_at, remote) VALUES ($1, $2, $3, $4, $5)`,
			s.Hash, s.Person, s.CreatedAt, s.ExpiresAt, column.Text(s.From))
	}
	return err
}

func (c *configTx) DeleteSession(ctx context.Context, hash []byte) error {
	_, err := c.run(ctx, "log out", `DELETE FROM sessions WHERE hash = $1`, hash)
	return err
}

// mustDelete runs a deletion that finds something, or returns ErrNotFound.
func (c *configTx) mustDelete(ctx context.Context, what, sql string, args ...any) error {
	rows, err := c.run(ctx, what, sql, args...)
	if err == nil && rows == 0 {
		return fmt.Errorf("%s: %w", what, store.ErrNotFound)
	}
	return err
}

func scanPerson(row pgx.CollectableRow) (p store.Person, err error) {
	err = row.Scan(&p.ID, &p.Email, &p.Name, &p.Password, &p.CreatedAt)
	p.CreatedAt = p.CreatedAt.UTC()
	return p, err
}

func scanMember(row pgx.CollectableRow) (m store.Member, err error) {
	err = row.Scan(&m.ID, &m.Email, &m.Name, &m.Password, &m.CreatedAt, &m.Project, &m.Role, &m.AddedAt, &m.AddedBy)
	m.CreatedAt, m.AddedAt = m.CreatedAt.UTC(), m.AddedAt.UTC()
	return m, err
}

func scanInvitation(row pgx.CollectableRow) (i store.Invitation, err error) {
	err = row.Scan(&i.Hash, &i.Project, &i.Email, &i.Role, &i.CreatedAt, &i.CreatedBy, &i.ExpiresAt)
	i.CreatedAt, i.ExpiresAt = i.CreatedAt.UTC(), i.ExpiresAt.UTC()
	return i, err
}

func scanSession(row pgx.CollectableRow) (s store.Session, err error) {
	err = row.Scan(&s.Hash, &s.Person, &s.CreatedAt, &s.ExpiresAt, &s.From)
	s.CreatedAt, s.ExpiresAt = s.CreatedAt.UTC(), s.ExpiresAt.UTC()
	return s, err
}
