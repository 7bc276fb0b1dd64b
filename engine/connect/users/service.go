package users

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"paragon/engine/store"
	"paragon/schema/api"
	"paragon/workflows/exchange"
)

// maxMeta bounds what a product says of a user, in bytes.
const maxMeta = 64 << 10

// Actor is who changes something, for the audit log.
type Actor struct {
	// Name is shown, From is the remote address.
	Name, From string
}

// Options configure a Service.
type Options struct {
	Store store.Config
	// Book reads what this service writes. Required.
	Book *Book
	// Changed is told of a user who was created, changed or deleted, once that
	// is in Redis: at least once, and again when it fails. nil is nothing.
	Changed func(ctx context.Context, ch store.UserChange) error
	// Failed is told of a credential that became invalid: at least once, with the
	// same ID each time, and again when it fails. nil is nothing.
	Failed func(ctx context.Context, f Failure) error
	// HTTP asks authorization servers; nil leaves OAuth2 out.
	HTTP *exchange.Client
	// PublicURL is where browsers reach this server, without a slash at its end.
	PublicURL string
	// Poll is how often what is not in Redis, and what Redis has for the store,
	// is looked for, in one slot after the other. Default 1s.
	Poll time.Duration
}

// Failure is a credential that became invalid.
type Failure struct {
	// ID is the same at each telling.
	ID string
	Place
	Reason string
	At     time.Time
}

// Service changes users, their keys and their credentials. It is safe for
// concurrent use.
type Service struct {
	store store.Config
	book  *Book
	log   *slog.Logger
	now   func() time.Time
	opts  Options
	// id names this process where several may do a thing and one does.
	id string

	mu   sync.Mutex
	stop context.CancelFunc
	done chan struct{}
}

// NewService makes a service. Its methods work before Start, too.
func NewService(o Options) *Service {
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	return &Service{store: o.Store, book: o.Book, log: o.Book.log, now: o.Book.now, opts: o, id: rand.Text()}
}

// update changes a project in one transaction with its audit record, and brings
// it to Redis. What does not get there is brought later.
func (s *Service) update(ctx context.Context, actor Actor, project, action, object string, f func(tx store.ConfigTx) (detail any, err error)) error {
	var changes []store.UserChange
	_, err := s.store.Update(ctx, project, func(tx store.ConfigTx) error {
		if _, err := tx.Project(ctx); err != nil {
			if errors.Is(err, store.ErrNotFound) {
				return notFound("project %s does not exist", project)
			}
			return err
		}
		detail, err := f(tx)
		if err != nil {
			return err
		}
		if changes = tx.UserChanges(); len(changes) == 0 {
			return nil
		}
		return tx.Audit(ctx, store.AuditRecord{At: s.now().UTC(), Actor: actor.Name, Action: action, Object: object, Outcome: "done",
			From: actor.From, Detail: json.RawMessage(asJSON(detail))})
	})
	if err != nil {
		return storeError(action+" "+object, err)
	}
	// It is stored: that the caller went away must not keep it from the others.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
	defer cancel()
	if err := s.publish(ctx, changes); err != nil {
		s.log.WarnContext(ctx, "a change of users is stored but not published; it will be as soon as Redis is back", "project", project, "error", err)
	}
	return nil
}

// PutUser creates a user, or changes what the request names.
func (s *Service) PutUser(ctx context.Context, actor Actor, project, id string, req api.PutUserRequest) (user *api.User, created bool, err error) {
	if !ValidID(id) {
		return nil, false, invalid("id", "%q is not the id of a user: 1 to %d visible characters, without spaces and / ? # %%", cut(id), MaxID)
	}
	meta, err := checkMeta(req.Meta)
	if err != nil {
		return nil, false, err
	}
	var u store.User
	err = s.update(ctx, actor, project, "put", "user/"+id, func(tx store.ConfigTx) (any, error) {
		now := s.now().UTC().Truncate(time.Microsecond)
		old, err := tx.User(ctx, id)
		created = errors.Is(err, store.ErrNotFound)
		switch {
		case created:
			u = store.User{ID: id, CreatedAt: now}
		case err != nil:
			return nil, err
		default:
			u = *old
		}
		if meta != nil {
			u.Meta = meta
		}
		if req.Disabled != nil {
			u.Disabled = *req.Disabled
		}
		if !created && bytes.Equal(u.Meta, old.Meta) && u.Disabled == old.Disabled {
			return nil, nil
		}
		u.UpdatedAt = now
		detail := map[string]any{"after": shownState(&u)}
		if !created {
			detail["before"] = shownState(old)
		}
		return detail, tx.PutUser(ctx, u)
	})
	if err != nil {
		return nil, false, err
	}
	shown := shownUser(u)
	return &shown, created, nil
}

// shownState is what of a user the audit log has.
func shownState(u *store.User) map[string]any {
	return map[string]any{"meta": u.Meta, "disabled": u.Disabled}
}

// checkMeta makes meta compact; null clears it, nil keeps it.
func checkMeta(meta json.RawMessage) (json.RawMessage, error) {
	if len(meta) == 0 {
		return nil, nil
	}
	if len(meta) > maxMeta {
		return nil, invalid("meta", "meta has %d bytes, %d are the most", len(meta), maxMeta)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(meta, &fields); err != nil {
		return nil, invalid("meta", "meta must be a JSON object")
	}
	if len(fields) == 0 {
		return json.RawMessage(`{}`), nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, meta); err != nil {
		return nil, invalid("meta", "meta must be a JSON object")
	}
	return b.Bytes(), nil
}

// User returns a user.
func (s *Service) User(ctx context.Context, project, id string) (*api.User, error) {
	u, err := s.store.User(ctx, project, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, noUser(project, id)
	}
	if err != nil {
		return nil, storeError("read a user", err)
	}
	shown := shownUser(*u)
	return &shown, nil
}

func noUser(project, id string) error {
	return notFound("there is no user %s in project %s", cut(id), project)
}

// Users lists a project's users by id.
func (s *Service) Users(ctx context.Context, project, cursor string, limit int) (api.List[api.User], error) {
	list := api.List[api.User]{Items: []api.User{}}
	found, err := s.store.Users(ctx, project, cursor, limit+1)
	if err != nil {
		return list, storeError("list users", err)
	}
	for _, u := range found {
		if len(list.Items) == limit {
			list.NextCursor = list.Items[limit-1].ID
			break
		}
		list.Items = append(list.Items, shownUser(u))
	}
	return list, nil
}

// DeleteUser removes a user with all credentials.
func (s *Service) DeleteUser(ctx context.Context, actor Actor, project, id string) error {
	err := s.update(ctx, actor, project, "delete", "user/"+cut(id), func(tx store.ConfigTx) (any, error) {
		err := tx.DeleteUser(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			return nil, noUser(project, id)
		}
		return struct{}{}, err
	})
	return err
}

func shownUser(u store.User) api.User {
	return api.User{ID: u.ID, Meta: u.Meta, Disabled: u.Disabled, CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt}
}

// maxKeys bounds the public keys of a project.
const maxKeys = 20

// PutUserKey adds a public key, or replaces the one with its id.
func (s *Service) PutUserKey(ctx context.Context, actor Actor, project, kid string, req api.PutUserKeyRequest) (*api.UserKey, error) {
	if !validKeyID(kid) {
		return nil, invalid("kid", "%q is not the id of a key: letters, digits and . _ ~ : = + -, %d at most", cut(kid), MaxID)
	}
	_, algorithm, err := ParsePublicKey(req.PublicKey)
	if err != nil {
		return nil, invalid("publicKey", "publicKey: %v", err)
	}
	if req.Algorithm != "" && req.Algorithm != algorithm {
		return nil, invalid("algorithm", "the key is for %s, not for %s", algorithm, cut(req.Algorithm))
	}
	k := store.UserKey{ID: kid, Algorithm: algorithm, PEM: req.PublicKey, CreatedAt: s.now().UTC().Truncate(time.Microsecond), CreatedBy: actor.Name}
	err = s.update(ctx, actor, project, "put", "user-key/"+kid, func(tx store.ConfigTx) (any, error) {
		have, err := s.store.UserKeys(ctx, project)
		if err != nil {
			return nil, err
		}
		if len(have) >= maxKeys && !containsKey(have, kid) {
			return nil, invalid("kid", "the project has %d public keys, the most: delete one that signs nothing any more", maxKeys)
		}
		return map[string]string{"algorithm": algorithm}, tx.PutUserKey(ctx, k)
	})
	if err != nil {
		return nil, err
	}
	shown := shownKey(k)
	return &shown, nil
}

func containsKey(keys []store.UserKey, id string) bool {
	for _, k := range keys {
		if k.ID == id {
			return true
		}
	}
	return false
}

// UserKeys lists a project's public keys.
func (s *Service) UserKeys(ctx context.Context, project string) ([]api.UserKey, error) {
	keys, err := s.store.UserKeys(ctx, project)
	if err != nil {
		return nil, storeError("list the keys of users", err)
	}
	list := make([]api.UserKey, len(keys))
	for i, k := range keys {
		list[i] = shownKey(k)
	}
	return list, nil
}

// DeleteUserKey removes a public key.
func (s *Service) DeleteUserKey(ctx context.Context, actor Actor, project, kid string) error {
	return s.update(ctx, actor, project, "delete", "user-key/"+cut(kid), func(tx store.ConfigTx) (any, error) {
		err := tx.DeleteUserKey(ctx, kid)
		if errors.Is(err, store.ErrNotFound) {
			return nil, notFound("there is no key %s", cut(kid))
		}
		return struct{}{}, err
	})
}

func shownKey(k store.UserKey) api.UserKey {
	return api.UserKey{ID: k.ID, Algorithm: k.Algorithm, PublicKey: k.PEM, CreatedAt: k.CreatedAt, CreatedBy: k.CreatedBy}
}

// Start brings to Redis what it lacks, and to the store what workers renewed,
// until Stop. A store or a Redis that is away is no error.
func (s *Service) Start(ctx context.Context) error {
	s.mu.Lock()
	if s.done != nil {
		s.mu.Unlock()
		return errors.New("users: started twice")
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.stop, s.done = cancel, make(chan struct{})
	s.mu.Unlock()
	if err := s.Reconcile(ctx); err != nil {
		s.log.WarnContext(ctx, "users could not be published; trying again", "error", err)
	}
	go s.loop(run, s.done)
	return nil
}

// Stop ends the work in the background and waits for it, until ctx is done. It
// may be called twice.
func (s *Service) Stop(ctx context.Context) {
	s.mu.Lock()
	stop, done := s.stop, s.done
	s.mu.Unlock()
	if done == nil {
		return
	}
	stop()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func (s *Service) loop(ctx context.Context, done chan struct{}) {
	defer close(done)
	sub := s.book.rdb.Subscribe(ctx, renewedChannel)
	defer func() { _ = sub.Close() }()
	renewed := sub.Channel()
	tick := time.NewTicker(s.opts.Poll)
	defer tick.Stop()
	failing := ""
	for round := 0; ; {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if failing != "" {
				err = s.Reconcile(ctx) // what failed may be of any slot
				break
			}
			err = s.glance(ctx, round%shards)
			round++
		case _, ok := <-renewed:
			if !ok {
				renewed = nil
				continue
			}
			err = s.keepRenewed(ctx)
		}
		if err == nil {
			failing = ""
		} else if text := fmt.Sprint(err); text != failing && ctx.Err() == nil {
			s.log.WarnContext(ctx, "users and credentials could not be brought from store to Redis or back; trying again", "error", err)
			failing = text
		}
	}
}
