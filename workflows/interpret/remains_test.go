package interpret_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"paragon/schema"
)

// story tells the run: the records in the order in which they became durable,
// and the end.
func (e *engine) story() string {
	var b strings.Builder
	for _, x := range e.log {
		fmt.Fprintf(&b, "%s %s %s", clock(x.at), x.rec.Path, x.rec.Status)
		if x.rec.Attempt > 0 {
			fmt.Fprintf(&b, " #%d", x.rec.Attempt)
		}
		if !x.rec.RetryAt.IsZero() {
			fmt.Fprintf(&b, " until %s", clock(x.rec.RetryAt))
		}
		if !x.rec.WaitUntil.IsZero() {
			fmt.Fprintf(&b, " until %s", clock(x.rec.WaitUntil))
		}
		if x.rec.Result != nil {
			fmt.Fprintf(&b, " %s", x.rec.Result)
		}
		if x.rec.Error != nil {
			fmt.Fprintf(&b, " %s", x.rec.Error)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%s END %s", clock(e.now), e.end.Status)
	if e.end.Output != nil {
		fmt.Fprintf(&b, " %s", e.end.Output)
	}
	if e.end.Error != nil {
		fmt.Fprintf(&b, " %s", e.end.Error)
		if e.end.Error.Step != "" {
			fmt.Fprintf(&b, " [%s]", e.end.Error.Step)
		}
	}
	b.WriteByte('\n')
	return b.String()
}

func clock(t time.Time) string { return t.Sub(epoch).Round(time.Millisecond).String() }

// remains is what is left of the run, but for the times at which attempts
// began: those that a crash repeats begin again. That a step was given up
// before anything of it was durable can be lost.
func (e *engine) remains() string {
	records := map[string]schema.StepRecord{}
	for path, rec := range e.durable {
		before := func(x entry) bool { return x.rec.Path == path && x.rec.Status != schema.StepCanceled }
		if rec.Status == schema.StepCanceled && !slices.ContainsFunc(e.log, before) {
			continue
		}
		rec.StartedAt = time.Time{}
		records[path] = rec
	}
	tries := map[string][]schema.Attempt{}
	for path, list := range e.tries {
		list = slices.Clone(list)
		for i := range list {
			list[i].StartedAt = time.Time{}
		}
		tries[path] = list
	}
	raw, err := json.MarshalIndent(map[string]any{"end": e.end, "at": e.now, "attempts": e.total, "records": records, "tries": tries}, "", " ")
	if err != nil {
		e.Fatalf("%v", err)
	}
	return string(raw)
}
