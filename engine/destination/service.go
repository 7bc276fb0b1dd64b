package destination

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
	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
)

// ServiceOptions are what a Service works with.
type ServiceOptions struct {
	Redis  redis.UniversalClient
	Config *cache.Cache
	Store  store.Store
	// Tick is how often it looks for what the audit log is still to be told.
	// Default 5s.
	Tick time.Duration
	Now  func() time.Time
	Log  *slog.Logger
}

// Service shows how sending goes, resumes and tests destinations, and writes
// what senders did to the audit log, which they can't reach.
type Service struct {
	opts ServiceOptions
	log  *slog.Logger
	book *book
	who  string
	quit context.CancelFunc
	done sync.WaitGroup
}

// NewService makes a service; Start it.
func NewService(opts ServiceOptions) *Service {
	if opts.Tick <= 0 {
		opts.Tick = 5 * time.Second
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{opts: opts, log: opts.Log, book: &book{opts.Redis, opts.Now}, who: newID()}
}

// Start begins to write to the audit log.
func (s *Service) Start(ctx context.Context) {
	loop, quit := context.WithCancel(context.WithoutCancel(ctx))
	s.quit = quit
	s.done.Go(func() {
		tick := time.NewTicker(s.opts.Tick)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-loop.Done():
				return
			}
			if len(targets(s.opts.Config)) == 0 {
				continue
			}
			if err := s.audit(loop); err != nil && loop.Err() == nil {
				s.log.Warn("what destinations were disabled is not in the audit log yet", "error", err)
			}
		}
	})
}

// Stop ends.
func (s *Service) Stop() {
	s.quit()
	s.done.Wait()
}

// Destinations lists a project's destinations with how sending to each goes.
func (s *Service) Destinations(ctx context.Context, project string) ([]api.Destination, error) {
	out := []api.Destination{}
	p := s.opts.Config.Project(project)
	if !p.HasDestinations() {
		return out, nil
	}
	for _, d := range p.Destinations() {
		one, err := s.status(ctx, target{p, d})
		if err != nil {
			return nil, err
		}
		out = append(out, *one)
	}
	return out, nil
}

// Status tells how sending to a destination goes.
func (s *Service) Status(ctx context.Context, project, name string) (*api.Destination, error) {
	t, err := s.find(project, name)
	if err != nil {
		return nil, err
	}
	return s.status(ctx, t)
}

func (s *Service) status(ctx context.Context, t target) (*api.Destination, error) {
	st, _, err := s.book.load(ctx, t.id())
	if err != nil {
		return nil, unavailable(err)
	}
	out := &api.Destination{Name: t.Name, Kind: "webhook", DestinationStatus: st.status()}
	if t.Spec != nil && t.Spec.Email != nil {
		out.Kind = "email"
	}
	return out, nil
}

// Deliveries lists the latest messages to a destination, the newest first.
func (s *Service) Deliveries(ctx context.Context, project, name string) ([]api.Delivery, error) {
	t, err := s.find(project, name)
	if err != nil {
		return nil, err
	}
	st, _, err := s.book.load(ctx, t.id())
	if err != nil {
		return nil, unavailable(err)
	}
	return st.deliveries(), nil
}

// Resume lets a destination be tried at once, also one that was disabled. To
// resume one that is active is no error.
func (s *Service) Resume(ctx context.Context, project, name string) error {
	t, err := s.find(project, name)
	if err != nil {
		return err
	}
	var untold *state // disabled so lately, or while no sender lived, that nobody heard of it
	err = s.book.update(ctx, t, func(st *state) {
		untold = nil
		if st.Untold {
			before := *st
			untold = &before
		}
		st.resume(s.opts.Now())
	})
	if err == nil && untold != nil {
		err = noteDisabled(ctx, s.opts.Redis, t, untold)
	}
	if err != nil {
		return unavailable(err)
	}
	return nil
}

// Test has a message sent to a destination, also to one that is disabled. What
// came of it is in its deliveries. One that is on its way already is the answer.
func (s *Service) Test(ctx context.Context, project, name string) (*api.Delivery, error) {
	t, err := s.find(project, name)
	if err != nil {
		return nil, err
	}
	if t.Broken != nil {
		return nil, &schema.Problem{Type: schema.ProblemConflict, Title: "Conflict", Status: 409,
			Detail: fmt.Sprintf("destination %q does not compile in this version: %v", name, t.Broken)}
	}
	var out api.Delivery
	err = s.book.update(ctx, t, func(st *state) {
		if st.Test == nil {
			st.ask(newID(), s.opts.Now())
		}
		out = st.Test.Delivery
	})
	if err != nil {
		return nil, unavailable(err)
	}
	return &out, nil
}

func (s *Service) find(project, name string) (target, error) {
	p := s.opts.Config.Project(project)
	if p == nil || p.Destination(name) == nil {
		return target{}, &schema.Problem{Type: schema.ProblemNotFound, Title: "Not found", Status: 404,
			Detail: fmt.Sprintf("destination %q does not exist in project %q", name, project)}
	}
	return target{p, p.Destination(name)}, nil
}

func unavailable(err error) error {
	return errors.Join(&schema.Problem{Type: schema.ProblemUnavailable, Title: "Unavailable", Status: 503,
		Detail: "destinations can't be looked at: Redis does not answer; try again", RetryAfter: 1}, err)
}

// auditNote is a destination that was disabled, until the audit log has it.
type auditNote struct {
	Project string    `json:"project"`
	Name    string    `json:"name"`
	At      time.Time `json:"at"`
	Reason  string    `json:"reason"`
}

func noteAudit(ctx context.Context, rdb redis.UniversalClient, n auditNote) error {
	raw, err := json.Marshal(n)
	if err != nil {
		return err
	}
	if err := rdb.RPush(ctx, auditKey, raw).Err(); err != nil {
		return fmt.Errorf("note for the audit log: %w", err)
	}
	return nil
}

// audit writes to the audit log what senders noted, in order: one process at a
// time, each note once unless it dies in between.
func (s *Service) audit(ctx context.Context) error {
	for {
		raw, err := s.opts.Redis.LIndex(ctx, auditKey, 0).Result()
		if errors.Is(err, redis.Nil) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read notes for the audit log: %w", err)
		}
		leads, err := s.book.lead(ctx, auditLeaseKey, s.who)
		if err != nil || !leads {
			return err
		}
		var n auditNote
		if err := json.Unmarshal([]byte(raw), &n); err == nil && s.opts.Config.Project(n.Project) != nil {
			if err := s.write(ctx, n); err != nil {
				return err
			}
		}
		if err := s.opts.Redis.LRem(ctx, auditKey, 1, raw).Err(); err != nil {
			return fmt.Errorf("end a note for the audit log: %w", err)
		}
	}
}

func (s *Service) write(ctx context.Context, n auditNote) error {
	detail, err := json.Marshal(map[string]string{"reason": n.Reason})
	if err != nil {
		return err
	}
	_, err = s.opts.Store.Update(ctx, n.Project, func(tx store.ConfigTx) error {
		return tx.Audit(ctx, store.AuditRecord{Project: n.Project, At: n.At.UTC(), Actor: "paragond", Action: "disable",
			Object: schema.Ref{Kind: schema.KindDestination, Name: n.Name}.String(), Outcome: "done", Detail: detail})
	})
	if err != nil {
		return fmt.Errorf("write to the audit log that destination %s was disabled: %w", n.Name, err)
	}
	return nil
}
