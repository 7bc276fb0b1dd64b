package store

import (
	"context"
	"encoding/json"
	"time"
)

// User is one of a product's own users, for whom it has Paragon act.
type User struct {
	Project, ID string
	Meta        json.RawMessage // a JSON object; nil: none
	Disabled    bool
	// Generation is the change (UserChange.ID) that wrote it.
	Generation           int64
	CreatedAt, UpdatedAt time.Time
}

// UserKey is a public key that a product signs the tokens of its users with.
type UserKey struct {
	Project, ID string // the id is the tokens' kid
	Algorithm   string // RS256, ES256 or EdDSA
	PEM         string
	CreatedAt   time.Time
	CreatedBy   string
}

// CredentialID names a credential. Without a user it is the project's shared
// one.
type CredentialID struct {
	Project, User, Integration, Account string
}

// The states of a credential.
const (
	CredentialValid   = "valid"
	CredentialInvalid = "invalid" // it must be connected again
)

// Credential is what a user, or the project, proves itself with at a
// third-party API.
type Credential struct {
	CredentialID
	Kind     string // basic, bearer, apiKey or oauth2
	Sealed   []byte
	Settings json.RawMessage
	Status   string
	Reason   string // why it is invalid
	// ExpiresAt is when what it holds ends by itself; zero: not known.
	ExpiresAt time.Time
	// Generation is the change that wrote it, Version counts what workers made
	// of it since. Of two states the one with the higher pair is the newer.
	Generation, Version int64
	UpdatedAt           time.Time
	UpdatedBy           string
}

// UserWorkflow is what a user chose of a workflow that runs for users.
type UserWorkflow struct {
	Project, User, Workflow string
	Enabled                 bool
	Settings                json.RawMessage // a JSON object; nil: none
	// Generation is the change (UserChange.ID) that wrote it.
	Generation int64
	UpdatedAt  time.Time
	UpdatedBy  string
}

// The kinds of a UserChange.
const (
	ChangedUser       = "user"
	ChangedKeys       = "keys"
	ChangedCredential = "credential"
)

// UserChange says what a transaction changed, until Redis has it. Its ID grows
// from change to change.
type UserChange struct {
	ID   int64
	Kind string
	CredentialID
}

// Connect is what the store knows of users outside of a transaction.
type Connect interface {
	// User returns a user, or ErrNotFound.
	User(ctx context.Context, project, id string) (*User, error)
	// Users lists a project's users by id, from after the id after.
	Users(ctx context.Context, project, after string, limit int) ([]User, error)
	// UserKeys lists a project's public keys by id.
	UserKeys(ctx context.Context, project string) ([]UserKey, error)
	// Credential returns a credential, or ErrNotFound.
	Credential(ctx context.Context, id CredentialID) (*Credential, error)
	// Credentials lists the credentials of a user, or without one the
	// project's shared ones, by integration and account.
	Credentials(ctx context.Context, project, user string) ([]Credential, error)
	// AllCredentials lists a project's credentials by user, integration and
	// account, from after the one given.
	AllCredentials(ctx context.Context, after CredentialID, limit int) ([]Credential, error)
	// InvalidCredentials lists a project's credentials that must be connected
	// again, those that became so last first.
	InvalidCredentials(ctx context.Context, project string, limit int) ([]Credential, error)
	// UserWorkflows lists what a user chose, by workflow.
	UserWorkflows(ctx context.Context, project, user string) ([]UserWorkflow, error)
	// WorkflowUsers lists what was chosen of a workflow by user, from after the
	// user after up to and with the user last (empty: to the end).
	WorkflowUsers(ctx context.Context, project, workflow, after, last string, limit int) ([]UserWorkflow, error)
	// UserChanges lists the oldest changes that nobody has settled.
	UserChanges(ctx context.Context, limit int) ([]UserChange, error)
	// SettleUserChanges forgets changes: Redis has them.
	SettleUserChanges(ctx context.Context, ids []int64) error
}

// ConnectTx is the part of a transaction that is about users. None of it
// counts as a change of configuration. What it changes is noted as UserChanges.
type ConnectTx interface {
	// User returns a user, or ErrNotFound.
	User(ctx context.Context, id string) (*User, error)
	// PutUser creates a user or replaces meta and disabled.
	PutUser(ctx context.Context, u User) error
	// DeleteUser removes a user with its credentials and what it chose, or
	// returns ErrNotFound.
	DeleteUser(ctx context.Context, id string) error
	// UserWorkflow returns what a user chose of a workflow, or ErrNotFound.
	UserWorkflow(ctx context.Context, user, workflow string) (*UserWorkflow, error)
	// PutUserWorkflow writes what a user chose of a workflow. It is noted as a
	// change of the user.
	PutUserWorkflow(ctx context.Context, w UserWorkflow) error
	// DeleteUserWorkflow forgets what a user chose of a workflow, or returns
	// ErrNotFound. It is noted as a change of the user.
	DeleteUserWorkflow(ctx context.Context, user, workflow string) error
	// PutUserKey creates a public key or replaces the one with its id.
	PutUserKey(ctx context.Context, k UserKey) error
	// DeleteUserKey removes a public key, or returns ErrNotFound.
	DeleteUserKey(ctx context.Context, id string) error
	// Credential returns a credential, or ErrNotFound.
	Credential(ctx context.Context, user, integration, account string) (*Credential, error)
	// PutCredential creates a credential or replaces it, as a new generation
	// whose version is 0.
	PutCredential(ctx context.Context, c Credential) error
	// DeleteCredential removes a credential, or returns ErrNotFound.
	DeleteCredential(ctx context.Context, user, integration, account string) error
	// RenewCredential writes a later version of the same generation, and tells
	// whether it did: not when the credential is gone, was replaced, or is that
	// far already. It notes no change, since it comes from Redis.
	RenewCredential(ctx context.Context, c Credential) (applied bool, err error)
	// UserChanges are those of this transaction so far.
	UserChanges() []UserChange
}
