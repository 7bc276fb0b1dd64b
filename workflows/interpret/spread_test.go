package interpret_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/interpret"
)

const loopFlow = `
apiVersion: paragon/v1
kind: Workflow
metadata: {name: loop}
spec:
  steps:
    - {id: before, set: {factor: 3}}
    - id: pick
      switch:
        - if: "${{ len(input.items) >= 0 }}"
          steps:
            - id: each
              forEach: {items: "${{ input.items }}", as: it, parallelism: %d, onError: %s}
              steps:
                - {id: call, function: {source: "return null"}}
                - {id: sum, set: {n: "${{ it * steps.before.factor + it_index }}", got: "${{ steps.call }}", run: "${{ run.id }}"}}
        - else: true
          steps: []
    - {id: after, set: {all: "${{ len(steps.each) }}"}}
  output: "${{ steps.each }}"
`

// spreadWorld executes a run and those of its chunks, one attempt after the
// other, and rebuilds machines from their records where dies says so.
type spreadWorld struct {
	t     failer
	in    interpret.Input
	fails map[string]bool // paths whose attempt fails
	dies  func() bool
	seen  map[string]int // attempts by path
	// ends are those of the chunks' runs; canceled names those that were to be.
	ends     map[string]interpret.End
	canceled []string
}

// execute runs a machine to its end.
func (w *spreadWorld) execute(id string, build func(history []schema.StepRecord) *interpret.Machine, records func([]schema.StepRecord)) interpret.End {
	now := epoch
	var history []schema.StepRecord
	m := build(nil)
	for range 10_000 {
		now = now.Add(time.Millisecond)
		d := m.Next(now)
		history = append(history, d.Records...)
		records(latestOf(history))
		w.canceled = append(w.canceled, d.Cancel...)
		if d.End != nil {
			return *d.End
		}
		if w.dies() {
			m = build(latestOf(history))
			continue
		}
		for _, a := range d.Perform {
			m.Complete(a.Path, w.perform(id, a, latestOf(history), now))
		}
		for _, c := range d.Calls {
			if end, ok := w.ends[c.Run]; ok {
				m.CallEnded(c.Path, c.Run, now, end)
			}
		}
	}
	w.t.Fatalf("run %s does not end", id)
	return interpret.End{}
}

func (w *spreadWorld) perform(id string, a interpret.Action, records []schema.StepRecord, now time.Time) interpret.Outcome {
	out := interpret.Outcome{Attempt: schema.Attempt{StartedAt: now, EndedAt: now}}
	if a.Chunk != nil {
		out.Called = id + "/" + a.Path
		if _, ok := w.ends[out.Called]; !ok {
			in := w.in
			in.ID = out.Called
			w.ends[out.Called] = w.execute(out.Called, func(history []schema.StepRecord) *interpret.Machine {
				m, err := interpret.NewChunk(in, w.in, records, *a.Chunk, history)
				if err != nil {
					w.t.Fatalf("%s: %v", out.Called, err)
				}
				return m
			}, func([]schema.StepRecord) {})
		}
		return out
	}
	w.seen[a.Path]++
	if w.fails[a.Path] {
		out.Attempt.Error = &schema.RunError{Type: "function", Message: "no " + a.Path}
		return out
	}
	out.Result, _ = json.Marshal("did " + a.Path)
	return out
}

func latestOf(recs []schema.StepRecord) []schema.StepRecord {
	var out []schema.StepRecord
	for _, rec := range recs {
		if i := slices.IndexFunc(out, func(o schema.StepRecord) bool { return o.Path == rec.Path }); i >= 0 {
			out[i] = rec
		} else {
			out = append(out, rec)
		}
	}
	return out
}

// TestSpreadLoopIsAsAPlainOne executes the same loop by one run and by runs of
// chunks, with workers that die at random.
func TestSpreadLoopIsAsAPlainOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOfN(rapid.IntRange(0, 99), 0, 40).Draw(t, "items")
		onError := rapid.SampledFrom([]string{"fail", "collect"}).Draw(t, "onError")
		width := rapid.IntRange(1, 12).Draw(t, "parallelism")
		fails := map[string]bool{}
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, 39), 0, 2).Draw(t, "fails") {
			fails[fmt.Sprintf("pick/each[%d]/call", i)] = true
			fails[fmt.Sprintf("each[%d]/call", i)] = true
		}
		input := make([]any, len(items))
		for i, n := range items {
			input[i] = float64(n)
		}
		run := func(above int) (interpret.End, *spreadWorld) {
			w := &spreadWorld{
				t: t, fails: fails, seen: map[string]int{}, ends: map[string]interpret.End{},
				in:   interpret.Input{Workflow: compiled(t, fmt.Sprintf(loopFlow, width, onError)), ID: "r1", Project: "default", CreatedAt: epoch, Input: map[string]any{"items": input}, SpreadAbove: above},
				dies: func() bool { return rapid.IntRange(0, 9).Draw(t, "dies") == 0 },
			}
			end := w.execute("r1", func(history []schema.StepRecord) *interpret.Machine { return interpret.New(w.in, history) }, func([]schema.StepRecord) {})
			return end, w
		}
		plain, _ := run(0)
		spread, w := run(8)
		if plain.Status != spread.Status || !reflect.DeepEqual(decoded(plain.Output), decoded(spread.Output)) {
			t.Fatalf("plain: %s %s %v\nspread: %s %s %v", plain.Status, plain.Output, plain.Error, spread.Status, spread.Output, spread.Error)
		}
		if plain.Error != nil && plain.Error.Type != spread.Error.Type {
			t.Fatalf("plain fails by %v, spread by %v", plain.Error, spread.Error)
		}
		if want := len(items) > 8; want != (len(w.ends) > 0) && len(fails) == 0 {
			t.Fatalf("%d items and %d runs of chunks", len(items), len(w.ends))
		}
	})
}

func decoded(raw json.RawMessage) (v any) {
	_ = json.Unmarshal(raw, &v)
	return v
}

// TestAbandonedChunksAreCanceled fails one chunk while others are under way.
func TestAbandonedChunksAreCanceled(t *testing.T) {
	input := make([]any, 100)
	in := interpret.Input{Workflow: compiled(t, fmt.Sprintf(loopFlow, 4, "fail")), ID: "r1", Project: "default", CreatedAt: epoch, Input: map[string]any{"items": input}, SpreadAbove: 10}
	m := interpret.New(in, nil)
	d := m.Next(epoch)
	if len(d.Perform) != 4 || d.Perform[0].Chunk == nil || d.Perform[0].Chunk.Width != 1 {
		t.Fatalf("a loop of 100 begins with %+v", d.Perform)
	}
	for i, a := range d.Perform {
		m.Complete(a.Path, interpret.Outcome{Called: fmt.Sprint("chunk", i), Attempt: schema.Attempt{EndedAt: epoch}})
	}
	d = m.Next(epoch)
	if len(d.Calls) != 4 {
		t.Fatalf("%d chunks are waited for", len(d.Calls))
	}
	m.CallEnded(d.Calls[1].Path, "chunk1", epoch, interpret.End{Status: schema.RunFailed, Error: &schema.RunError{Type: "function", Message: "no", Step: "each[4]/call"}})
	d = m.Next(epoch)
	if want := []string{"chunk0", "chunk2", "chunk3"}; !slices.Equal(d.Cancel, want) {
		t.Errorf("canceled are %v; want %v", d.Cancel, want)
	}
	if d.End == nil || d.End.Error.Step != "each[4]/call" {
		t.Errorf("the run ends by %+v", d.End)
	}
	// A chunk's run that starts now finds the loop over.
	_, err := interpret.NewChunk(in, in, d.Records, interpret.Chunk{Path: "pick/each", From: 0, To: 5}, nil)
	if err == nil || !strings.Contains(err.Error(), "over") {
		t.Errorf("a chunk of a loop that is over: %v", err)
	}
}

func compiled(t failer, source string) *workflows.Workflow {
	t.Helper()
	docs, diags := workflows.Parse(workflows.Source{File: "flow.yaml", Data: []byte(source)})
	if diags.HasErrors() {
		t.Fatalf("%v", diags)
	}
	wf, diags := docs[0].Compile()
	if diags.HasErrors() {
		t.Fatalf("%v", diags)
	}
	return wf
}
