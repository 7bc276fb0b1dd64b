package record

import (
	"fmt"
	"slices"

	"paragon/schema"
)

// stepVersion begins a step record. A later form gets another number; readers
// keep reading the earlier ones.
const stepVersion = 1

var stepStatuses = []schema.StepStatus{
	schema.StepRunning, schema.StepRetrying, schema.StepWaiting, schema.StepSucceeded,
	schema.StepFailed, schema.StepSkipped, schema.StepCanceled,
}

// AppendStep appends the form of a step record.
func AppendStep(to []byte, rec *schema.StepRecord) ([]byte, error) {
	w := writer{b: append(slices.Grow(to, 96+len(rec.Path)+len(rec.Result)), stepVersion)}
	w.text(rec.Path)
	if rec.Step == rec.Path {
		w.text("")
	} else {
		w.text(rec.Step)
	}
	w.text(rec.Kind)
	status := -1
	for i, s := range stepStatuses {
		if s == rec.Status {
			status = i
		}
	}
	if status < 0 {
		return nil, fmt.Errorf("write the record of step %s: %q is no state of a step", rec.Path, rec.Status)
	}
	w.number(int64(status))
	w.number(int64(rec.Attempt))
	w.when(rec.StartedAt)
	w.when(rec.EndedAt)
	w.when(rec.RetryAt)
	w.when(rec.WaitUntil)
	w.text(string(rec.Result))
	if err := w.document(rec.Error, rec.Error == nil); err != nil {
		return nil, fmt.Errorf("write the error of step %s: %w", rec.Path, err)
	}
	if err := w.document(rec.Attempts, len(rec.Attempts) == 0); err != nil {
		return nil, fmt.Errorf("write the attempts of step %s: %w", rec.Path, err)
	}
	return w.b, nil
}

// ParseStep reads the form of a step record.
func ParseStep(s string, rec *schema.StepRecord) error {
	r := reader{s: s}
	r.begin(stepVersion, stepVersion)
	rec.Path, rec.Step = r.text(), r.text()
	if rec.Step == "" {
		rec.Step = rec.Path
	}
	rec.Kind = r.text()
	if status := r.number(); status >= 0 && status < int64(len(stepStatuses)) {
		rec.Status = stepStatuses[status]
	} else {
		r.fail(fmt.Errorf("%d is no state of a step", status))
	}
	rec.Attempt = int(r.number())
	rec.StartedAt, rec.EndedAt = r.when(), r.when()
	rec.RetryAt, rec.WaitUntil = r.when(), r.when()
	rec.Result = r.raw()
	r.document(&rec.Error)
	r.document(&rec.Attempts)
	if r.err != nil {
		return fmt.Errorf("step record: %w", r.err)
	}
	return nil
}
