package storetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"paragon/engine/store"
	"paragon/schema"
)

func testWriteLog(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	if p := got(s.LogPosition(ctx, "lane-1"))(t).Position; p != "" {
		t.Errorf("a new stream is at %q", p)
	}
	failed, succeeded := endedRun(epoch, 1, schema.RunFailed), endedRun(epoch, 2, schema.RunSucceeded)
	bare := schema.Run{ID: runID(epoch, 3), Project: project, Workflow: "w", Status: schema.RunCanceled, CreatedAt: epoch}
	steps := []store.StepRow{stepRow(failed.ID, 2), stepRow(failed.ID, 1), stepRow(succeeded.ID, 1),
		{Project: project, Run: failed.ID, Seq: 10, StepRecord: schema.StepRecord{Path: "bare", Step: "bare", Kind: "set", Status: schema.StepSkipped, StartedAt: epoch}}}
	write(t, s, store.LogBatch{Stream: "lane-1", To: "5-0", Runs: []schema.Run{failed, succeeded, bare}, Steps: steps})
	if p := got(s.LogPosition(ctx, "lane-1"))(t).Position; p != "5-0" {
		t.Errorf("the stream is at %q", p)
	}
	for _, want := range []schema.Run{failed, succeeded, bare} {
		equal(t, "a run", *got(s.Run(ctx, project, want.ID))(t), want)
	}
	equal(t, "steps in the order of their writing", got(s.Steps(ctx, project, failed.ID))(t),
		[]schema.StepRecord{steps[1].StepRecord, steps[0].StepRecord, steps[3].StepRecord})
	equal(t, "the other run's steps", got(s.Steps(ctx, project, succeeded.ID))(t), []schema.StepRecord{steps[2].StepRecord})

	for _, missing := range [][2]string{{"elsewhere", failed.ID}, {project, runID(epoch, 9)}, {project, ""}, {project, "r\x00\xff"}, {"\x00", failed.ID}} {
		_, err := s.Run(ctx, missing[0], missing[1])
		wantError(t, err, store.ErrNotFound)
		if none := got(s.Steps(ctx, missing[0], missing[1]))(t); len(none) != 0 {
			t.Errorf("steps of %q: %v", missing, none)
		}
	}
	// Without rows only the position moves.
	write(t, s, store.LogBatch{Stream: "lane-1", From: "5-0", To: "6-0"})
	if p := got(s.LogPosition(ctx, "lane-1"))(t).Position; p != "6-0" {
		t.Errorf("the stream is at %q", p)
	}
	// Times are kept to the microsecond, in UTC.
	local := endedRun(epoch, 4, schema.RunSucceeded)
	berlin := time.FixedZone("CET", 3600)
	started := epoch.Add(999 * time.Nanosecond).In(berlin)
	local.CreatedAt, local.StartedAt, local.EndedAt = epoch.In(berlin), &started, nil
	write(t, s, store.LogBatch{Stream: "lane-1", From: "6-0", To: "7-0", Runs: []schema.Run{local}})
	r := got(s.Run(ctx, project, local.ID))(t)
	equal(t, "times", []any{r.CreatedAt, *r.StartedAt, r.EndedAt}, []any{epoch, epoch, (*time.Time)(nil)})

	// Huge values.
	huge := endedRun(epoch, 5, schema.RunSucceeded)
	huge.Output = []byte(`"` + strings.Repeat("ü\\u0000", 1<<20) + `"`)
	write(t, s, store.LogBatch{Stream: "lane-1", From: "7-0", To: "8-0", Runs: []schema.Run{huge}})
	if r := got(s.Run(ctx, project, huge.ID))(t); string(r.Output) != string(huge.Output) {
		t.Errorf("a huge output came back with %d bytes of %d", len(r.Output), len(huge.Output))
	}
}

func testWriteLogOnce(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	batch := func(from, to string, n int) store.LogBatch {
		r := endedRun(epoch, n, schema.RunSucceeded)
		return store.LogBatch{Stream: "s", From: from, To: to, Runs: []schema.Run{r}, Steps: []store.StepRow{stepRow(r.ID, 1)}}
	}
	write(t, s, batch("", "1", 1))
	write(t, s, batch("1", "2", 2))
	for _, test := range []struct {
		name     string
		from, to string
	}{
		{"the same again", "1", "2"}, {"an older one", "", "1"}, {"with a gap", "3", "4"}, {"as if new", "", "9"},
	} {
		if got(s.WriteLog(ctx, batch(test.from, test.to, 50)))(t) {
			t.Errorf("%s: applied", test.name)
		}
	}
	if p := got(s.LogPosition(ctx, "s"))(t).Position; p != "2" {
		t.Errorf("the stream is at %q", p)
	}
	equal(t, "runs", ids(got(s.ListRuns(ctx, store.RunQuery{Project: project}))(t)), []string{runID(epoch, 2), runID(epoch, 1)})
	// Another stream has a position of its own.
	other := batch("", "1", 3)
	other.Stream = "t"
	write(t, s, other)
	// A new stream that is not at its beginning.
	lost := batch("7", "8", 4)
	lost.Stream = "u"
	if got(s.WriteLog(ctx, lost))(t) {
		t.Error("a batch from the middle of a new stream was applied")
	}
	if p := got(s.LogPosition(ctx, "u"))(t).Position; p != "" {
		t.Errorf("the new stream is at %q", p)
	}
}

// testFenceLog: what was read of a stream before it was fenced off is not
// written any more.
func testFenceLog(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	batch := func(from store.LogMark, to string, n int) store.LogBatch {
		r := endedRun(epoch, n, schema.RunSucceeded)
		return store.LogBatch{Stream: "s", From: from.Position, To: to, Fence: from.Fence, Runs: []schema.Run{r}, Steps: []store.StepRow{stepRow(r.ID, 1)}}
	}
	write(t, s, batch(store.LogMark{}, "1", 1))
	for n := range 3 {
		before := got(s.LogPosition(ctx, "s"))(t)
		new := got(s.LogPosition(ctx, "new"))(t)
		must(t, s.FenceLog(ctx, []string{"s", "new"}))
		if got(s.WriteLog(ctx, batch(before, "9", 50)))(t) {
			t.Error("a batch that was read before the fence was written after it")
		}
		late := batch(new, "9", 50)
		late.Stream = "new"
		if got(s.WriteLog(ctx, late))(t) {
			t.Error("so was one of a stream that had no position")
		}
		mark := got(s.LogPosition(ctx, "s"))(t)
		equal(t, "the mark", mark, store.LogMark{Position: fmt.Sprint(n + 1), Fence: before.Fence + 1})
		write(t, s, batch(mark, fmt.Sprint(n+2), n+2))
		equal(t, "the mark after a batch", got(s.LogPosition(ctx, "s"))(t), store.LogMark{Position: fmt.Sprint(n + 2), Fence: mark.Fence})
	}
	equal(t, "the mark of the other", got(s.LogPosition(ctx, "new"))(t), store.LogMark{Fence: 3})
	equal(t, "a stream that was not fenced off", got(s.LogPosition(ctx, "other"))(t), store.LogMark{})
}

func testWriteLogRace(t *testing.T, open opener) {
	s := migrated(t, open)
	const writers, batches = 4, 12
	var applied [batches]int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			// Each writer tries every batch until the stream is past it.
			for n := range batches {
				from, to := fmt.Sprint(n), fmt.Sprint(n+1)
				if n == 0 {
					from = ""
				}
				run := endedRun(epoch.Add(time.Duration(n)*7*time.Hour), n, schema.RunSucceeded) // over several days
				ok, err := s.WriteLog(t.Context(), store.LogBatch{Stream: "s", From: from, To: to, Runs: []schema.Run{run}, Steps: []store.StepRow{stepRow(run.ID, 1)}})
				if err != nil {
					t.Error(err)
				}
				if ok {
					mu.Lock()
					applied[n]++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	for n, times := range applied {
		if times != 1 {
			t.Errorf("batch %d was applied %d times", n, times)
		}
	}
	if runs := got(s.ListRuns(t.Context(), store.RunQuery{Project: project, Limit: 2 * batches}))(t); len(runs) != batches {
		t.Errorf("%d runs; want %d", len(runs), batches)
	}
}

// testWriteLogAgain is a run that was executed again after Redis was lost: its
// rows come a second time, in a new stream.
func testWriteLogAgain(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	first := endedRun(epoch, 1, schema.RunSucceeded)
	write(t, s, store.LogBatch{Stream: "s", To: "1", Runs: []schema.Run{first}, Steps: []store.StepRow{stepRow(first.ID, 1), stepRow(first.ID, 2)}})

	again, other := endedRun(epoch, 1, schema.RunFailed), endedRun(epoch, 2, schema.RunSucceeded)
	newer, newest := stepRow(first.ID, 2), stepRow(first.ID, 2)
	newer.Attempt, newest.Attempt, newest.Result = 8, 9, nil
	batch := store.LogBatch{Stream: "after the loss", To: "1", Runs: []schema.Run{again, other, other},
		Steps: []store.StepRow{newer, stepRow(first.ID, 3), newest, stepRow(other.ID, 1)}}
	write(t, s, batch)
	equal(t, "the run", *got(s.Run(ctx, project, first.ID))(t), first)
	equal(t, "the other run", *got(s.Run(ctx, project, other.ID))(t), other)
	equal(t, "the steps", got(s.Steps(ctx, project, first.ID))(t),
		[]schema.StepRecord{stepRow(first.ID, 1).StepRecord, newest.StepRecord, stepRow(first.ID, 3).StepRecord})
	if got(s.WriteLog(ctx, batch))(t) {
		t.Error("the merged batch was applied twice")
	}
}

func testWriteLogRefuses(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	good := endedRun(epoch, 1, schema.RunSucceeded)
	noID, running, upper := good, good, good
	noID.ID, running.Status, upper.ID = "", schema.RunRunning, strings.ToUpper(good.ID)
	for name, batch := range map[string]store.LogBatch{
		"no stream":     {To: "1", Runs: []schema.Run{good}},
		"no id":         {Stream: "s", To: "1", Runs: []schema.Run{good, noID}},
		"not ended":     {Stream: "s", To: "1", Runs: []schema.Run{running}},
		"not an id":     {Stream: "s", To: "1", Runs: []schema.Run{upper}},
		"a step's id":   {Stream: "s", To: "1", Runs: []schema.Run{good}, Steps: []store.StepRow{stepRow("r'); DROP TABLE runs --", 1)}},
		"a far future":  {Stream: "s", To: "1", Steps: []store.StepRow{stepRow("rz"+good.ID[2:], 1)}},
		"only a letter": {Stream: "s", To: "1", Steps: []store.StepRow{stepRow("r", 1)}},
	} {
		if applied, err := s.WriteLog(ctx, batch); err == nil || applied {
			t.Errorf("%s: applied %t, %v", name, applied, err)
		}
	}
	if p := got(s.LogPosition(ctx, "s"))(t).Position; p != "" {
		t.Errorf("a refused batch moved the position to %q", p)
	}
	_, err := s.Run(ctx, project, good.ID)
	wantError(t, err, store.ErrNotFound)
}

func testHostileText(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	const bad, clean = "a\x00b\xffc\xc3", "a\ufffdb\ufffdc\ufffd"
	r := endedRun(epoch, 1, schema.RunFailed)
	r.Error.Message, r.Workflow, r.TraceID, r.Output = bad, bad, bad, []byte("\""+bad+"\"")
	r.Trigger.Headers["x"] = bad
	step := stepRow(r.ID, 1)
	step.Path, step.Step, step.Error.Message, step.Result = bad, "\t'\"\\.\\N", bad, []byte(`not JSON \N`)
	step.Attempts[0].Request.Body = bad
	write(t, s, store.LogBatch{Stream: "s", To: "1", Runs: []schema.Run{r}, Steps: []store.StepRow{step}})

	have := got(s.Run(ctx, project, r.ID))(t)
	// In a JSON column NUL has an escape, and stays.
	const escaped = "a\x00b\ufffdc\ufffd"
	equal(t, "the run", []string{have.Workflow, have.TraceID, string(have.Output), have.Error.Message, have.Trigger.Headers["x"]},
		[]string{clean, clean, "\"" + clean + "\"", escaped, escaped})
	steps := got(s.Steps(ctx, project, r.ID))(t)
	equal(t, "the step", []string{steps[0].Path, steps[0].Step, string(steps[0].Result), steps[0].Error.Message, steps[0].Attempts[0].Request.Body},
		[]string{clean, step.Step, `not JSON \N`, escaped, escaped})
	equal(t, "found by error", ids(got(s.ListRuns(ctx, store.RunQuery{Project: project, Error: "B\xff"}))(t)), []string{r.ID})
	equal(t, "found by workflow", ids(got(s.ListRuns(ctx, store.RunQuery{Project: project, Workflow: bad}))(t)), []string{r.ID})
}

func testManyDays(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	batch := store.LogBatch{Stream: "s", To: "1"}
	var want []string
	at := time.Date(2025, 12, 30, 0, 0, 0, 0, time.UTC)
	for n := range 60 { // a run each 12 hours, and at the edges of the days
		for _, edge := range []time.Duration{0, 12*time.Hour - time.Millisecond} {
			r := endedRun(at.Add(time.Duration(n)*12*time.Hour+edge), n, schema.RunSucceeded)
			batch.Runs = append(batch.Runs, r)
			batch.Steps = append(batch.Steps, stepRow(r.ID, 1))
			want = append([]string{r.ID}, want...)
		}
	}
	// The first moment that an id can name, and the last that a record can.
	for n, at := range []time.Time{time.UnixMilli(0), time.Date(9999, 12, 31, 23, 59, 59, 999_000_000, time.UTC)} {
		r := endedRun(at.UTC(), 100+n, schema.RunSucceeded)
		batch.Runs = append(batch.Runs, r)
		if n == 0 {
			want = append(want, r.ID)
		} else {
			want = append([]string{r.ID}, want...)
		}
	}
	write(t, s, batch)
	equal(t, "runs over all days", ids(got(s.ListRuns(ctx, store.RunQuery{Project: project, Limit: 1000}))(t)), want)
	for _, r := range batch.Runs[:20] {
		if steps := got(s.Steps(ctx, project, r.ID))(t); len(steps) != 1 {
			t.Errorf("run %s has %d steps", r.ID, len(steps))
		}
	}
}

func testEndedNotAccepted(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	at := acceptedRun(0).CreatedAt
	must(t, s.Accept(ctx, []store.AcceptedRun{acceptedRun(0), acceptedRun(1)}))
	write(t, s, store.LogBatch{Stream: "s", To: "1", Runs: []schema.Run{endedRun(at, 0, schema.RunSucceeded)}})
	equal(t, "accepted", got(s.Accepted(ctx, "", 0))(t), []store.AcceptedRun{acceptedRun(1)})
	// The acceptance of a run may be written after its end.
	must(t, s.Accept(ctx, []store.AcceptedRun{acceptedRun(0)}))
	equal(t, "accepted", got(s.Accepted(ctx, "", 0))(t), []store.AcceptedRun{acceptedRun(1)})
	// And does not come back when the record of its end is gone.
	if n := got(s.DeleteRuns(ctx, project, at.Add(48*time.Hour)))(t); n != 1 {
		t.Errorf("%d runs went; want 1", n)
	}
	equal(t, "accepted", got(s.Accepted(ctx, "", 0))(t), []store.AcceptedRun{acceptedRun(1)})
}
