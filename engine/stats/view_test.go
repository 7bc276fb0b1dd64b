package stats

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/schema/api"
)

func viewOf(rdb redis.UniversalClient, now func() time.Time) *View {
	return NewView(NewReader(rdb), Sources{
		Queues: func(context.Context) ([]api.Queue, error) {
			return []api.Queue{{Runs: 4, Oldest: now().Add(-3 * time.Second)}, {Runs: 2, Paused: true}}, nil
		},
		Glance: func(context.Context) (int64, time.Time, []api.Worker, error) {
			return 6, now().Add(-3 * time.Second), []api.Worker{{Alive: true, Running: 7}, {Alive: true}}, nil
		},
		Workers: func(context.Context) ([]api.Worker, error) {
			return []api.Worker{{Alive: true, Running: 5}, {Alive: true, Running: 2}, {}}, nil
		},
	}, now)
}

// put writes an entry as of a time.
func put(t *testing.T, rdb redis.UniversalClient, at time.Time, succeeded int64) {
	t.Helper()
	set := Set{}
	set.of(Name{Workflow, "w"}).Succeeded = succeeded
	if err := rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: secondsKey("p"), ID: idAt(at) + "-*", Values: []any{field, set.append(nil)}}).Err(); err != nil {
		t.Fatal(err)
	}
}

// A follower tells of each entry once, however late it came: what it tells adds
// up to what the window has.
func TestWhatFollowersTellAddsUp(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		base := time.Now().Truncate(Minute)
		now := base
		v := viewOf(rdb, func() time.Time { return now })
		put(t, rdb, base.Add(-3*Second), 100) // before: not told of
		f := v.Follow("p", api.StatsQuery{})
		var told, wrote int64
		byPoint := map[time.Time]int64{}
		for i := range 20 {
			at := base.Add(time.Duration(i) * Second)
			n := rand.Int64N(50)
			put(t, rdb, at, n) // what was counted in the second before
			wrote += n
			if i%3 == 0 {
				// The next look is before the second's last entry is written.
				now = at.Add(Lag)
			} else {
				now = at.Add(Lag + 300*time.Millisecond)
			}
			if i == 7 {
				continue // nobody asks
			}
			s, err := f.Next(ctx)
			if err != nil {
				t.Fatal(err)
			}
			put(t, rdb, at.Add(250*time.Millisecond), 1) // late
			wrote++
			told += s.Total.Succeeded
			for _, p := range s.Points {
				byPoint[p.At] += p.Succeeded
			}
			if want := at; !s.To.Equal(want.UTC()) {
				t.Errorf("event %d ends at %v, want %v", i, s.To, want)
			}
		}
		now = now.Add(Second)
		s, err := f.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		told += s.Total.Succeeded
		for _, p := range s.Points {
			byPoint[p.At] += p.Succeeded
		}
		if told != wrote {
			t.Errorf("told of %d, wrote %d", told, wrote)
		}
		window, err := v.Window(ctx, "p", api.StatsQuery{Window: 25 * Second})
		if err != nil || window.Total.Succeeded != wrote+100 {
			t.Fatalf("the window has %d, %v; want %d", window.Total.Succeeded, err, wrote+100)
		}
		for _, p := range window.Points {
			if !p.At.Before(base.Add(-Second)) && p.Succeeded != byPoint[p.At] {
				t.Errorf("%v: the window has %d, the stream told of %d", p.At, p.Succeeded, byPoint[p.At])
			}
		}
	})
}

// A follower of halves tells of a half when it has ended: what recorders wrote
// then, under the second that it is of, though Redis' clock is off by a little.
func TestFollowersTellOfHalves(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		base := time.Now().Truncate(Minute)
		now := base.Add(Lag)
		v := viewOf(rdb, func() time.Time { return now })
		f := v.Follow("p", api.StatsQuery{Every: Half})
		for i := range 8 {
			end := base.Add(time.Duration(i) * Half)
			off := []time.Duration{0, 3 * time.Millisecond, 90 * time.Millisecond, -90 * time.Millisecond}[i%4]
			put(t, rdb, end.Add(off), int64(i+1))
			now = end.Add(Lag)
			s, err := f.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !s.From.Equal(end.Add(-Half)) || !s.To.Equal(end) {
				t.Errorf("event %d is from %v to %v", i, s.From, s.To)
			}
			if want := end.Add(-Half).Truncate(Second); len(s.Points) != 1 || s.Points[0].Succeeded != int64(i+1) || !s.Points[0].At.Equal(want) {
				t.Errorf("event %d tells of %+v; want %d at %v", i, s.Points, i+1, want)
			}
		}
	})
}

// What waits and what executes is noted once a second, by one of several, and
// comes back with the points of seconds and of minutes.
func TestLooksAreKept(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		now := time.Now()
		v := viewOf(rdb, func() time.Time { return now })
		one, two := NewLooker(rdb, v, nil), NewLooker(rdb, v, nil)
		for _, l := range []*Looker{one, two, one} {
			if err := l.look(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if n := rdb.XLen(ctx, secondsKey(installation)).Val(); n != 1 {
			t.Fatalf("%d looks were noted in a second", n)
		}
		now = now.Add(3 * Second)
		want := api.StatsGauges{Queued: 6, OldestSeconds: 3, Workers: 2, Running: 7}
		for _, step := range []time.Duration{Second, Minute} {
			s, err := v.Window(ctx, "p", api.StatsQuery{Window: 2 * Minute, Step: step})
			if err != nil {
				t.Fatal(err)
			}
			if len(s.Points) != 1 || s.Points[0].Gauges == nil || *s.Points[0].Gauges != want {
				t.Errorf("steps of %v: %+v; want one with %+v", step, s.Points, want)
			}
			if s.Points[0].Started != 0 || len(s.Workflows)+len(s.Integrations) != 0 {
				t.Errorf("a look was taken for a run: %+v", s)
			}
		}
	})
}

func TestGaugesGoToTheirPoints(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(1000+s), 0) }
	look := func(s int) Point {
		return Point{At: at(s), Set: Set{seen: {Started: 2, Succeeded: int64(4 * s)}}}
	}
	got := withGauges([]api.StatsPoint{{At: at(1)}, {At: at(2)}, {At: at(5)}}, []Point{look(2), look(3), look(6)})
	var ats []int64
	var queued []float64
	for _, p := range got {
		ats = append(ats, p.At.Unix()-1000)
		if p.Gauges == nil {
			queued = append(queued, -1)
		} else {
			queued = append(queued, p.Gauges.Queued)
		}
	}
	for i, want := range []float64{-1, 4, 6, -1, 12} {
		if len(got) != 5 || queued[i] != want || ats[i] != []int64{1, 2, 3, 5, 6}[i] {
			t.Fatalf("points %v have %v", ats, queued)
		}
	}
}

// A looker that is started looks by itself, and stops.
func TestLookerLooks(t *testing.T) {
	onBoth(t, func(t *testing.T, rdb redis.UniversalClient) {
		l := NewLooker(rdb, viewOf(rdb, time.Now), nil)
		l.Start(t.Context())
		defer l.Stop()
		wait, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for {
			if n, err := rdb.XLen(wait, secondsKey(installation)).Result(); err != nil {
				t.Fatal(err)
			} else if n > 0 {
				return
			}
		}
	})
}
