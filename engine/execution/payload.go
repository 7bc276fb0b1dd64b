package execution

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"paragon/engine/payload"
	"paragon/schema"
	"paragon/workflows/interpret"
)

// A value above payload.Above is in object storage before anything refers to
// it, always under the day of the run that does: what a run tells another one is
// kept once more for that. Where a reference stands in the place of a value,
// records and rows have its text, which is no JSON.

// shelve puts what is large of a draft into object storage.
func (in *intake) shelve(ctx context.Context, d *draft) error {
	s := d.start
	if in.payloads.Takes(len(s.Input)) {
		ref, err := in.payloads.Keep(ctx, s.Project, d.id, s.Input)
		if err != nil {
			return notKept("the run's input", len(s.Input), err)
		}
		s.InputAt = ref
	}
	for i := range d.history {
		rec := &d.history[i]
		if !in.payloads.Takes(len(rec.Result)) {
			continue
		}
		ref, err := in.payloads.Keep(ctx, s.Project, d.id, rec.Result)
		if err != nil {
			return notKept("the result of step "+rec.Step, len(rec.Result), err)
		}
		rec.Result = json.RawMessage(ref)
	}
	return nil
}

// notKept is the problem of a value that object storage did not take.
func notKept(what string, size int, err error) error {
	if errors.Is(err, payload.ErrTooLarge) {
		return &schema.Problem{
			Type: schema.ProblemTooLarge, Title: "Too large", Status: 413,
			Detail: fmt.Sprintf("%s has %d bytes; at most %d are kept", what, size, payload.Max),
		}
	}
	return unavailable(fmt.Sprintf("%s has %d bytes, and object storage, where values above %d go, does not answer", what, size, payload.Above), err)
}

// notRead is the problem of a value that object storage did not give back.
func notRead(what string, err error) error {
	if lost(err) {
		return &schema.Problem{
			Type: schema.ProblemConflict, Title: "Conflict", Status: 409,
			Detail: fmt.Sprintf("%s can't be had: %v", what, err),
		}
	}
	return unavailable(what+" is in object storage, which does not answer", err)
}

// lost tells whether a value will not be had later either.
func lost(err error) bool {
	return errors.Is(err, payload.ErrMissing) || errors.Is(err, payload.ErrDamaged)
}

// ignoreLost is nil for an error of a value that is lost.
func ignoreLost(err error) error {
	if lost(err) {
		return nil
	}
	return err
}

// fetchInput reads a run's input back into its start.
func fetchInput(ctx context.Context, from *payload.Store, s *start) error {
	if s.InputAt == "" || s.Input != nil {
		return nil
	}
	input, err := from.Fetch(ctx, s.Project, s.InputAt)
	if err != nil {
		return fmt.Errorf("the run's input: %w", err)
	}
	s.Input = input
	return nil
}

// wordOf is what the step of a path in a run is told of a called run, which has
// ended.
func (in *intake) wordOf(ctx context.Context, run *schema.Run, by caller) (*signal, error) {
	sig := &signal{Kind: "called", Path: by.Path, Run: run.ID, Status: run.Status, Output: run.Output, Error: run.Error}
	if _, ok := payload.AsRef(run.Output); !ok {
		return sig, nil
	}
	sig.Output = nil
	output, err := in.payloads.Resolve(ctx, run.Project, run.Output)
	if err == nil {
		sig.OutputAt, err = in.payloads.Keep(ctx, run.Project, by.Run, output)
	}
	if err != nil && !lost(err) {
		return nil, unavailable("the output of a called run is in object storage, which does not answer", err)
	}
	if err != nil {
		sig.Status, sig.Error = schema.RunFailed, &schema.RunError{Type: "internal", Message: "the output of run " + run.ID + ": " + err.Error()}
	}
	return sig, nil
}

const (
	// shelvePatience is how long a worker tries to keep a value before it parks
	// the run, and shelvePause until when. The attempts that the value is of are
	// made again then, uncounted.
	shelvePatience = time.Minute
	shelvePause    = 10 * time.Second
)

// shelve returns what stands for a value in Redis and SQL, for a run of the same
// project: a large one is in object storage then.
func (s *segment) shelve(run string, value []byte) ([]byte, error) {
	if !s.w.opts.Payloads.Takes(len(value)) {
		return value, nil
	}
	if len(value) > payload.Max {
		return nil, fmt.Errorf("%d bytes: %w", len(value), payload.ErrTooLarge)
	}
	ctx, stop := context.WithTimeout(s.w.writes, shelvePatience)
	defer stop()
	var ref payload.Ref
	var last error
	err := persist(ctx, func() error {
		ref, last = s.w.opts.Payloads.Keep(ctx, s.state.start.Project, run, value)
		return last
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", payload.ErrUnavailable, errors.Join(last, err))
	}
	return []byte(ref), nil
}

// resolve returns a value of a run of the same project, read from object
// storage when a reference stands for it.
func (s *segment) resolve(value []byte) ([]byte, error) {
	if _, ok := payload.AsRef(value); !ok {
		return value, nil
	}
	return s.w.opts.Payloads.Resolve(s.w.writes, s.state.start.Project, value)
}

// largeField is fieldOf for a record with a large result.
func (s *segment) largeField(rec *schema.StepRecord, f field) ([]field, error) {
	full, err := appendStep(rec)
	if err != nil {
		return nil, err
	}
	shown := *rec
	_, sealed := s.state.sealed[rec.Path]
	sealed = s.redact != nil && (sealed || s.redact.ContainsBytes(full))
	if sealed {
		shown = s.redactStep(rec)
	}
	if shown.Result, err = s.shelve(s.state.id, shown.Result); err != nil {
		return nil, fmt.Errorf("keep the result of step %s: %w", rec.Path, err)
	}
	raw, err := appendStep(&shown)
	if err != nil {
		return nil, err
	}
	f.value = string(raw)
	if !sealed {
		return []field{f}, nil
	}
	x, err := s.seal(rec.Path, full)
	return []field{f, x}, err
}

// shelveEnd puts what is large of an ended run into object storage.
func (s *segment) shelveEnd(run *schema.Run) (err error) {
	if st := &s.state.start; st.InputAt != "" && (st.Input == nil || bytes.Equal(run.Input, st.Input)) {
		run.Input = json.RawMessage(st.InputAt)
	} else if run.Input, err = s.shelve(run.ID, run.Input); err != nil {
		return err
	}
	run.Output, err = s.shelve(run.ID, run.Output)
	return err
}

// outgrown fails a run one of whose values is larger than any that is kept.
func (s *segment) outgrown(cause error) error {
	s.records, s.consumed, s.said = nil, nil, true
	return s.finish(&interpret.End{Status: schema.RunFailed, Error: &schema.RunError{
		Type: "tooLarge", Message: cause.Error(),
	}})
}

// unreadable is the end of a segment that could not read a value: it waits for
// object storage, unless the value is lost.
func (s *segment) unreadable(err error) error {
	switch {
	case lost(err):
		s.log().Error("a value of a run is lost, and the run fails", "error", err)
		s.machine = nil
		return s.finish(&interpret.End{Status: schema.RunFailed, Error: &schema.RunError{Type: "internal", Message: err.Error()}})
	case errors.Is(err, payload.ErrUnavailable):
		return s.setAside(err)
	}
	return err
}

// setAside parks a run until object storage may be back. What it did since its
// last checkpoint is done again, as after the loss of a worker.
func (s *segment) setAside(cause error) error {
	s.log().Warn("a run waits for object storage", "error", cause)
	s.records, s.consumed, s.machine, s.doubt = nil, nil, nil, nil
	_, err := s.commit(way{kind: wayPark, wake: s.w.opts.Now().Add(shelvePause), seen: max(s.seen, s.state.signalCount)})
	return err
}
