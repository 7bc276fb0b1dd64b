package queue

import "github.com/redis/go-redis/v9"

// Autopipeline makes a client on which the commands of concurrent goroutines
// share round trips: one batch is in flight, and what gathers meanwhile is the
// next. Close it before rdb. A context ends the wait for a connection, not
// for a command that was handed over.
//
// It is for scripts of many goroutines, such as checkpoints of concurrent
// runs: with Redis on the same two cores, 64 goroutines run 100,000 scripts a
// second instead of 56,000, and 256 run 138,000 instead of 53,000. With 16 it
// makes no difference, and fewer lose by the change of goroutines (4:
// 20,000 instead of 34,000). A Consumer of few lanes and a Client therefore do
// better on rdb itself (4 lanes: 13,000 bundles a second instead of 9,000;
// 16 lanes: the same); see the benchmarks.
//
// Batches stay half duplex and in order: on a short link, full duplex has no
// round trip to overlap.
func Autopipeline(rdb redis.UniversalClient) (*redis.AutoPipeliner, error) {
	return rdb.AutoPipelineWithOptions(&redis.AutoPipelineOptions{MaxBatchSize: 300, MaxConcurrentBatches: 1})
}
