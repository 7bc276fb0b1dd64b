// Package baseline measures what others do with the same Redis, so that
// benchmarks can give ratios taken on one machine in one run: asynq as it
// comes, with no log, no checkpoint and no bundle. Nothing but benchmarks
// imports it.
package baseline

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// RawAsynq enqueues tasks no-op tasks, then starts so many asynq servers in
// this process, one queue each, and returns how many tasks a second they
// complete. Servers are as asynq's documentation sets them up, with enough
// concurrency that their fetch loop is what limits them. It leaves nothing in
// Redis but asynq's counters. rdb stays the caller's; it needs a connection or
// two for each server.
func RawAsynq(ctx context.Context, rdb redis.UniversalClient, servers, tasks int) (perSecond float64, err error) {
	if servers < 1 || tasks < servers {
		return 0, errors.New("baseline: want at least one server and a task for each")
	}
	prefix := "baseline" + strconv.FormatInt(time.Now().UnixNano(), 36)
	client := asynq.NewClientFromRedisClient(rdb)
	queue := func(i int) string { return prefix + "-" + strconv.Itoa(i%servers) }
	if err := fill(ctx, client, tasks, queue); err != nil {
		return 0, err
	}
	defer clean(rdb, servers, queue)

	var left atomic.Int64
	left.Store(int64(tasks))
	done := make(chan struct{})
	handler := asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		if left.Add(-1) == 0 {
			close(done)
		}
		return nil
	})
	list := make([]*asynq.Server, servers)
	for i := range list {
		list[i] = asynq.NewServerFromRedisClient(rdb, asynq.Config{
			Concurrency: 32,
			Queues:      map[string]int{queue(i): 1},
			LogLevel:    asynq.FatalLevel,
		})
	}
	start := time.Now()
	for i, s := range list {
		if err := s.Start(handler); err != nil {
			shutdown(list[:i])
			return 0, err
		}
	}
	defer shutdown(list)
	select {
	case <-done:
		return float64(tasks) / time.Since(start).Seconds(), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("baseline: %d of %d tasks not done: %w", left.Load(), tasks, ctx.Err())
	}
}

// fill enqueues from several goroutines: a lone one would take longer than
// what is measured.
func fill(ctx context.Context, client *asynq.Client, tasks int, queue func(int) string) error {
	var (
		wg    sync.WaitGroup
		next  atomic.Int64
		mu    sync.Mutex
		first error
	)
	for range 32 {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= tasks {
					return
				}
				_, err := client.EnqueueContext(ctx, asynq.NewTask("noop", nil), asynq.Queue(queue(i)))
				if err != nil {
					mu.Lock()
					first = cmpOr(first, err)
					mu.Unlock()
					return
				}
			}
		})
	}
	wg.Wait()
	return first
}

func cmpOr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func shutdown(list []*asynq.Server) {
	var wg sync.WaitGroup
	for _, s := range list {
		wg.Go(s.Shutdown)
	}
	wg.Wait()
}

// clean removes what asynq keeps of a queue for 90 days.
func clean(rdb redis.UniversalClient, servers int, queue func(int) string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	inspector := asynq.NewInspectorFromRedisClient(rdb)
	for i := range servers {
		inspector.DeleteQueue(queue(i), true)
		rdb.Del(ctx,
			"asynq:{"+queue(i)+"}:processed",
			"asynq:{"+queue(i)+"}:processed:"+time.Now().UTC().Format("2006-01-02"))
	}
}
