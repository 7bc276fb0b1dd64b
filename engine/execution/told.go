package execution

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/queue"
	"paragon/schema"
)

// told wakes the callers that wait for a run when the run responds or ends: a
// commit publishes the ids on the lane's channel. A lost message costs a
// waiter at most pollEvery.
type told struct {
	rdb   redis.UniversalClient
	lanes int

	mu      sync.Mutex
	waiters map[string][]chan struct{}

	cancel context.CancelFunc
	done   chan struct{}
}

// pollEvery is how often a waiter looks for itself.
const pollEvery = time.Second

func newTold(rdb redis.UniversalClient, lanes int) *told {
	return &told{rdb: rdb, lanes: lanes, waiters: map[string][]chan struct{}{}}
}

func (t *told) start(ctx context.Context) error {
	channels := make([]string, t.lanes)
	for i := range channels {
		channels[i] = queue.Key(i, "told")
	}
	ctx, t.cancel = context.WithCancel(context.WithoutCancel(ctx))
	t.done = make(chan struct{})
	sub := t.rdb.Subscribe(ctx, channels...)
	go func() {
		defer close(t.done)
		defer sub.Close()
		messages := sub.Channel() // go-redis subscribes again by itself
		for {
			select {
			case msg, ok := <-messages:
				if !ok {
					return
				}
				t.wake(strings.Fields(msg.Payload))
			case <-ctx.Done():
				return
			}
		}
	}()
	return nil
}

func (t *told) stop(ctx context.Context) error {
	if t.cancel == nil {
		return nil
	}
	t.cancel()
	select {
	case <-t.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *told) wake(ids []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiters) == 0 {
		return
	}
	for _, id := range ids {
		for _, ch := range t.waiters[id] {
			select {
			case ch <- struct{}{}:
			default:
			}
		}
	}
}

// listen returns a channel that gets a value when the run responds or ends.
func (t *told) listen(id string) (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	t.mu.Lock()
	t.waiters[id] = append(t.waiters[id], ch)
	t.mu.Unlock()
	return ch, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		rest := t.waiters[id][:0]
		for _, c := range t.waiters[id] {
			if c != ch {
				rest = append(rest, c)
			}
		}
		if len(rest) == 0 {
			delete(t.waiters, id)
		} else {
			t.waiters[id] = rest
		}
	}
}

// until calls look now, and again whenever the run may have changed, until it
// reports true or fails, or ctx is done: then it reports false.
func (t *told) until(ctx context.Context, id string, look func() (bool, error)) (bool, error) {
	ch, leave := t.listen(id)
	defer leave()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		if yes, err := look(); yes || err != nil {
			return yes, err
		}
		select {
		case <-ch:
		case <-poll.C:
		case <-ctx.Done():
			return false, nil
		}
	}
}

// Wait returns a run once it has ended, or as it is when ctx is done.
func (s *Service) Wait(ctx context.Context, project, id string) (run *schema.Run, err error) {
	steady := context.WithoutCancel(ctx)
	_, err = s.told.until(ctx, id, func() (bool, error) {
		read, cancel := context.WithTimeout(steady, 10*time.Second)
		defer cancel()
		run, err = s.get(read, project, id)
		return err == nil && run.Status.Ended(), err
	})
	if err != nil {
		return nil, err
	}
	return run, s.fill(steady, run)
}
