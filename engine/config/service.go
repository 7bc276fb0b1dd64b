package config

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/cache"
	"paragon/engine/identity"
	"paragon/engine/seal"
	"paragon/engine/store"
	"paragon/schema"
)

// Options configure a Service.
type Options struct {
	Store   store.Config
	Redis   redis.UniversalClient
	Keyring *seal.Keyring
	// Identity is the OpenID provider by which people may log in; nil: none.
	Identity *identity.Provider
	// Log is where trouble is told; nil is slog.Default.
	Log *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Reconcile is how often Redis is compared with the store. Default 1s.
	Reconcile time.Duration
	// Timeout bounds the publication of one change. Default 5s.
	Timeout time.Duration
	// Published is called when a version has been published: this process can
	// wait there until it uses it itself, so that what a caller has written
	// counts for its next call. nil is nothing.
	Published func(ctx context.Context, version int64)
}

// Service is the configuration service. Its methods are safe for concurrent
// use.
type Service struct {
	store store.Config
	rdb   redis.UniversalClient
	keys  *seal.Keyring
	log   *slog.Logger
	now   func() time.Time
	opts  Options

	mu       sync.Mutex
	dataKeys map[string]openedKey // by project
	stop     context.CancelFunc
	done     chan struct{}

	used    usedKeys
	hashing hashing
}

// openedKey is a project's data key with the bytes that it was opened from.
type openedKey struct {
	wrapped string
	key     *seal.DataKey
}

// New returns a service. Its methods work before Start, too, but what can't be
// published stays so.
func New(opts Options) *Service {
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Reconcile <= 0 {
		opts.Reconcile = time.Second
	}
	if opts.Timeout <= 0 {
		opts.Timeout = 5 * time.Second
	}
	return &Service{store: opts.Store, rdb: opts.Redis, keys: opts.Keyring, log: opts.Log, now: opts.Now, opts: opts,
		dataKeys: map[string]openedKey{}, hashing: newHashing()}
}

// EnsureProject creates a project with its data key unless it exists.
func (s *Service) EnsureProject(ctx context.Context, name string) error {
	if !validProject(name) {
		return invalid(fmt.Sprintf("%q is not a project name: lower-case letters, digits and hyphens, 63 at most", name), nil)
	}
	var change cache.Change
	version, err := s.store.Update(ctx, name, func(tx store.ConfigTx) error {
		change = cache.Change{}
		_, err := tx.Project(ctx)
		if err == nil || !errors.Is(err, store.ErrNotFound) {
			return err
		}
		wrapped, err := s.keys.NewDataKey(ctx, name)
		if err != nil {
			return err
		}
		p := store.Project{Name: name, DataKey: wrapped, Settings: json.RawMessage(`{}`), CreatedAt: s.now().UTC()}
		if err := tx.PutProject(ctx, p); err != nil {
			return err
		}
		change.Projects = []store.Project{p}
		return s.audit(ctx, tx, System, "create", "project/"+name, map[string]any{"after": map[string]any{"settings": p.Settings}})
	})
	if err != nil {
		return storeError("create project", err)
	}
	s.publish(ctx, version, change)
	return nil
}

// project reads the project in a transaction, with its data key opened.
func (s *Service) project(ctx context.Context, tx store.ConfigTx, name string) (*seal.DataKey, error) {
	p, err := tx.Project(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return nil, notFound("project %s does not exist", name)
	}
	if err != nil {
		return nil, err
	}
	return s.dataKey(ctx, p)
}

func (s *Service) dataKey(ctx context.Context, p *store.Project) (*seal.DataKey, error) {
	s.mu.Lock()
	opened, ok := s.dataKeys[p.Name]
	s.mu.Unlock()
	if ok && opened.wrapped == string(p.DataKey) {
		return opened.key, nil
	}
	key, err := s.keys.DataKey(ctx, p.Name, p.DataKey)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.dataKeys[p.Name] = openedKey{string(p.DataKey), key}
	s.mu.Unlock()
	return key, nil
}

// audit appends a record of something done.
func (s *Service) audit(ctx context.Context, tx store.ConfigTx, actor Actor, action, object string, detail any) error {
	return tx.Audit(ctx, s.auditRecord(actor, action, object, "done", detail))
}

func (s *Service) auditRecord(actor Actor, action, object, outcome string, detail any) store.AuditRecord {
	rec := store.AuditRecord{At: s.now().UTC(), Actor: actor.Name, Action: action, Object: object, Outcome: outcome, From: actor.From}
	if detail == nil {
		detail = struct{}{}
	}
	if b, err := json.Marshal(detail); err == nil {
		rec.Detail = b
	}
	return rec
}

// Refused records that an actor was not allowed to do something.
func (s *Service) Refused(ctx context.Context, actor Actor, project, action, object, reason string) {
	rec := s.auditRecord(actor, action, object, "refused", map[string]string{"reason": reason, "role": string(actor.Role)})
	s.note(ctx, project, rec)
}

// Did records what an actor did that is no change of configuration, such as a
// pause.
func (s *Service) Did(ctx context.Context, actor Actor, project, action, object string, detail any) {
	s.note(ctx, project, s.auditRecord(actor, action, object, "done", detail))
}

// note writes an audit record of something that has happened already. What the
// audit log can't take is in the log.
func (s *Service) note(ctx context.Context, project string, rec store.AuditRecord) {
	rec.Project = project
	_, err := s.store.Update(ctx, project, func(tx store.ConfigTx) error { return tx.Audit(ctx, rec) })
	if err != nil {
		s.log.WarnContext(ctx, "the audit log could not be written", "project", project, "actor", rec.Actor,
			"action", rec.Action, "object", rec.Object, "outcome", rec.Outcome, "detail", string(rec.Detail), "from", rec.From, "error", err)
	}
}

// Audit lists what was done and refused in a project.
func (s *Service) Audit(ctx context.Context, q store.AuditQuery) ([]store.AuditRecord, error) {
	list, err := s.store.Audit(ctx, q)
	return list, storeError("read audit log", err)
}

// validProject tells whether a name is a DNS label (RFC 1123 section 2.1).
func validProject(name string) bool {
	if name == "" || len(name) > 63 || name[0] == '-' || name[len(name)-1] == '-' {
		return false
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// ref is the reference of a resource.
func ref(r store.Resource) schema.Ref { return schema.Ref{Kind: r.Kind, Name: r.Metadata.Name} }
