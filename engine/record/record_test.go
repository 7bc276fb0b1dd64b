package record_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"paragon/engine/record"
	"paragon/schema"
)

var instant = rapid.Custom(func(t *rapid.T) time.Time {
	us := rapid.Int64Range(0, 1<<52).Draw(t, "us")
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
})

var document = rapid.Custom(func(t *rapid.T) json.RawMessage {
	if rapid.Bool().Draw(t, "none") {
		return nil
	}
	raw, err := json.Marshal(rapid.MapOf(rapid.String(), rapid.Float64Range(-1e9, 1e9)).Draw(t, "value"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
})

var failure = rapid.Custom(func(t *rapid.T) *schema.RunError {
	if rapid.Bool().Draw(t, "none") {
		return nil
	}
	return &schema.RunError{Type: rapid.String().Draw(t, "type"), Message: rapid.String().Draw(t, "message"), Status: rapid.IntRange(0, 599).Draw(t, "status")}
})

func TestStepComesBackAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rec := schema.StepRecord{
			Path: rapid.String().Draw(t, "path"), Step: rapid.StringN(1, -1, -1).Draw(t, "step"), Kind: rapid.String().Draw(t, "kind"),
			Status:  rapid.SampledFrom([]schema.StepStatus{schema.StepRunning, schema.StepRetrying, schema.StepWaiting, schema.StepSucceeded, schema.StepFailed, schema.StepSkipped, schema.StepCanceled}).Draw(t, "status"),
			Attempt: rapid.Int().Draw(t, "attempt"), StartedAt: instant.Draw(t, "start"), EndedAt: instant.Draw(t, "end"),
			RetryAt: instant.Draw(t, "retry"), WaitUntil: instant.Draw(t, "wait"), Result: document.Draw(t, "result"), Error: failure.Draw(t, "error"),
		}
		if rapid.Bool().Draw(t, "attempts") {
			rec.Attempts = []schema.Attempt{{Number: 1, StartedAt: instant.Draw(t, "began"), Error: failure.Draw(t, "failed")}}
		}
		raw, err := record.AppendStep(nil, &rec)
		if err != nil {
			t.Fatal(err)
		}
		var got schema.StepRecord
		if err := record.ParseStep(string(raw), &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, rec) {
			t.Fatalf("got  %+v\nwant %+v", got, rec)
		}
		for n := range len(raw) { // cut off anywhere: an error, never a panic
			if err := record.ParseStep(string(raw[:n]), &schema.StepRecord{}); err == nil {
				t.Fatalf("a record cut to %d of %d bytes is no error", n, len(raw))
			}
		}
	})
}

func TestRunComesBackAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		began := instant.Draw(t, "began")
		run := schema.Run{
			ID: rapid.String().Draw(t, "id"), Project: "p", Workflow: rapid.String().Draw(t, "workflow"), Revision: rapid.Int64().Draw(t, "revision"),
			Status: schema.RunFailed, Trigger: schema.Trigger{
				Kind: "webhook", ID: "nightly", Actor: rapid.String().Draw(t, "actor"), Time: instant.Draw(t, "due"), Method: "POST",
				Headers: map[string]string{"x": rapid.String().Draw(t, "header")}, Event: "e", Data: document.Draw(t, "data"), Parent: "p",
			},
			Input: document.Draw(t, "input"), Output: document.Draw(t, "output"), Error: failure.Draw(t, "error"),
			CreatedAt: instant.Draw(t, "created"), Attempts: 7, Recoveries: 1, TraceID: "t", User: rapid.SampledFrom([]string{"", "u_1"}).Draw(t, "user"),
		}
		if !began.IsZero() {
			run.StartedAt, run.EndedAt = &began, &began
		}
		raw, err := record.AppendRun(nil, &run)
		if err != nil {
			t.Fatal(err)
		}
		var got schema.Run
		if err := record.ParseRun(string(raw), &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, run) {
			t.Fatalf("got  %+v\nwant %+v", got, run)
		}
	})
}

func TestAnUnknownVersionIsRefused(t *testing.T) {
	if err := record.ParseStep("\x09abc", &schema.StepRecord{}); err == nil {
		t.Error("no error")
	}
	if err := record.ParseRun("", &schema.Run{}); err == nil {
		t.Error("no error")
	}
}

func FuzzParse(f *testing.F) {
	raw, err := record.AppendStep(nil, &schema.StepRecord{Path: "a", Step: "a", Kind: "set", Status: schema.StepSucceeded})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(raw))
	f.Fuzz(func(t *testing.T, s string) {
		var rec schema.StepRecord
		if record.ParseStep(s, &rec) == nil {
			if _, err := record.AppendStep(nil, &rec); err != nil && rec.Error == nil && rec.Attempts == nil {
				t.Errorf("a record that was read can't be written: %v", err)
			}
		}
		_ = record.ParseRun(s, &schema.Run{})
	})
}

func BenchmarkStep(b *testing.B) {
	now := time.Now().UTC()
	rec := schema.StepRecord{Path: "lookup", Step: "lookup", Kind: "function", Status: schema.StepSucceeded, Attempt: 1, StartedAt: now, EndedAt: now, Result: json.RawMessage(`{"a":1}`)}
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		var err error
		if buf, err = record.AppendStep(buf[:0], &rec); err != nil {
			b.Fatal(err)
		}
		var got schema.StepRecord
		if err := record.ParseStep(string(buf), &got); err != nil {
			b.Fatal(err)
		}
	}
}
