package destination

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/cache"
	"paragon/engine/notice"
	"paragon/schema"
	"paragon/workflows/exchange"
)

// Options are what a Sender works with.
type Options struct {
	Redis  redis.UniversalClient
	Lanes  int
	Config *cache.Cache
	// HTTP sends webhooks: it reaches no private address.
	HTTP *exchange.Client
	// Mail sends e-mail.
	Mail Mail
	// Tick is how often it looks. Default 1s.
	Tick time.Duration
	Now  func() time.Time
	Log  *slog.Logger
}

// Sender gathers what went wrong and sends messages, while it has the lease. It
// asks Redis for nothing while no project has a destination.
type Sender struct {
	opts Options
	log  *slog.Logger
	book *book
	// who is who holds the lease.
	who  string
	wake chan struct{}
	quit context.CancelFunc
	done sync.WaitGroup

	// slots bounds the attempts at a time.
	slots chan struct{}
	sends sync.WaitGroup
	// seen is the version of the configuration whose destinations have states.
	seen int64
	// looked is when the logs were looked at last.
	looked time.Time
	tally  tally
}

const (
	// maxSends bounds the attempts at a time, and how many destinations are
	// looked after in one round.
	maxSends = 16
	// claimFor is how long an attempt may take, with what is around it: a
	// process that died with one is followed by then.
	claimFor = attemptTimeout + 10*time.Second
)

// NewSender makes a sender; Start it.
func NewSender(opts Options) *Sender {
	if opts.Tick <= 0 {
		opts.Tick = time.Second
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Sender{opts: opts, log: opts.Log, book: &book{opts.Redis, opts.Now}, who: newID(),
		wake: make(chan struct{}, 1), slots: make(chan struct{}, maxSends), seen: -1}
}

// Start begins to send.
func (s *Sender) Start(ctx context.Context) {
	loop, quit := context.WithCancel(context.WithoutCancel(ctx))
	s.quit = quit
	leave := s.opts.Config.Subscribe(func() {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	})
	s.done.Go(func() {
		defer leave()
		s.loop(loop)
	})
}

// Stop ends. Attempts under way are cut short uncounted: another process makes
// them again.
func (s *Sender) Stop(ctx context.Context) error {
	s.quit()
	s.done.Wait()
	s.sends.Wait()
	return s.book.resign(ctx, leaseKey, s.who)
}

func (s *Sender) loop(ctx context.Context) {
	for {
		all := targets(s.opts.Config)
		timer := time.NewTimer(s.opts.Tick)
		tick := timer.C
		if len(all) == 0 {
			tick = nil // nothing to do until there is one
		} else {
			if err := s.round(ctx, all); err != nil && ctx.Err() == nil {
				s.log.Warn("destinations can't be looked after now; what they are to be told waits", "error", err)
			}
		}
		select {
		case <-tick:
		case <-s.wake:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// round does all that is due, if this process has the lease.
func (s *Sender) round(ctx context.Context, all []target) error {
	leads, err := s.book.lead(ctx, leaseKey, s.who)
	if err != nil || !leads {
		s.seen = -1 // another may see what this one has not
		return err
	}
	if err := s.meet(ctx, all); err != nil {
		return err
	}
	if err := s.gather(ctx, all); err != nil {
		return err
	}
	if err := s.watchLogs(ctx, all); err != nil {
		return err
	}
	ids, err := s.book.dueBy(ctx, s.opts.Now(), maxSends)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		if t, ok := targetOf(s.opts.Config, id); ok {
			errs = append(errs, s.serve(ctx, t))
		}
	}
	return errors.Join(errs...)
}

// meet gives new destinations a state, and forgets those that are gone.
func (s *Sender) meet(ctx context.Context, all []target) error {
	version := s.opts.Config.Version()
	if version == s.seen || s.opts.Config.Ready() != nil {
		return nil
	}
	known := map[string]bool{}
	for _, p := range s.opts.Config.Projects() {
		for _, d := range p.Destinations() {
			known[target{p, d}.id()] = true // broken ones, too
		}
	}
	if err := s.book.forget(ctx, known); err != nil {
		return err
	}
	for _, t := range all {
		if err := s.book.update(ctx, t, func(*state) {}); err != nil {
			return err
		}
	}
	s.seen = version
	return nil
}

// gather takes what was counted and adds it to what each destination waits to
// tell. It may end anywhere: each state knows what it has.
func (s *Sender) gather(ctx context.Context, all []target) error {
	for _, source := range notice.Sources(s.opts.Lanes) {
		batch, err := notice.Take(ctx, s.opts.Redis, source, newID())
		if err != nil {
			return err
		}
		if batch == nil {
			continue
		}
		for _, t := range all {
			if !t.wantsAny(batch) {
				continue
			}
			if err := s.book.update(ctx, t, func(st *state) { st.merge(batch, t.wants, s.opts.Now()) }); err != nil {
				return err
			}
		}
		if err := notice.Drop(ctx, s.opts.Redis, batch); err != nil {
			return err
		}
	}
	return nil
}

// wants tells whether a destination is told of what was counted. It is not told
// of itself.
func (t target) wants(c notice.Count) bool {
	if c.Project != t.project.Name || c.Event == schema.EventDestinationDisabled && c.Subject == t.Name {
		return false
	}
	var labels map[string]string
	if wf := t.project.Workflow(c.Subject); wf != nil {
		labels = wf.Labels
	}
	return t.Wants(c.Event, c.Subject, labels)
}

func (t target) wantsAny(b *notice.Batch) bool {
	for _, c := range b.Counts {
		if t.wants(c) {
			return true
		}
	}
	return false
}

// serve does what a destination is due.
func (s *Sender) serve(ctx context.Context, t target) error {
	select {
	case s.slots <- struct{}{}:
	default:
		return nil // all are busy: the next round
	}
	release := func() { <-s.slots }
	var mine *pending
	var disabled *state
	err := s.book.update(ctx, t, func(st *state) {
		now := s.opts.Now()
		mine, disabled = nil, nil
		if st.Untold {
			disabled = st
		}
		st.make(newID(), t.Wait, t.Interval, now)
		if p := st.claim(t.Revision, now.Add(claimFor), now); p != nil {
			copied := *p
			mine = &copied
		}
	})
	if err == nil && disabled != nil {
		err = s.tellDisabled(ctx, t, disabled)
	}
	if err != nil || mine == nil {
		release()
		return err
	}
	s.sends.Go(func() {
		defer release()
		s.send(ctx, t, mine)
	})
	return nil
}

// send makes an attempt and notes what came of it.
func (s *Sender) send(ctx context.Context, t target, p *pending) {
	at := s.attempt(ctx, t, p)
	cut := at.err != "" && ctx.Err() != nil
	at.err = t.project.Redactor().String(at.err)
	if !cut {
		s.tally.note(t, at)
	}
	// What came of it is written also while the process stops.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := s.book.update(ctx, t, func(st *state) {
		now := s.opts.Now()
		switch {
		case cut:
			if p := st.find(p.ID); p != nil {
				p.Claimed = time.Time{}
			}
		case at.err != "":
			st.failed(p.ID, at, now)
		default:
			st.arrived(p.ID, at, now)
		}
	})
	if err != nil {
		s.log.Warn("what came of a message is not noted; it is sent again", "destination", t.id(), "message", p.ID, "error", err)
	}
	if at.err != "" && !cut {
		s.log.Warn("a message did not arrive", "destination", t.id(), "message", p.ID, "attempt", p.Attempts+1, "error", at.err)
	}
}

// attempt sends a message. Values of secrets are taken out of it, wherever they
// came from.
func (s *Sender) attempt(ctx context.Context, t target, p *pending) attempt {
	m, redact := p.message(t.project.Name, t.Name), t.project.Redactor()
	if w := t.Spec.Webhook; w != nil {
		body, err := payload(t.Destination.Destination, m)
		if err != nil {
			return attempt{err: "the template can't be used: " + err.Error()}
		}
		return post(ctx, s.opts.HTTP, w, t.project, p.ID, redact.JSON(body), s.opts.Now())
	}
	subject, text, err := letter(t.Destination.Destination, m)
	if err != nil {
		return attempt{err: "the template can't be used: " + err.Error()}
	}
	return s.opts.Mail.send(ctx, t.Spec.Email.To, p.ID, redact.String(subject), redact.String(text), s.opts.Now())
}

// tellDisabled tells the audit log and the project's other destinations that one
// was disabled.
func (s *Sender) tellDisabled(ctx context.Context, t target, st *state) error {
	s.log.Error("a destination is disabled: nothing is sent to it until it is resumed", "destination", t.id(), "reason", st.Reason)
	if err := noteDisabled(ctx, s.opts.Redis, t, st); err != nil {
		return err
	}
	return s.book.update(ctx, t, func(st *state) { st.Untold = false })
}

// noteDisabled notes it for both.
func noteDisabled(ctx context.Context, rdb redis.UniversalClient, t target, st *state) error {
	err := notice.Note(ctx, rdb, notice.Notice{Project: t.project.Name, Event: schema.EventDestinationDisabled, Subject: t.Name,
		Example: notice.Example{At: st.Disabled, Message: st.Reason}})
	if err != nil {
		return err
	}
	return noteAudit(ctx, rdb, auditNote{Project: t.project.Name, Name: t.Name, At: st.Disabled, Reason: st.Reason})
}
