package execution

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"paragon/engine/payload"
	"paragon/engine/record"
	"paragon/schema"
	"paragon/workflows/interpret"
)

// start is what a run needs to begin, and to begin again: it is written once,
// when the run is accepted, to Redis and with durability store to SQL.
type start struct {
	Project   string          `json:"project"`
	Workflow  string          `json:"workflow"`
	Revision  int64           `json:"revision"`
	CreatedAt time.Time       `json:"createdAt"`
	Trigger   schema.Trigger  `json:"trigger"`
	Input     json.RawMessage `json:"input,omitempty"`
	// InputAt stands for the input where that is in object storage. What is
	// written down then has no Input.
	InputAt     payload.Ref       `json:"inputAt,omitempty"`
	Priority    schema.Priority   `json:"priority,omitempty"`
	Durability  schema.Durability `json:"durability,omitempty"`
	TraceParent string            `json:"traceParent,omitempty"`
	// User is whom the run is for, as it was when the run was accepted.
	User *schema.RunUser `json:"user,omitempty"`
	// Caller is the step that called this run and waits for its end.
	Caller *caller `json:"caller,omitempty"`
	// EventID is the id of the event that started the run: it is not one that the
	// run waits for.
	EventID string `json:"eventId,omitempty"`
	// History are the records that a replay from a step begins with, of
	// engine/record since references stand in them, and in SQL alone: Redis has
	// them beside the start.
	History [][]byte `json:"history,omitempty"`
	// Chunk is set for a run that executes a part of its caller's forEach.
	Chunk *interpret.Chunk `json:"chunk,omitempty"`
}

// stored is the start as it is written down.
func (s *start) stored() *start {
	if s.InputAt == "" {
		return s
	}
	bare := *s
	bare.Input = nil
	return &bare
}

// caller is a step of another run.
type caller struct {
	Run  string `json:"run"`
	Path string `json:"path"`
}

func (s *start) priority() schema.Priority {
	if s.Priority == "" {
		return schema.PriorityNormal
	}
	return s.Priority
}

// userID is the id of the user whom the run is for; empty for none.
func (s *start) userID() string {
	if s.User == nil {
		return ""
	}
	return s.User.ID
}

// state is a run as Redis holds it, read from its hash.
type state struct {
	id      string
	start   start
	status  schema.RunStatus
	fence   int64
	worker  string
	limited bool // it may hold a place under a concurrency limit
	// recoveries counts takeovers since the last progress, total all.
	recoveries, total int
	awaits            bool // its trial
	startedAt         time.Time
	waitUntil         time.Time
	steps             []schema.StepRecord
	sealed            map[string][]byte // checkpoints that hold a secret, by path
	mail              []mail
	signalCount       int64
	ended             string // the record of the run as it ended
	// begins says that the run begins with this claim; fresh that it does while
	// workflows of its lane are paused.
	begins, fresh bool
	// damage is what of the run can't be read; nil for none. It can't be
	// executed then.
	damage   error
	response json.RawMessage
}

// The fields of a run's hash.
const (
	fieldStart     = "m"
	fieldStatus    = "st"
	fieldFence     = "f"
	fieldWorker    = "w"
	fieldStarted   = "at"
	fieldWaitUntil = "wu"
	fieldQueued    = "qt" // since when; without it, the fencing number is that
	fieldCommit    = "c"  // the last of the worker that it left
	fieldLimit     = "lk" // the concurrency limit that it is under
	fieldRecovered = "rc" // since the last progress
	fieldTakeovers = "rt" // in all
	fieldAwaits    = "aw" // its trial: until that begins, it kills nobody
	fieldSignals   = "sg" // how many came
	fieldResponse  = "rs"
	fieldFresh     = "nw" // of a claim's reply alone
	fieldEnd       = "end"
	prefixStep     = "s:"
	prefixSealed   = "x:"
	prefixSignal   = "i:"
)

// parseState reads the fields of a run's hash, given as pairs. What it can't
// read is the state's damage.
func parseState(id string, pairs []string) *state {
	s := &state{id: id}
	for i := 0; i+1 < len(pairs); i += 2 {
		s.note(pairs[i], pairs[i+1])
	}
	s.missing()
	return s
}

// beginningState is the state of a run that begins with this claim, of which
// Redis has the start alone.
func beginningState(id, fence, begin string, now time.Time, paused bool, worker string) *state {
	s := &state{id: id, status: schema.RunRunning, worker: worker, begins: true, fresh: paused, startedAt: time.UnixMilli(now.UnixMilli()).UTC()}
	s.note(fieldFence, fence)
	s.note(fieldStart, begin)
	s.missing()
	return s
}

// note takes a field, or the damage that it is.
func (s *state) note(field, value string) {
	if err := s.take(field, value); err != nil && s.damage == nil {
		s.damage = fmt.Errorf("field %q of run %s in Redis can't be read: %w", field, s.id, err)
	}
}

// missing notes that a run has no start.
func (s *state) missing() {
	if s.start.Workflow == "" && s.damage == nil {
		s.damage = fmt.Errorf("the start record of run %s is missing in Redis", s.id)
	}
}

func (s *state) take(field, value string) (err error) {
	switch field {
	case fieldStart:
		return parseStart(value, &s.start)
	case fieldStatus:
		s.status = schema.RunStatus(value)
	case fieldFence:
		s.fence, err = strconv.ParseInt(value, 10, 64)
	case fieldWorker:
		s.worker = value
	case fieldStarted:
		s.startedAt, err = millis(value)
	case fieldWaitUntil:
		s.waitUntil, err = millis(value)
	case fieldLimit:
		s.limited = true
	case fieldRecovered:
		s.recoveries, err = strconv.Atoi(value)
	case fieldTakeovers:
		s.total, err = strconv.Atoi(value)
	case fieldAwaits:
		s.awaits = true
	case fieldSignals:
		s.signalCount, err = strconv.ParseInt(value, 10, 64)
	case fieldResponse:
		s.response = json.RawMessage(value)
	case fieldFresh:
		s.begins, s.fresh = true, value == "1"
	case fieldEnd:
		s.ended = value
	default:
		return s.takePrefixed(field, value)
	}
	return err
}

func (s *state) takePrefixed(field, value string) error {
	if len(field) < 3 {
		return nil
	}
	switch field[:2] {
	case prefixStep:
		var rec schema.StepRecord
		if err := record.ParseStep(value, &rec); err != nil {
			return err
		}
		s.steps = append(s.steps, rec)
	case prefixSealed:
		if s.sealed == nil {
			s.sealed = map[string][]byte{}
		}
		s.sealed[field[2:]] = []byte(value)
	case prefixSignal:
		m := mail{field: field}
		if err := json.Unmarshal([]byte(value), &m.signal); err != nil {
			return err
		}
		s.mail = append(s.mail, m)
	}
	return nil
}

func millis(text string) (time.Time, error) {
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	return time.UnixMilli(ms).UTC(), nil
}

// run is the state as the API shows it.
func (s *state) run() (*schema.Run, error) {
	if s.ended != "" {
		var run schema.Run
		if err := record.ParseRun(s.ended, &run); err != nil {
			return nil, fmt.Errorf("run %s: its end in Redis: %w", s.id, err)
		}
		return &run, nil
	}
	run := s.skeleton()
	run.Status = s.status
	if !s.waitUntil.IsZero() && s.status == schema.RunWaiting {
		until := s.waitUntil
		run.WaitUntil = &until
	}
	for _, rec := range s.steps {
		run.Attempts += rec.Attempt
	}
	if s.damage != nil {
		run.Error = damaged(s)
	}
	return run, nil
}

// damaged is the error of a run that can't be read.
func damaged(s *state) *schema.RunError {
	return &schema.RunError{Type: "internal", Message: s.damage.Error() + "; was something else written there, or by a later version?"}
}

// skeleton is what of a run does not change.
func (s *state) skeleton() *schema.Run {
	run := &schema.Run{
		ID:         s.id,
		Project:    s.start.Project,
		Workflow:   s.start.Workflow,
		Revision:   s.start.Revision,
		Trigger:    s.start.Trigger,
		Input:      s.start.Input,
		CreatedAt:  s.start.CreatedAt,
		Recoveries: s.total,
		TraceID:    traceID(s.start.TraceParent),
		User:       s.start.userID(),
	}
	if run.Input == nil && s.start.InputAt != "" {
		run.Input = json.RawMessage(s.start.InputAt)
	}
	if !s.startedAt.IsZero() {
		started := s.startedAt
		run.StartedAt = &started
	}
	return run
}

// traceID is the trace-id of a traceparent (W3C Trace Context section 3.2.2),
// empty for none.
func traceID(parent string) string {
	if len(parent) < 35 {
		return ""
	}
	return parent[3:35]
}
