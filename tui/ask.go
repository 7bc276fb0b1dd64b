package tui

import (
	"context"
	"errors"
	"net/http"
	"sync"

	tea "charm.land/bubbletea/v2"

	"paragon/schema"
	"paragon/schema/api"
	"paragon/tui/cell"
	"paragon/tui/theme"
)

// question is one kind of thing that a view asks the server, again and again.
type question struct {
	seq     uint64
	pending bool
	// known says that it was answered once, err what the last answer failed
	// with.
	known bool
	err   error
	// aloud says that an error is told in a note, as no view shows it.
	aloud bool
}

// reply brings the answer of a question back into Update.
type reply struct {
	q    *question
	seq  uint64
	err  error
	take func(*App) tea.Cmd
}

// ask asks a question and gives the answer to take, in Update, unless the
// question was asked again or dropped meanwhile.
func ask[T any](a *App, q *question, call func(context.Context) (T, error), take func(*App, T) tea.Cmd) tea.Cmd {
	q.seq++
	q.pending = true
	seq := q.seq
	return a.work.cmd(func(ctx context.Context) tea.Msg {
		value, err := call(ctx)
		return reply{q: q, seq: seq, err: err, take: func(a *App) tea.Cmd { return take(a, value) }}
	})
}

// drop makes the answer that is awaited one that nobody takes.
func (q *question) drop() {
	q.seq++
	q.pending = false
}

// answered takes a reply.
func (a *App) answered(r reply) tea.Cmd {
	if r.seq != r.q.seq {
		return nil
	}
	r.q.pending, r.q.err = false, r.err
	if r.err != nil {
		if unavailable(r.err) {
			a.conn.lost(r.err)
		}
		if r.q.aloud {
			a.say(theme.Bad, "%s", cell.Safe(r.err.Error()))
		}
		return nil
	}
	r.q.known = true
	a.conn.heard(a.now())
	return r.take(a)
}

// unavailable tells the errors that are about the server as a whole and may
// pass, from those about what was asked.
func unavailable(err error) bool {
	var unreachable *api.UnreachableError
	if errors.As(err, &unreachable) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	var p *schema.Problem
	return errors.As(err, &p) && (p.Status >= http.StatusInternalServerError || p.Status == http.StatusTooManyRequests ||
		p.Status == http.StatusUnauthorized)
}

// missing tells that the server has no such thing.
func missing(err error) bool {
	var p *schema.Problem
	return errors.As(err, &p) && p.Status == http.StatusNotFound
}

// work owns the goroutines in which commands run: they end with its context,
// and close waits for them.
type work struct {
	ctx    context.Context
	cancel context.CancelFunc

	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

func newWork(ctx context.Context) *work {
	w := &work{}
	w.ctx, w.cancel = context.WithCancel(ctx)
	return w
}

// cmd makes a command of a call.
func (w *work) cmd(call func(context.Context) tea.Msg) tea.Cmd {
	return func() tea.Msg {
		w.mu.Lock()
		if w.closed {
			w.mu.Unlock()
			return nil
		}
		w.wg.Add(1)
		w.mu.Unlock()
		defer w.wg.Done()
		return call(w.ctx)
	}
}

func (w *work) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.cancel()
	w.wg.Wait()
}
