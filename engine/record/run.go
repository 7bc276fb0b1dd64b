package record

import (
	"fmt"

	"paragon/schema"
)

// runVersion begins the record of a run.
const runVersion = 1

// AppendRun appends the form of a run.
func AppendRun(to []byte, run *schema.Run) ([]byte, error) {
	w := writer{b: append(to, runVersion)}
	w.text(run.ID)
	w.text(run.Project)
	w.text(run.Workflow)
	w.number(run.Revision)
	w.text(string(run.Status))
	if err := w.document(&run.Trigger, false); err != nil {
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
	return w.b, nil
}

// ParseRun reads the form of a run.
func ParseRun(s string, run *schema.Run) error {
	r := reader{s: s}
	r.begin(runVersion)
	run.ID, run.Project, run.Workflow = r.text(), r.text(), r.text()
	run.Revision = r.number()
	run.Status = schema.RunStatus(r.text())
	r.document(&run.Trigger)
	run.Input, run.Output = r.raw(), r.raw()
	r.document(&run.Error)
	run.CreatedAt = r.when()
	run.StartedAt, run.EndedAt = r.optional(), r.optional()
	run.Attempts, run.Recoveries = int(r.number()), int(r.number())
	run.TraceID = r.text()
	if r.err != nil {
		return fmt.Errorf("run record: %w", r.err)
	}
	return nil
}
