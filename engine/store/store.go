package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"paragon/schema"
)

// The errors that callers tell apart. Implementations wrap them.
var (
	// ErrNotFound says that no such row exists.
	ErrNotFound = errors.New("not found")
	// ErrExists says that a row with that identity exists already.
	ErrExists = errors.New("already exists")
	// ErrSchema says that the database's schema is not the one this binary
	// was built for; its text names the command to run.
	ErrSchema = errors.New("database schema is not current")
	// ErrNewer says of an ErrSchema that a newer release migrated the database.
	ErrNewer = errors.New("a newer paragond migrated it")
	// ErrUnavailable says that the database can't be reached now; the same
	// call may succeed later.
	ErrUnavailable = errors.New("store unavailable")
	// ErrClosed says that Close was called.
	ErrClosed = errors.New("store closed")
)

// KeyLife is how long an idempotency key stands for its run, from the run's
// creation on.
const KeyLife = 24 * time.Hour

// KeyTakenError says which runs Accept refused because their idempotency key
// stands for another run. It is an ErrExists.
type KeyTakenError struct {
	// Runs has the refused runs' ids, each with the id of the run that has its
	// key: an earlier one, or one in front of it in the same call.
	Runs map[string]string
}

// Error says how many runs were refused, and names one.
func (e *KeyTakenError) Error() string {
	ids := slices.Sorted(maps.Keys(e.Runs))
	if len(ids) == 0 {
		return "idempotency key taken"
	}
	return fmt.Sprintf("idempotency key taken: run %s (of %d refused) has the key of run %s", ids[0], len(ids), e.Runs[ids[0]])
}

// Unwrap is ErrExists.
func (e *KeyTakenError) Unwrap() error { return ErrExists }

// Store is the SQL store. Its methods are safe for concurrent use.
//
// Times are kept to the microsecond and come back in UTC. A limit of 0 or less
// means all rows, but for ListRuns. In the text of history, bytes that are not
// UTF-8, and NUL outside of JSON's escapes, come back as U+FFFD: what a third
// party sent can't keep a batch from being written.
type Store interface {
	Config
	Runs
	Steering

	// Migrate brings the schema to the newest version. Two processes that
	// migrate at once do not disturb each other.
	Migrate(ctx context.Context) error
	// CheckSchema returns ErrSchema unless the schema is the newest.
	CheckSchema(ctx context.Context) error
	// Ping tells whether the database answers.
	Ping(ctx context.Context) error
	// Close releases the connections.
	Close() error
}

// Config is the configuration side of the store.
type Config interface {
	Access
	Connect
	Answers

	// Update runs f in one transaction for a project's configuration. Updates
	// of one store are serialized. When f returns nil and wrote anything, the
	// configuration version has grown by one and is returned; when f wrote
	// nothing, the version is that of before. An error of f rolls everything
	// back and is returned as it is.
	Update(ctx context.Context, project string, f func(ConfigTx) error) (version int64, err error)
	// ConfigVersion is the number of configuration changes so far, over all
	// projects.
	ConfigVersion(ctx context.Context) (int64, error)
	// ConfigLineage names the line of changes that versions count: another
	// replica that took over, or another database, has another one, so that two
	// versions of one number are not taken for the same. Empty: it is not known.
	// On a server that only follows another it is ErrUnavailable.
	ConfigLineage(ctx context.Context) (string, error)
	// LoadConfig returns all current configuration, with its version, from one
	// consistent view.
	LoadConfig(ctx context.Context) (*Snapshot, error)

	// Resource returns a current resource, or ErrNotFound.
	Resource(ctx context.Context, project string, ref schema.Ref) (*Resource, error)
	// Resources lists the current resources of a kind in name order, from
	// after the name after, at most limit (0: all).
	Resources(ctx context.Context, project string, kind schema.Kind, after string, limit int) ([]Resource, error)
	// Revisions lists the revisions of a resource, newest first; deleted ones
	// too.
	Revisions(ctx context.Context, project string, ref schema.Ref, limit int) ([]Resource, error)
	// Revision returns one revision of a resource, or ErrNotFound.
	Revision(ctx context.Context, project string, ref schema.Ref, revision int64) (*Resource, error)
	// Releases lists releases, newest first, before the id before (0: from the
	// newest).
	Releases(ctx context.Context, project string, before int64, limit int) ([]Release, error)
	// Release returns a release by its name, or ErrNotFound.
	Release(ctx context.Context, project, name string) (*Release, error)
	// Audit lists audit records.
	Audit(ctx context.Context, q AuditQuery) ([]AuditRecord, error)
	// TouchKeys records when keys were last used.
	TouchKeys(ctx context.Context, used map[string]time.Time) error
}

// ConfigTx is one configuration transaction.
type ConfigTx interface {
	AccessTx
	ConnectTx

	// Project returns the project, or ErrNotFound.
	Project(ctx context.Context) (*Project, error)
	// PutProject creates the project or replaces its settings.
	PutProject(ctx context.Context, p Project) error
	// Resource returns a current resource, or ErrNotFound.
	Resource(ctx context.Context, ref schema.Ref) (*Resource, error)
	// Resources lists the current resources of a kind in name order.
	Resources(ctx context.Context, kind schema.Kind) ([]Resource, error)
	// Put writes a resource as a new revision and returns its number, which is
	// one more than the newest of that name, deleted or not. It sets Revision
	// and keeps all else of r.
	Put(ctx context.Context, r Resource) (revision int64, err error)
	// PutAll is Put of many resources, in as few round trips as the store can,
	// and returns their revisions in order. A name may be there once only.
	PutAll(ctx context.Context, list []Resource) (revisions []int64, err error)
	// Delete ends a resource with a revision that says so. It returns
	// ErrNotFound when there is none.
	Delete(ctx context.Context, ref schema.Ref, by string, at time.Time) error
	// PutKey creates a key, or replaces the one with its id.
	PutKey(ctx context.Context, k Key) error
	// DeleteKey removes a key, or returns ErrNotFound.
	DeleteKey(ctx context.Context, id string) error
	// Keys lists the project's keys.
	Keys(ctx context.Context) ([]Key, error)
	// Release returns a release by its name, or ErrNotFound.
	Release(ctx context.Context, name string) (*Release, error)
	// AddRelease records a release; its ID is set by the store. It does not
	// count as a change of configuration. The error is ErrExists when there is
	// one of that name.
	AddRelease(ctx context.Context, r Release) error
	// Audit appends an audit record; its ID, Seq and Hash are set by the
	// store. It does not count as a change of configuration.
	Audit(ctx context.Context, rec AuditRecord) error
}

// Resource is a stored resource.
type Resource struct {
	Project  string
	Kind     schema.Kind
	Metadata schema.Metadata
	// Spec is canonical JSON. Of a Secret it holds the sealed value.
	Spec json.RawMessage
	// Digest is the hex SHA-256 of what the user wrote (labels, annotations
	// and spec), so that unchanged is told without reading Spec; of a Secret a
	// keyed digest.
	Digest string
	// Source names the file and the set that it was applied from.
	Source string
	// Revision counts the writes of this name from 1; Deleted marks a revision
	// that ended the resource.
	Revision  int64
	Deleted   bool
	UpdatedAt time.Time
	UpdatedBy string
}

// Project is a stored project.
type Project struct {
	Name string
	// DataKey is the project's data key, sealed under the master key.
	DataKey []byte
	// Settings is JSON.
	Settings  json.RawMessage
	CreatedAt time.Time
}

// Key is a stored API key. Only the hash of the secret part is kept.
type Key struct {
	ID      string
	Project string
	Name    string
	Role    string
	// Scope has what of its role the key may do: actions, separated by commas;
	// empty: all.
	Scope     string
	Hash      []byte // SHA-256 of the whole token
	CreatedAt time.Time
	CreatedBy string
	ExpiresAt time.Time // zero: never
	LastUsed  time.Time
}

// AuditRecord says who did what to what, and from where.
type AuditRecord struct {
	ID      int64
	Project string
	At      time.Time
	Actor   string // the key's or member's name
	Action  string // "apply", "delete", …
	Object  string // "workflow/lead-sync"
	Outcome string // "done" or "refused"
	From    string // remote address
	// Detail is JSON: before and after, reasons; secrets as digests.
	Detail json.RawMessage
	// Seq and Hash are the record's place in the project's chain (package
	// schema/chain); zero in records from before there was one.
	Seq  int64
	Hash []byte
}

// Release is what was applied together under a name.
type Release struct {
	ID      int64
	Project string
	Name    string // unique in the project
	// Set names the set that it was applied as, empty for none.
	Set string
	// Commit is where it comes from, as the client said.
	Commit    string
	CreatedAt time.Time
	CreatedBy string
	// Items is JSON: each resource of the release with its revision.
	Items json.RawMessage
}

// Snapshot is the whole current configuration.
type Snapshot struct {
	Version int64
	// Lineage is what ConfigLineage says.
	Lineage   string
	Projects  []Project
	Resources []Resource
	Keys      []Key
}

// Runs is the history side of the store.
type Runs interface {
	// Accept writes runs that must outlive Redis, all or none. A run that is
	// there already is left as it is. When an idempotency key stands for
	// another run, nothing is written and the error is a *KeyTakenError: accept
	// the others without those that it names.
	Accept(ctx context.Context, runs []AcceptedRun) error
	// Unaccept removes the rows of runs that were not accepted after all: a
	// limit of their workflow refused them. Their idempotency keys are free.
	Unaccept(ctx context.Context, runs []AcceptedRun) error
	// Accepted lists accepted runs that have not ended, in id order from after
	// the id after.
	Accepted(ctx context.Context, after string, limit int) ([]AcceptedRun, error)
	// AcceptedByKey finds the accepted or ended run of an idempotency key, or
	// ErrNotFound. A key is forgotten KeyLife after its run was created.
	AcceptedByKey(ctx context.Context, project, workflow, key string) (id string, err error)

	// WriteLog writes a batch of the log in one transaction with the stream's
	// new position: exactly once, however often it is called. It writes
	// nothing, and says so with applied false, unless the stored position is
	// batch.From (empty: none yet), and the fence is batch.Fence. Rows of runs that ended remove their
	// accepted rows. A run that is there already stays as it ended first; a
	// step record that is there already is replaced: after a loss of Redis a run
	// may be executed again. A run's id must have the form of one
	// (schema.RunIDTime).
	WriteLog(ctx context.Context, batch LogBatch) (applied bool, err error)
	// LogPosition is where a stream is written up to; the zero mark for a new
	// stream.
	LogPosition(ctx context.Context, stream string) (LogMark, error)
	// FenceLog keeps out batches of the streams that were read before: those
	// that are being written are waited for, and WriteLog refuses those that
	// come after. It is called when Redis has lost its memory, before runs are
	// executed again: what was read of them and not written is void.
	FenceLog(ctx context.Context, streams []string) error

	// Run returns a run, or ErrNotFound.
	Run(ctx context.Context, project, id string) (*schema.Run, error)
	// ListRuns lists runs, newest first.
	ListRuns(ctx context.Context, q RunQuery) ([]schema.Run, error)
	// Steps returns the records of a run's steps, in the order in which they
	// were written; a step that was retried or waited has several.
	Steps(ctx context.Context, project, id string) ([]schema.StepRecord, error)
	// ListProxyCalls lists calls that went through the proxy, newest first.
	ListProxyCalls(ctx context.Context, q ProxyCallQuery) ([]schema.ProxyCall, error)
	// Payloads lists the digests of the large values that a project's history of
	// a day (as 2026-11-28) refers to.
	Payloads(ctx context.Context, project, day string) ([]string, error)
	// DeleteRuns removes the history of the runs that were created, and of the
	// proxy calls that were begun, before the time, by the time in their ids, and
	// returns how many ended runs went; of days of hundreds of thousands that go
	// as a whole about how many. It removes expired idempotency keys, too,
	// and forgets the payloads of days that are over by then.
	DeleteRuns(ctx context.Context, project string, before time.Time) (int64, error)
}

// AcceptedRun is what a run needs to start, or to start again.
type AcceptedRun struct {
	ID             string
	Project        string
	Workflow       string
	IdempotencyKey string
	CreatedAt      time.Time
	// Meta is the run's start record, as execution writes it to Redis.
	Meta json.RawMessage
}

// LogMark is how far a stream is written.
type LogMark struct {
	// Position is that of the last entry; empty for none.
	Position string
	// Fence is how often the stream was fenced off.
	Fence int64
}

// LogBatch is a piece of one log stream.
type LogBatch struct {
	Stream string
	// From and To are the stream's position before and after the batch.
	From, To string
	// Fence is that of the mark from which the batch was read.
	Fence int64
	// Runs holds ended runs, each once in the whole stream.
	Runs []schema.Run
	// Steps holds step records with the run that they belong to.
	Steps []StepRow
	// ProxyCalls holds calls that went through the proxy. One that is there
	// already stays as it is.
	ProxyCalls []schema.ProxyCall
	// Payloads names the large values that the rows refer to.
	Payloads []Payload
}

// Payload names a value in object storage.
type Payload struct {
	Project string
	// Day is the day (UTC) of the run that refers to it, as 2026-11-28.
	Day    string
	Digest string
}

// Rows is how many rows the batch has.
func (b *LogBatch) Rows() int { return len(b.Runs) + len(b.Steps) + len(b.ProxyCalls) }

// StepRow is a step record of a run.
type StepRow struct {
	Project string
	Run     string
	// Seq orders the records of one run, from 1.
	Seq int64
	schema.StepRecord
}

// DefaultLimit is how many runs ListRuns returns without a limit.
const DefaultLimit = 100

// RunQuery selects runs.
type RunQuery struct {
	Project  string
	Workflow string             // empty: all
	Status   []schema.RunStatus // empty: all
	Since    time.Time          // created at or after; zero: all
	Until    time.Time          // created before; zero: all
	User     string             // for this user; empty: all
	Error    string             // did not succeed, and the error message contains it, in any case
	Before   string             // ids below it; empty: from the newest
	Limit    int                // 0 or less: DefaultLimit
	// Bytes bounds the inputs and outputs of what is returned: the run that
	// passes it is the last one. 0: no bound.
	Bytes int64
}

// Full tells whether a page was cut off by the query's limits, so that there may
// be more behind it.
func (q RunQuery) Full(page []schema.Run) bool {
	limit := q.Limit
	if limit <= 0 {
		limit = DefaultLimit
	}
	var bytes int64
	for i := range page {
		bytes += int64(len(page[i].Input) + len(page[i].Output))
	}
	return len(page) >= limit || q.Bytes > 0 && bytes >= q.Bytes
}

// ProxyCallQuery selects proxy calls.
type ProxyCallQuery struct {
	Project     string
	Integration string    // empty: all
	User        string    // empty: all
	Failed      bool      // only those that were not answered, or with a status of 400 or more
	Since       time.Time // begun at or after; zero: all
	Until       time.Time // begun before; zero: all
	Before      string    // ids below it; empty: from the newest
	Limit       int       // 0 or less: DefaultLimit
}
