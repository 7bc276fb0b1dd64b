package cache

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/store"
)

// Changes that several processes publish, each in an order of its own and some
// twice, and notices of versions long gone or that make no sense, take no
// process back: each sees the versions grow, each with what it holds.
func TestNoticesOutOfOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		const last = 80
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		f := newFixture(t, rdb)
		f.snap.Resources = []store.Resource{f.workflow("w", 1, "1")}
		f.publish()
		caches := []*Cache{f.cache(0), f.cache(0), f.cache(0)}
		done := make(chan struct{}, len(caches))
		for n, c := range caches {
			var seen int64
			look := func() {
				v := c.Version()
				if got := failMessage(c.Project("default").Workflow("w")); v < seen || got != fmt.Sprint(v) {
					t.Errorf("cache %d: version %d with %q after %d", n, v, got, seen)
				}
				if seen = v; v == last {
					done <- struct{}{}
				}
			}
			t.Cleanup(c.Subscribe(look))
		}
		var publishers sync.WaitGroup
		for p := range 4 {
			publishers.Go(func() {
				mine := versions(p, last)
				for len(mine) > 0 {
					v := mine[0]
					err := PublishChange(ctx, rdb, Change{Version: v, Resources: []store.Resource{f.workflow("w", v, fmt.Sprint(v))}})
					if errors.Is(err, ErrGap) {
						mine = append(mine[1:], v) // another is to publish the one before
						continue
					}
					if err != nil {
						t.Error(err)
						return
					}
					mine = mine[1:]
				}
			})
			publishers.Go(func() {
				for i := range 40 {
					old := head{int64(i), "gone"}.String()
					if err := rdb.Publish(ctx, noticeChannel, []string{old, "", "?"}[i%3]).Err(); err != nil {
						t.Error(err)
					}
				}
			})
		}
		publishers.Wait()
		for range caches {
			select {
			case <-done:
			case <-ctx.Done():
				t.Fatal("not every process came to the last version")
			}
		}
	})
}

// versions are those that one of four publishers has: every fourth, and some
// of another, from 2 on, in disorder.
func versions(publisher int, last int64) (mine []int64) {
	for v := int64(2); v <= last; v++ {
		if v%4 == int64(publisher) || v%7 == int64(publisher) {
			mine = append(mine, v)
		}
	}
	random := rand.New(rand.NewPCG(1, uint64(publisher)))
	for at := range slices.Chunk(mine, 5) {
		random.Shuffle(len(at), func(i, j int) { at[i], at[j] = at[j], at[i] })
	}
	return mine
}
