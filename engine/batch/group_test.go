package batch_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"paragon/engine/batch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCallsShareTheNextTrip(t *testing.T) {
	var mu sync.Mutex
	var sizes []int
	first, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	g := batch.NewGroup(100, 1, func(_ context.Context, reqs []int) ([]int, error) {
		once.Do(func() { close(first); <-release })
		mu.Lock()
		sizes = append(sizes, len(reqs))
		mu.Unlock()
		out := make([]int, len(reqs))
		for i, r := range reqs {
			out[i] = r * 2
		}
		return out, nil
	})
	var wg sync.WaitGroup
	call := func(i int) {
		defer wg.Done()
		got, err := g.Do(context.Background(), i)
		if err != nil || got != 2*i {
			t.Errorf("Do(%d) = %d, %v; want %d", i, got, err, 2*i)
		}
	}
	wg.Add(1)
	go call(0)
	<-first
	entered := make(chan struct{}, 50)
	for i := 1; i <= 50; i++ {
		wg.Add(1)
		go func() { entered <- struct{}{}; call(i) }()
	}
	for range 50 {
		<-entered
	}
	close(release)
	wg.Wait()
	if err := g.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, n := range sizes {
		total += n
	}
	if sizes[0] != 1 || total != 51 || len(sizes) > 51 {
		t.Errorf("trips of %v calls; want the first alone and 51 in all", sizes)
	}
}

func TestATripIsBounded(t *testing.T) {
	var mu sync.Mutex
	var sizes []int
	g := batch.NewGroup(4, 2, func(_ context.Context, reqs []int) ([]int, error) {
		mu.Lock()
		sizes = append(sizes, len(reqs))
		mu.Unlock()
		return reqs, nil
	})
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if _, err := g.Do(context.Background(), i); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	if biggest := slices.Max(sizes); biggest > 4 {
		t.Errorf("a trip of %d calls; want at most 4", biggest)
	}
}

func TestErrors(t *testing.T) {
	boom := errors.New("boom")
	g := batch.NewGroup(4, 1, func(context.Context, []int) ([]int, error) { return nil, boom })
	if _, err := g.Do(context.Background(), 1); !errors.Is(err, boom) {
		t.Errorf("got %v; want the error of the trip", err)
	}
	short := batch.NewGroup(4, 1, func(context.Context, []int) ([]int, error) { return nil, nil })
	if _, err := short.Do(context.Background(), 1); err == nil {
		t.Error("a missing answer is no error")
	}
	if err := g.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Do(context.Background(), 1); !errors.Is(err, batch.ErrStopped) {
		t.Errorf("after Stop got %v; want ErrStopped", err)
	}
}

func TestACallerThatLeavesDisturbsNobody(t *testing.T) {
	release := make(chan struct{})
	g := batch.NewGroup(4, 1, func(_ context.Context, reqs []int) ([]int, error) { <-release; return reqs, nil })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := g.Do(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v; want context.Canceled", err)
	}
	close(release)
	if got, err := g.Do(context.Background(), 2); got != 2 || err != nil {
		t.Errorf("got %d, %v", got, err)
	}
	if err := g.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
}
