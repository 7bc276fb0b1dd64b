package logs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/payload"
	"paragon/engine/queue"
	"paragon/engine/store"
	"paragon/schema"
)

// TestValuesGoWithTheirRuns lets time pass over values that are referred to by
// history, by live runs, by accepted ones, and by nothing.
func TestValuesGoWithTheirRuns(t *testing.T) {
	onEachRedis(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		now := time.Now()
		s := historyOf(t, now, "default", "north")
		dir := t.TempDir()
		bucket, err := payload.OpenDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		values := payload.New(bucket)
		serial := 0
		keep := func(project string, age time.Duration) (run string, ref payload.Ref) {
			t.Helper()
			serial++
			run = fmt.Sprintf("%s%014d00", schema.RunIDBound(now.Add(-age)), serial)
			ref, err := values.Keep(ctx, project, run, []byte(strings.Repeat(fmt.Sprint(serial, " "), payload.Above)))
			if err != nil {
				t.Fatal(err)
			}
			return run, ref
		}
		there := func(ref payload.Ref, project string) bool {
			t.Helper()
			_, err := values.Fetch(ctx, project, ref)
			if err != nil && !errors.Is(err, payload.ErrMissing) {
				t.Fatal(err)
			}
			return err == nil
		}
		const day = 24 * time.Hour
		logged := func(project string, ref payload.Ref) {
			t.Helper()
			serial++
			if ok, err := s.WriteLog(ctx, store.LogBatch{Stream: fmt.Sprint("stream", serial), To: "1",
				Payloads: []store.Payload{{Project: project, Day: ref.Day(), Digest: ref.Digest()}}}); err != nil || !ok {
				t.Fatal(ok, err)
			}
		}
		_, expired := keep("default", 8*day)
		_, kept := keep("north", 8*day) // is kept for ever
		logged("default", expired)
		logged("north", kept)
		_, orphan := keep("north", 9*day)
		_, fresh := keep("north", 0)
		live, ofLive := keep("default", 10*day)
		if err := rdb.ZAdd(ctx, queue.Key(1, "live"), redis.Z{Member: live}).Err(); err != nil {
			t.Fatal(err)
		}
		waiting, ofAccepted := keep("default", 12*day)
		if err := s.Accept(ctx, []store.AcceptedRun{{ID: waiting, Project: "default", Workflow: "w", CreatedAt: now.Add(-12 * day), Meta: []byte("{}")}}); err != nil {
			t.Fatal(err)
		}
		r := NewRetention(RetentionOptions{Store: s, Payloads: values, Redis: rdb, Lanes: 2, Now: func() time.Time { return now },
			Keep: Keep{Default: 5 * day, Projects: map[string]time.Duration{"north": 0}}})
		sweep := func() {
			t.Helper()
			if _, err := r.Sweep(ctx); err != nil {
				t.Fatal(err)
			}
		}
		check := func(when string, want ...bool) {
			t.Helper()
			refs := []payload.Ref{expired, kept, orphan, fresh, ofLive, ofAccepted}
			projects := []string{"default", "north", "north", "north", "default", "default"}
			for i, name := range []string{"an expired value", "one of a project that keeps all", "an orphan", "one of today", "a live run's", "an accepted run's"} {
				if got := there(refs[i], projects[i]); got != want[i] {
					t.Errorf("%s: %s is there: %v; want %v", when, name, got, want[i])
				}
			}
		}
		sweep()
		check("at first", false, true, true, true, true, true) // the orphan was written just now
		now = now.Add(25 * time.Hour)
		sweep()
		check("a day later", false, true, false, true, true, true)
		now = now.Add(day) // today's is an orphan as well
		if err := rdb.ZRem(ctx, queue.Key(1, "live"), live).Err(); err != nil {
			t.Fatal(err)
		}
		if err := s.Unaccept(ctx, []store.AcceptedRun{{ID: waiting, Project: "default"}}); err != nil {
			t.Fatal(err)
		}
		sweep()
		check("once the runs have ended", false, true, false, false, false, false)
		if left, _ := filepath.Glob(filepath.Join(dir, "*", "*", "*")); len(left) != 1 {
			t.Errorf("%v are left; want one", left)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "default", "*")); len(left) != 0 {
			t.Errorf("empty days are left: %v", left)
		}
	})
}

// TestNothingIsSweptInDoubt has a Redis that does not answer.
func TestNothingIsSweptInDoubt(t *testing.T) {
	now := time.Now()
	s := historyOf(t, now, "default")
	dir := t.TempDir()
	bucket, err := payload.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	values := payload.New(bucket)
	run := fmt.Sprintf("%s%014d00", schema.RunIDBound(now.Add(-240*time.Hour)), 1)
	ref, err := values.Keep(t.Context(), "default", run, make([]byte, payload.Above+1))
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	defer rdb.Close()
	r := NewRetention(RetentionOptions{Store: s, Payloads: values, Redis: rdb, Lanes: 1, Keep: Keep{Default: time.Hour}})
	if _, err := r.Sweep(t.Context()); err == nil {
		t.Error("no error")
	}
	if _, err := values.Fetch(context.WithoutCancel(t.Context()), "default", ref); err != nil {
		t.Errorf("the value went though a live run may have it: %v", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}
