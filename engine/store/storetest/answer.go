package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"paragon/engine/store"
)

func aClaim(id, owner string) store.Answer {
	return store.Answer{ID: []byte(id), Owner: []byte(owner), Request: []byte("asked by " + owner), ExpiresAt: epoch.Add(time.Minute)}
}

func testAnswers(t *testing.T, open opener) {
	s, ctx := migrated(t, open), t.Context()
	claim := func(a store.Answer, now time.Time) *store.Answer {
		t.Helper()
		return got(s.ClaimAnswer(ctx, a, now))(t)
	}
	first, second := aClaim("k\x00\xff", "first"), aClaim("k\x00\xff", "second")
	if there := claim(first, epoch); there != nil {
		t.Fatalf("in a new store: %+v", there)
	}
	equal(t, "what a second request finds", *claim(second, epoch), first)
	if there := claim(aClaim("another", "second"), epoch); there != nil {
		t.Errorf("another key is taken, too: %+v", there)
	}

	// Given up, it is free.
	must(t, s.DropAnswer(ctx, first.ID, second.Owner))
	equal(t, "another's claim can't be given up", *claim(second, epoch), first)
	must(t, s.DropAnswer(ctx, first.ID, first.Owner))
	if there := claim(second, epoch); there != nil {
		t.Fatalf("given up, and there: %+v", there)
	}

	// Answered, it is there until it expires, whoever gives it up.
	answered := second
	answered.Sealed, answered.ExpiresAt = []byte{0, 1, 0xff}, epoch.Add(time.Hour)
	lost := answered
	lost.Owner = first.Owner
	if got(s.SaveAnswer(ctx, lost))(t) {
		t.Error("who lost the claim answered")
	}
	if !got(s.SaveAnswer(ctx, answered))(t) {
		t.Error("who has the claim could not answer")
	}
	must(t, s.DropAnswer(ctx, second.ID, second.Owner))
	equal(t, "an answer", *claim(first, epoch.Add(59*time.Minute)), answered)
	if there := claim(first, epoch.Add(time.Hour)); there != nil {
		t.Errorf("expired, and there: %+v", there)
	}
	equal(t, "nothing of the expired answer", *claim(second, epoch), first)

	// Sweeping takes what has expired, and no more.
	late := aClaim("late", "l")
	late.ExpiresAt = epoch.Add(2 * time.Minute)
	claim(late, epoch)
	if n := got(s.DeleteAnswers(ctx, epoch.Add(time.Minute)))(t); n != 2 {
		t.Errorf("%d answers were swept; want 2", n)
	}
	equal(t, "what is left", *claim(aClaim("late", "x"), epoch), late)
}

func testAnswerRace(t *testing.T, open opener) {
	s := migrated(t, open)
	var won, gaveUp atomic.Int32
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			me := aClaim("one", fmt.Sprint("me", n))
			for range 20 {
				there, err := s.ClaimAnswer(t.Context(), me, epoch)
				if err != nil {
					t.Error(err)
					return
				}
				if there != nil {
					continue
				}
				if won.Add(1)-gaveUp.Load() > 1 {
					t.Error("two have the same claim")
				}
				gaveUp.Add(1)
				if err := s.DropAnswer(t.Context(), me.ID, me.Owner); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if won.Load() == 0 {
		t.Error("nobody ever had the claim")
	}
}
