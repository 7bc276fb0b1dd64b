package queue

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/queue/baseline"
	"paragon/engine/servicetest"
)

// BenchmarkIdleLatency is the time from the call of Enqueue to the handler on
// an idle system, and what of it is the enqueue itself; a PING is the floor.
func BenchmarkIdleLatency(b *testing.B) {
	for _, auto := range []bool{false, true} {
		b.Run(fmt.Sprintf("autopipeline=%v", auto), func(b *testing.B) {
			rdb := benchClient(b, auto)
			got := make(chan time.Time, 1)
			c := consume(b, rdb, ConsumerOptions{Lanes: Lanes(4), Handler: func(context.Context, Bundle) error {
				got <- time.Now()
				return nil
			}})
			idle(b, c)
			client := producerOf(b, rdb, ClientOptions{})
			ctx := context.Background()
			var pings, starts []time.Duration
			for b.Loop() {
				t := time.Now()
				rdb.Ping(ctx)
				pings = append(pings, time.Since(t))
				n := c.Stats().Empty
				t = time.Now()
				if err := client.Enqueue(ctx, Target{Lane: 1}, "01JC0000000000000000000000"); err != nil {
					b.Fatal(err)
				}
				starts = append(starts, (<-got).Sub(t))
				for c.Stats().Empty == n { // until the queue is held again
					runtime.Gosched()
				}
			}
			b.ReportMetric(0, "ns/op")
			report(b, "ping", pings)
			report(b, "start", starts)
		})
	}
}

func report(b *testing.B, name string, ds []time.Duration) {
	slices.Sort(ds)
	at := func(q float64) float64 { return float64(ds[int(q*float64(len(ds)-1))].Microseconds()) }
	b.ReportMetric(at(0.5), name+"-p50-µs")
	b.ReportMetric(at(0.99), name+"-p99-µs")
}

func benchClient(b *testing.B, auto bool) redis.UniversalClient {
	rdb := connect(b, servicetest.Redis(b))
	if !auto {
		return rdb
	}
	ap, err := Autopipeline(rdb)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { ap.Close() })
	return ap
}

// BenchmarkThroughput moves ids from concurrent callers of Enqueue to handlers,
// everything in one process.
func BenchmarkThroughput(b *testing.B) {
	for _, callers := range []int{1, 16, 256} {
		for _, auto := range []bool{false, true} {
			b.Run(fmt.Sprintf("callers=%d/autopipeline=%v", callers, auto), func(b *testing.B) {
				rdb := benchClient(b, auto)
				var left atomic.Int64
				left.Store(int64(b.N))
				done := make(chan struct{})
				c := consume(b, rdb, ConsumerOptions{Lanes: Lanes(4), Handler: func(_ context.Context, bundle Bundle) error {
					if left.Add(-int64(len(bundle.IDs))) == 0 {
						close(done)
					}
					return nil
				}})
				idle(b, c)
				client := producerOf(b, rdb, ClientOptions{})
				b.ResetTimer()
				produce(b, client, callers, b.N)
				<-done
				b.StopTimer()
				_, bundles := client.Enqueued()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ids/s")
				b.ReportMetric(float64(b.N)/float64(bundles), "ids/bundle")
			})
		}
	}
}

func produce(b *testing.B, client *Client, callers, n int) {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range callers {
		wg.Go(func() {
			for {
				i := next.Add(1)
				if i > int64(n) {
					return
				}
				if err := client.Enqueue(context.Background(), Target{Lane: int(i % 4)}, fmt.Sprintf("01JC%022d", i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkDrain fetches bundles of one id that wait already: the cost of
// asynq's own way, a fetch loop for each of so many queues.
func BenchmarkDrain(b *testing.B) {
	for _, lanes := range []int{1, 4, 16} {
		for _, auto := range []bool{false, true} {
			b.Run(fmt.Sprintf("lanes=%d/autopipeline=%v", lanes, auto), func(b *testing.B) {
				rdb := benchClient(b, auto)
				client := producerOf(b, rdb, ClientOptions{MaxBundle: 1})
				for lane := range lanes {
					if err := client.Enqueue(context.Background(), Target{Lane: lane}, ids("x", b.N/lanes+1)...); err != nil {
						b.Fatal(err)
					}
				}
				var left atomic.Int64
				left.Store(int64(b.N))
				done := make(chan struct{})
				b.ResetTimer()
				consume(b, rdb, ConsumerOptions{Lanes: Lanes(lanes), Handler: func(context.Context, Bundle) error {
					if left.Add(-1) == 0 {
						close(done)
					}
					return nil
				}})
				<-done
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "bundles/s")
			})
		}
	}
}

// BenchmarkScripts is what execution does: many goroutines, each a script at a
// time.
func BenchmarkScripts(b *testing.B) {
	script := redis.NewScript(`redis.call("HSET", KEYS[1], "a", ARGV[1]) return redis.call("INCR", KEYS[2])`)
	for _, callers := range []int{1, 4, 16, 64, 256} {
		for _, auto := range []bool{false, true} {
			b.Run(fmt.Sprintf("callers=%d/autopipeline=%v", callers, auto), func(b *testing.B) {
				rdb := benchClient(b, auto)
				ctx := context.Background()
				var wg sync.WaitGroup
				var next atomic.Int64
				for range callers {
					wg.Go(func() {
						for next.Add(1) <= int64(b.N) {
							if err := script.Run(ctx, rdb, []string{Key(0, "h"), Key(0, "n")}, "some bytes of a step's result").Err(); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "scripts/s")
			})
		}
	}
}

// BenchmarkRawAsynq is the floor that others are measured against.
func BenchmarkRawAsynq(b *testing.B) {
	for _, servers := range []int{1, 16} {
		b.Run(fmt.Sprintf("servers=%d", servers), func(b *testing.B) {
			rdb := connectWith(b, servicetest.Redis(b), RedisOptions{PoolSize: 64})
			n := max(b.N, servers)
			rate, err := baseline.RawAsynq(context.Background(), rdb, servers, n)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(rate, "tasks/s")
		})
	}
}
