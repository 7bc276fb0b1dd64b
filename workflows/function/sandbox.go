package function

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"
)

// The limits of a call that sets none, and the most memory that one may have.
const (
	DefaultTimeout   = time.Second
	DefaultMemoryMiB = 32
	MaxMemoryMiB     = 256
)

const (
	// grace is how much longer than its timeout a call may take until its
	// process is killed: it ends by itself unless a native loop holds it.
	grace = 200 * time.Millisecond
	// mostServed is how many calls a process answers, so that what a leak in
	// the engine may cost is bounded.
	mostServed = 100_000
)

// Args are what a function is called with. Input, Steps and Settings are JSON;
// empty is null.
type Args struct {
	Input, Steps, Settings json.RawMessage
	// Now is the time that the function sees, Seed what its chance follows
	// from: with the same ones, the same call has the same result.
	Now  time.Time
	Seed string
}

// Limits bound a call. A field of 0 takes the default.
type Limits struct {
	Timeout   time.Duration
	MemoryMiB int
}

// Result is what a call came to.
type Result struct {
	// Value is what the function returned, as JSON.
	Value json.RawMessage
	// Log is what it wrote to the console: at most 100 lines, 16 KiB.
	Log []string
}

// Sandbox runs functions. It is safe for concurrent use; close it when no call
// is made any more.
type Sandbox struct {
	// turns has one element for each process that may run.
	turns chan struct{}
	// closing is closed when no further call is taken.
	closing chan struct{}
	once    sync.Once

	mu   sync.Mutex
	idle []*process
}

// ErrClosed says that the sandbox was closed.
var ErrClosed = errors.New("the sandbox is closed")

// NewSandbox makes a sandbox of at most so many worker processes, each with one
// call at a time; 0 takes the number of CPUs. They are started when they are
// needed. A further call waits for one within its context.
func NewSandbox(processes int) *Sandbox {
	if processes <= 0 {
		processes = runtime.GOMAXPROCS(0)
	}
	return &Sandbox{turns: make(chan struct{}, processes), closing: make(chan struct{})}
}

// Close waits for the calls under way and ends the processes.
func (s *Sandbox) Close() {
	s.once.Do(func() {
		close(s.closing)
		for range cap(s.turns) {
			s.turns <- struct{}{}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, p := range s.idle {
			p.kill()
		}
		s.idle = nil
	})
}

// Call runs a function. Its error is an *Error, or that of ctx when ctx ended
// first. The time that the call waits for its turn does not count.
func (s *Sandbox) Call(ctx context.Context, program *Program, args Args, limits Limits) (*Result, error) {
	if limits.Timeout <= 0 {
		limits.Timeout = DefaultTimeout
	}
	if limits.MemoryMiB <= 0 {
		limits.MemoryMiB = DefaultMemoryMiB
	}
	limits.MemoryMiB = min(limits.MemoryMiB, MaxMemoryMiB)
	t := task{timeout: limits.Timeout, memory: uint64(limits.MemoryMiB) << 20, now: args.Now.UnixMilli(), seed: args.Seed,
		bytecode: program.bytecode, input: orNull(args.Input), steps: orNull(args.Steps), settings: orNull(args.Settings)}
	size := len(t.input) + len(t.steps) + len(t.settings)
	if uint64(size) > t.memory {
		return nil, &Error{Kind: KindMemory, Message: fmt.Sprintf("the function's input has %d bytes, more than its memory of %d MiB", size, limits.MemoryMiB)}
	}
	frame, err := encodeTask(t)
	if err != nil {
		return nil, &Error{Kind: KindMemory, Message: "the function's input is too large: " + err.Error()}
	}
	select {
	case s.turns <- struct{}{}:
	case <-s.closing:
		return nil, ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.turns }()
	for {
		p, err := s.process(ctx)
		if err != nil {
			return nil, err
		}
		reused := p.served > 0
		answer, err := p.exchange(ctx, frame, limits.Timeout+grace)
		if err != nil {
			reason := p.kill()
			switch {
			case ctx.Err() != nil:
				return nil, ctx.Err()
			case errors.Is(err, os.ErrDeadlineExceeded):
				return nil, timedOut(limits)
			case reused:
				// It may have ended while it waited; a new one tells.
				continue
			}
			return nil, &Error{Kind: KindWorker, Message: fmt.Sprintf("the worker process ended in the middle of the call%s", reason)}
		}
		p.served++
		result, err := outcome(answer, limits)
		s.release(p, err)
		return result, err
	}
}

func orNull(b json.RawMessage) []byte {
	if len(b) == 0 {
		return []byte("null")
	}
	return b
}

// process takes the process that has been idle for longest, which has had the time to
// make its engines, or starts one.
func (s *Sandbox) process(ctx context.Context) (*process, error) {
	s.mu.Lock()
	if len(s.idle) > 0 {
		p := s.idle[0]
		s.idle = slices.Delete(s.idle, 0, 1)
		s.mu.Unlock()
		return p, nil
	}
	s.mu.Unlock()
	p, err := startProcess(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &Error{Kind: KindWorker, Message: "a worker process can't be started: " + err.Error()}
	}
	return p, nil
}

// release keeps a process for the next call. One in which a limit was hit is not
// used again: how much of its memory is left is anyone's guess.
func (s *Sandbox) release(p *process, err error) {
	var e *Error
	if errors.As(err, &e) && (e.Kind == KindTimeout || e.Kind == KindMemory || e.Kind == KindWorker) || p.served >= mostServed {
		p.kill()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, p)
}

// threwNull is how the prelude describes it.
const threwNull = "threw null"

func timedOut(l Limits) *Error {
	return &Error{Kind: KindTimeout, Message: fmt.Sprintf("the function ran longer than %s", l.Timeout)}
}

// outcome reads a worker's answer.
func outcome(answer []byte, limits Limits) (*Result, error) {
	value, encoded, err := decodeAnswer(answer)
	if err != nil {
		return nil, &Error{Kind: KindWorker, Message: "the worker process answered nonsense"}
	}
	var m meta
	if len(encoded) > 0 {
		if err := json.Unmarshal(encoded, &m); err != nil {
			return nil, &Error{Kind: KindWorker, Message: "the worker process answered nonsense"}
		}
	}
	e := &Error{Log: m.Log}
	switch {
	case m.Kind == KindTimeout:
		e.Kind, e.Message = KindTimeout, timedOut(limits).Message
	case m.Kind == KindMemory, m.Error != nil && isMemory(m.Error.Name, m.Error.Message):
		e.Kind, e.Message = KindMemory, fmt.Sprintf("the function needed more than its memory of %d MiB", limits.MemoryMiB)
	case m.Kind != "":
		e.Kind, e.Message = m.Kind, m.Message
	case m.Error != nil && m.Error.Message == threwNull:
		// Without room for an exception, the engine throws null.
		e.Kind, e.Message = KindMemory, fmt.Sprintf("the function threw null, which is also what happens when its memory of %d MiB is used up", limits.MemoryMiB)
	case m.Result != nil:
		e.Kind, e.Message = KindResult, "the result is not JSON: "+*m.Result
		if m.Error != nil {
			e.Line, e.Column = place(m.Error.Stack)
		}
	case m.Error != nil:
		e.Kind, e.Name, e.Message = KindException, m.Error.Name, m.Error.Message
		e.Line, e.Column = place(m.Error.Stack)
	case m.Pending:
		e.Kind, e.Message = KindException, "the function waits for a promise that nothing settles"
	default:
		if !json.Valid(value) {
			return nil, &Error{Kind: KindResult, Message: "the result is not JSON", Log: m.Log}
		}
		return &Result{Value: value, Log: m.Log}, nil
	}
	return nil, e
}
