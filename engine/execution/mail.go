package execution

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"paragon/engine/payload"
	"paragon/engine/queue"
	"paragon/schema"
	"paragon/workflows/interpret"
)

// signal is something that a run is told from outside. It stays in the run's
// mailbox until a step takes it.
type signal struct {
	// Kind is "cancel", "event" or "called".
	Kind string `json:"kind"`
	// Reason is why a cancel was asked for, and by whom.
	Reason string `json:"reason,omitempty"`
	// Path is the step that waits for a called run.
	Path string `json:"path,omitempty"`
	// Event is the event, with name and data.
	Event json.RawMessage `json:"event,omitempty"`
	// Run and its end tell of a called run.
	Run    string           `json:"run,omitempty"`
	Status schema.RunStatus `json:"status,omitempty"`
	Output json.RawMessage  `json:"output,omitempty"`
	// OutputAt stands for an output in object storage.
	OutputAt payload.Ref `json:"outputAt,omitempty"`
	// Sealed is the output of a chunk's run when it holds a secret: its run goes
	// on with it as it is.
	Sealed []byte           `json:"sealed,omitempty"`
	Error  *schema.RunError `json:"error,omitempty"`
}

// mail is a signal with the field of the mailbox that holds it.
type mail struct {
	field  string
	signal signal
}

// number counts the signals of a run.
func (m mail) number() int {
	n, _ := strconv.Atoi(m.field[len(prefixSignal):]) // written by signal.lua
	return n
}

// tell puts a signal into a run's mailbox and gives the run a job when it
// waits.
func tell(ctx context.Context, l *ledger, q *queue.Client, id string, sig signal, same string) (int, error) {
	payload, err := json.Marshal(sig)
	if err != nil {
		return 0, fmt.Errorf("signal run %s: %w", id, err)
	}
	code, priority, err := l.tell(ctx, id, payload, same)
	if err != nil || code != signalQueued {
		return code, err
	}
	return code, enqueueJobs(ctx, q, l.lane(id), []job{{id: id, priority: priority}})
}

// reload reads the mailbox again.
func (s *segment) reload() error {
	st, err := s.w.ledger.load(s.w.writes, s.state.id)
	if err != nil {
		// Redis is away: the signals stay, and the next park finds them.
		s.w.log.Warn("a run's mailbox can't be read now", "run", s.state.id, "error", err)
		return nil
	}
	if st == nil || st.fence != s.state.fence {
		return errFenced
	}
	s.receive(st)
	return nil
}

// receive takes over the mailbox. A wish to cancel is heard at once, the rest
// waits for a step that wants it.
func (s *segment) receive(st *state) {
	s.mail = s.mail[:0]
	for _, m := range st.mail {
		if m.signal.Kind == "cancel" {
			s.machine.Cancel(m.signal.Reason)
			continue
		}
		if !slices.Contains(s.consumed, m.field) {
			s.mail = append(s.mail, m)
		}
	}
	slices.SortFunc(s.mail, func(a, b mail) int { return cmp.Compare(a.number(), b.number()) })
	s.seen = st.signalCount
}

// deliver hands the mail to the steps that the decision says wait. It reports
// whether any was taken, so that there is something new to decide.
func (s *segment) deliver(d interpret.Decision) (bool, error) {
	if len(s.mail) == 0 || len(d.Events) == 0 && len(d.Calls) == 0 {
		return false, nil
	}
	now := s.w.opts.Now().UTC()
	left := s.mail[:0]
	taken := false
	for _, m := range s.mail {
		var took bool
		switch m.signal.Kind {
		case "called":
			if err := s.unpack(&m.signal); err != nil {
				return false, err
			}
			took = s.machine.CallEnded(m.signal.Path, m.signal.Run, now,
				interpret.End{Status: m.signal.Status, Output: m.signal.Output, Error: m.signal.Error})
		case "event":
			took = s.machine.Offer(now, eventOf(m.signal.Event))
		}
		if took {
			taken = true
			s.consumed = append(s.consumed, m.field)
		} else {
			left = append(left, m)
		}
	}
	s.mail = left
	return taken, nil
}

// unpack reads the output of a called run from where it is, and opens that of a
// chunk's run. What can't be had any more is the called run's failure.
func (s *segment) unpack(sig *signal) error {
	if sig.OutputAt != "" {
		output, err := s.resolve([]byte(sig.OutputAt))
		switch {
		case err == nil:
			sig.Output = output
		case lost(err):
			sig.Status, sig.Error = schema.RunFailed, &schema.RunError{Type: "internal", Message: "the output of run " + sig.Run + ": " + err.Error()}
		default:
			return fmt.Errorf("the output of run %s: %w", sig.Run, err)
		}
	}
	if sig.Sealed == nil || sig.Error != nil {
		return nil
	}
	sealed, err := s.resolve(sig.Sealed)
	if errors.Is(err, payload.ErrUnavailable) {
		return fmt.Errorf("the results of run %s: %w", sig.Run, err)
	}
	var plain []byte
	if err == nil {
		plain, err = s.w.opts.Config.Open(s.state.start.Project, sealed, s.state.id+"/"+sig.Path)
	}
	if err != nil {
		sig.Status, sig.Error = schema.RunFailed, &schema.RunError{Type: "internal", Message: "the sealed results of run " + sig.Run + " can't be opened: " + err.Error()}
		return nil
	}
	sig.Output = plain
	return nil
}

// untold is what a called run has yet to tell its caller. It is written with
// the end of the called run, so that it is told whatever happens.
type untold struct {
	Caller caller `json:"caller"`
	Signal signal `json:"signal"`
}

func (s *segment) untoldOf(by *caller, run *schema.Run, sealed []byte) (what string, err error) {
	sig := signal{Kind: "called", Path: by.Path, Run: run.ID, Status: run.Status, Error: run.Error}
	if sealed != nil {
		sig.Sealed, err = s.shelve(by.Run, sealed)
	} else if sig.Output, err = s.shelve(by.Run, run.Output); err == nil {
		if ref, ok := payload.AsRef(sig.Output); ok {
			sig.Output, sig.OutputAt = nil, ref
		}
	}
	if err != nil {
		return "", fmt.Errorf("keep the output of run %s for run %s: %w", run.ID, by.Run, err)
	}
	raw, err := json.Marshal(untold{Caller: *by, Signal: sig})
	if err != nil {
		return "", fmt.Errorf("write what run %s is to be told: %w", by.Run, err)
	}
	return string(raw), nil
}

// tellCaller tells the run that called this one how it ended, and notes that
// it was told.
func tellCaller(ctx context.Context, l *ledger, q *queue.Client, id, what string) error {
	var u untold
	if err := json.Unmarshal([]byte(what), &u); err != nil {
		return fmt.Errorf("read what the caller of run %s is to be told: %w", id, err)
	}
	if _, err := tell(ctx, l, q, u.Caller.Run, u.Signal, "called/"+id); err != nil {
		return fmt.Errorf("tell run %s that run %s has ended: %w", u.Caller.Run, id, err)
	}
	return l.rdb.HDel(ctx, l.lane(id).key+":untold", id).Err()
}
