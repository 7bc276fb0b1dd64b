package payload_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"paragon/engine/execution"
	"paragon/engine/payload"
	"paragon/engine/servicetest"
)

// What is asked of a bucket is counted by how it ended, with its bytes.
func TestUsage(t *testing.T) {
	server := servicetest.StartS3(t)
	b := s3Bucket(t, server, "")
	s := payload.New(b)
	run := execution.NewRunID(day, 0)
	want := value(payload.Above+1, 8)
	ref, err := s.Keep(t.Context(), "default", run, want)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds it there
		if _, err := s.Keep(t.Context(), "default", run, want); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.Fetch(t.Context(), "default", ref); err != nil || !bytes.Equal(got, want) {
		t.Fatal(err)
	}
	key := "default/2026-11-28/" + ref.Digest()
	if err := b.Put(t.Context(), key, append(bytes.Clone(want), 0)); err != nil { // past the store
		t.Fatal(err)
	}
	if _, err := s.Fetch(t.Context(), "default", ref); err == nil {
		t.Fatal("a damaged value was read")
	}
	if n, err := s.Sweep(t.Context(), "default", "2026-11-28", func(string, time.Time) bool { return true }); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	server.Cut(true)
	if _, err := s.Fetch(t.Context(), "default", ref); err == nil {
		t.Fatal("a value came from a bucket that is away")
	}
	if _, err := s.Sweep(t.Context(), "default", "2026-11-28", func(string, time.Time) bool { return true }); err == nil {
		t.Fatal("a bucket that is away was swept")
	}
	u, got := s.Usage(), map[string]int64{}
	for _, r := range u.Requests {
		got[r.Operation+" "+r.Outcome] = r.Count
		last := int64(0)
		for i, n := range r.Within {
			if n < last || n > r.Count {
				t.Errorf("%s %s: %d of %d took at most %v, %d the bound before", r.Operation, r.Outcome, n, r.Count, payload.Bounds[i], last)
			}
			last = n
		}
		if r.Took <= 0 {
			t.Errorf("%s %s took %v", r.Operation, r.Outcome, r.Took)
		}
	}
	for what, n := range map[string]int64{"size missing": 1, "size done": 2, "put done": 1, "get done": 1, "get damaged": 1, "get failed": 1,
		"list done": 1, "list failed": 1, "delete done": 1} {
		if got[what] != n {
			t.Errorf("%s: %d; want %d in %v", what, got[what], n, got)
		}
	}
	u.Requests = nil
	if want := (payload.Usage{Written: int64(len(want)), Read: int64(len(want)), Sweeps: 2, SweepsFailed: 1, Removed: 1}); fmt.Sprint(u) != fmt.Sprint(want) {
		t.Errorf("used %+v; want %+v", u, want)
	}
}
