package execution

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"paragon/schema"
)

var starts = rapid.Custom(func(t *rapid.T) start {
	draw := func(name string) time.Time { return instant(rapid.Int64Range(0, 1<<62).Draw(t, name)) }
	s := start{
		Project: rapid.String().Draw(t, "project"), Workflow: rapid.StringN(1, -1, -1).Draw(t, "workflow"), Revision: rapid.Int64().Draw(t, "revision"),
		CreatedAt: draw("created"), Input: json.RawMessage(`{"a":1}`), TraceParent: rapid.String().Draw(t, "trace"),
		Trigger: schema.Trigger{Kind: "manual", Actor: rapid.String().Draw(t, "actor"), Time: draw("due")},
	}
	if rapid.Bool().Draw(t, "rare") {
		s.Caller = &caller{Run: "r1", Path: "sub"}
		s.Priority, s.Durability = schema.PriorityHigh, schema.DurabilityStore
		s.Trigger.Headers = map[string]string{"x": rapid.String().Draw(t, "header")}
		s.Trigger.Data = json.RawMessage(`[1]`)
	}
	return s
})

func TestStartComesBackAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := starts.Draw(t, "start")
		raw, err := appendStart(nil, &want)
		if err != nil {
			t.Fatal(err)
		}
		var got start
		if err := parseStart(string(raw), &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
		for n := range len(raw) { // cut off anywhere: never a panic
			_ = parseStart(string(raw[:n]), &start{})
		}
		asJSON, err := json.Marshal(&want)
		if err != nil {
			t.Fatal(err)
		}
		if err := parseStart(string(asJSON), &start{}); err != nil {
			t.Fatalf("the form of before: %v", err)
		}
	})
	for _, wrong := range []string{"", "\x09", "\x01\x05ab", "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"} {
		if parseStart(wrong, &start{}) == nil {
			t.Errorf("%q is read", wrong)
		}
	}
}

func BenchmarkStart(b *testing.B) {
	now := time.Now().UTC()
	s := start{Project: "default", Workflow: "lead-sync", Revision: 7, CreatedAt: now, Input: json.RawMessage(`{"email":"a@example.com"}`),
		TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Trigger: schema.Trigger{Kind: "manual", Actor: "ci", Time: now}}
	b.ReportAllocs()
	for b.Loop() {
		raw, err := appendStart(nil, &s)
		if err != nil {
			b.Fatal(err)
		}
		var got start
		if err := parseStart(string(raw), &got); err != nil {
			b.Fatal(err)
		}
	}
}
