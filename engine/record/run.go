package record

import (
	"fmt"
	"slices"

	"paragon/schema"
)

// runVersion begins the record of a run, runForUser that of one for a user,
// which ends in the user's id. Most runs are for none, and pay nothing for it.
const (
	runVersion = 1
	runForUser = 2
)

// AppendRun appends the form of a run.
func AppendRun(to []byte, run *schema.Run) ([]byte, error) {
	version := byte(runVersion)
	if run.User != "" {
		version = runForUser
	}
	w := writer{b: append(slices.Grow(to, 192+len(run.Input)+len(run.Output)), version)}
	w.text(run.ID)
	w.text(run.Project)
	w.text(run.Workflow)
	w.number(run.Revision)
	w.text(string(run.Status))
	if err := w.trigger(&run.Trigger); err != nil {
		return nil, fmt.Errorf("write the trigger of run %s: %w", run.ID, err)
	}
	w.text(string(run.Input))
	w.text(string(run.Output))
	if err := w.document(run.Error, run.Error == nil); err != nil {
		return nil, fmt.Errorf("write the error of run %s: %w", run.ID, err)
	}
	w.when(run.CreatedAt)
	w.optional(run.StartedAt)
	w.optional(run.EndedAt)
	w.number(int64(run.Attempts))
	w.number(int64(run.Recoveries))
	w.text(run.TraceID)
	if version == runForUser {
		w.text(run.User)
	}
	return w.b, nil
}

// ParseRun reads the form of a run.
func ParseRun(s string, run *schema.Run) error {
	r := reader{s: s}
	version := r.begin(runVersion, runForUser)
	run.ID, run.Project, run.Workflow = r.text(), r.text(), r.text()
	run.Revision = r.number()
	run.Status = schema.RunStatus(r.text())
	r.trigger(&run.Trigger)
	run.Input, run.Output = r.raw(), r.raw()
	r.document(&run.Error)
	run.CreatedAt = r.when()
	run.StartedAt, run.EndedAt = r.optional(), r.optional()
	run.Attempts, run.Recoveries = int(r.number()), int(r.number())
	run.TraceID = r.text()
	if version == runForUser {
		run.User = r.text()
	}
	if r.err != nil {
		return fmt.Errorf("run record: %w", r.err)
	}
	return nil
}

func (w *writer) trigger(t *schema.Trigger) error {
	w.text(t.Kind)
	w.text(t.ID)
	w.text(t.Actor)
	w.when(t.Time)
	w.text(t.Method)
	if err := w.document(t.Headers, t.Headers == nil); err != nil {
		return err
	}
	if err := w.document(t.Query, t.Query == nil); err != nil {
		return err
	}
	w.text(t.Event)
	w.text(string(t.Data))
	w.text(t.Parent)
	return nil
}

func (r *reader) trigger(t *schema.Trigger) {
	t.Kind, t.ID, t.Actor = r.text(), r.text(), r.text()
	t.Time = r.when()
	t.Method = r.text()
	r.document(&t.Headers)
	r.document(&t.Query)
	t.Event = r.text()
	t.Data = r.raw()
	t.Parent = r.text()
}
