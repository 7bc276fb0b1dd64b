package chaos_test

import (
	"context"
	"errors"
	"net/http"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

// wish is what is asked of a run after its acknowledgement.
type wish struct {
	key  string // of the run
	door int
	due  time.Time
	// cancel asks for its end; else it is replayed from a step, "": its start.
	cancel bool
	from   string
	shape  shape
}

// wishAfter is how long a run is left alone: most have ended by then.
const wishAfter = 2 * time.Second

// wishesFor is what is asked of a run of a shape.
func wishesFor(key string, s shape, door int) (wishes []wish) {
	now := time.Now()
	switch s.canceled {
	case atOnce:
		wishes = append(wishes, wish{key: key, door: door, due: now, cancel: true})
	case inTheEnd:
		wishes = append(wishes, wish{key: key, door: door, due: now.Add(wishAfter), cancel: true})
	}
	for _, from := range s.replayed {
		wishes = append(wishes, wish{key: key, door: door, due: now.Add(wishAfter), from: from, shape: s.from(from)})
	}
	return wishes
}

// grant does what is due and returns the rest. In the end nothing is replayed
// any more, and everything canceled that is to be.
func (l *load) grant(wishes []wish, end bool) (rest []wish) {
	for _, w := range wishes {
		switch {
		case w.cancel && (end || time.Now().After(w.due)):
			l.cancel(w)
		case end:
		case time.Now().After(w.due):
			l.replay(w)
		default:
			rest = append(rest, w)
		}
	}
	return rest
}

// cancel cancels a run: until that is acknowledged, or the run has ended or is
// gone.
func (l *load) cancel(w wish) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(l.c.t.Context()))
	defer cancel()
	release := afterStop(l.stopped, patience, cancel)
	defer release()
	id := l.amend(w.key, func(a *ack) { a.stopping = time.Now() }).id
	for try := 0; ctx.Err() == nil; try++ {
		_, err := l.clients[(w.door+try)%len(l.clients)].Cancel(ctx, id)
		var problem *schema.Problem
		switch {
		case err == nil:
			l.amend(w.key, func(a *ack) { a.stopped = true })
			return
		case errors.As(err, &problem) && (problem.Status == http.StatusConflict || problem.Status == http.StatusNotFound):
			return
		case problem != nil && problem.Status < 500:
			l.c.t.Errorf("cancel %s: %v (%d)", w.key, err, problem.Status)
			return
		}
		wait(ctx, 50*time.Millisecond)
	}
}

// replay asks once for a replay: with its answer lost it may be there or not. One
// from a step needs a run that has come past it: what is before and has not
// ended is executed by the replay, too.
func (l *load) replay(w wish) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.c.t.Context()), patience)
	defer cancel()
	client := l.clients[w.door%len(l.clients)]
	if w.from != "" {
		id := l.amend(w.key, func(*ack) {}).id
		if run, err := client.Run(ctx, id, 0); err != nil || run.Status != schema.RunSucceeded {
			return
		}
	}
	began := time.Now()
	id := l.amend(w.key, func(a *ack) { a.replays++ }).id
	run, err := client.Replay(ctx, id, api.ReplayRequest{From: w.from})
	var problem *schema.Problem
	switch {
	case err == nil:
		l.note(w.key+replaySuffix+w.from, ack{id: run.ID, shape: w.shape, began: began, at: time.Now()})
	case errors.As(err, &problem) && problem.Status < 500 && problem.Status != http.StatusNotFound && problem.Status != http.StatusConflict:
		l.c.t.Errorf("replay %s from %q: %v (%d)", w.key, w.from, err, problem.Status)
	}
}

// replaySuffix is what the key of a replay adds to that of the run.
const replaySuffix = "/replay:"

// amend changes what is noted of a run, and returns it.
func (l *load) amend(key string, how func(a *ack)) ack {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.acked[key]
	how(&a)
	l.acked[key] = a
	return a
}
