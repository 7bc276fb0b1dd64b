package store

import (
	"context"
	"time"
)

// Person is somebody who logs in.
type Person struct {
	ID string
	// Email is in lower case, and nobody else's.
	Email string
	Name  string
	// Password is an argon2id hash in PHC form; empty when the person logs in
	// with an identity provider alone.
	Password  string
	CreatedAt time.Time
}

// Member is a person's place in a project.
type Member struct {
	Person
	Project string
	Role    string
	AddedAt time.Time
	AddedBy string
}

// Invitation lets whoever has its token, or proves to own the email, become a
// member.
type Invitation struct {
	Hash      []byte // SHA-256 of the token
	Project   string
	Email     string
	Role      string
	CreatedAt time.Time
	CreatedBy string
	ExpiresAt time.Time
}

// Session is a person who is logged in.
type Session struct {
	Hash      []byte // SHA-256 of the token
	Person    string // id
	CreatedAt time.Time
	ExpiresAt time.Time
	From      string // remote address of the login
}

// Access is what the store knows of people outside of a transaction.
type Access interface {
	// Session returns who a session is of, or ErrNotFound. An expired one is
	// there until it is removed.
	Session(ctx context.Context, hash []byte) (*Session, *Person, error)
	// Roles returns a person's role by project.
	Roles(ctx context.Context, person string) (map[string]string, error)
	// PersonByEmail returns a person, or ErrNotFound.
	PersonByEmail(ctx context.Context, email string) (*Person, error)
	// KeysOf lists a project's keys by id, MembersOf its members by email, and
	// InvitationsOf who is invited, by email. They hold no update up.
	KeysOf(ctx context.Context, project string) ([]Key, error)
	MembersOf(ctx context.Context, project string) ([]Member, error)
	InvitationsOf(ctx context.Context, project string) ([]Invitation, error)
}

// AccessTx is the part of a transaction that is about people. None of it
// counts as a change of configuration: workers have no use for it.
type AccessTx interface {
	// PutPerson creates a person or replaces name and password. Another
	// person's email is ErrExists.
	PutPerson(ctx context.Context, p Person) error
	// Members lists the project's members by email.
	Members(ctx context.Context) ([]Member, error)
	// PutMember makes the person a member of the project, or gives the member
	// another role.
	PutMember(ctx context.Context, m Member) error
	// DeleteMember ends a membership, or returns ErrNotFound.
	DeleteMember(ctx context.Context, person string) error
	// Invitations lists the project's invitations by email.
	Invitations(ctx context.Context) ([]Invitation, error)
	// InvitationsTo lists the invitations of an email, or the one with the
	// hash, to any project.
	InvitationsTo(ctx context.Context, email string, hash []byte) ([]Invitation, error)
	// PutInvitation invites to the project, instead of an earlier invitation
	// of the same email.
	PutInvitation(ctx context.Context, i Invitation) error
	// DeleteInvitation takes an invitation back, or returns ErrNotFound.
	DeleteInvitation(ctx context.Context, hash []byte) error
	// PutSession logs a person in, and removes that person's sessions that
	// have expired by its creation.
	PutSession(ctx context.Context, s Session) error
	// DeleteSession logs out. None is no error.
	DeleteSession(ctx context.Context, hash []byte) error
}

// AuditQuery selects audit records.
type AuditQuery struct {
	Project string
	// Actor, Action, Object and Outcome select records with exactly that;
	// empty: all.
	Actor, Action, Object, Outcome string
	Since                          time.Time // at or after; zero: all
	Until                          time.Time // before; zero: all
	// Oldest lists the oldest first.
	Oldest bool
	// Past is the id that the list goes on behind, in its order; 0: from its
	// start.
	Past  int64
	Limit int // 0 or less: all
}
