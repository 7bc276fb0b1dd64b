package logs

import (
	"context"
	"strings"

	"github.com/redis/go-redis/v9"

	"paragon/engine/store"
)

const (
	// waitingScan and waitingBytes bound how much of a stream Waiting looks at:
	// with the store away for long, it grows to millions of rows.
	waitingScan, waitingBytes = 2000, 64 << 20
	// waitingAtOnce is how many entries it reads at once.
	waitingAtOnce = 50
)

// Waiting returns the step records of a run that are in a lane's log and not
// yet in the store, in no order. Of each stream it looks at the newest entries
// only: at most 2,000, and 64 MiB or a little more.
func Waiting(ctx context.Context, rdb redis.UniversalClient, lane int, run string) ([]store.StepRow, error) {
	var batch store.LogBatch
	for _, s := range streamsOf(lane) {
		if err := s.find(ctx, rdb, run, &batch); err != nil {
			return nil, err
		}
	}
	return batch.Steps, nil
}

// find appends the step records of a run that are in the stream.
func (s stream) find(ctx context.Context, rdb redis.UniversalClient, run string, batch *store.LogBatch) error {
	to := "+"
	for seen, bytes := 0, 0; seen < waitingScan && bytes < waitingBytes; seen += waitingAtOnce {
		entries, err := readEntries(ctx, rdb, "XREVRANGE", s.key(), to, "-", "COUNT", waitingAtOnce)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			bytes += entry.bytes()
			to = "(" + entry.id
			for row, err := range s.form(entry.fields) {
				if err != nil || !strings.HasPrefix(row.Key, "s ") || !strings.Contains(row.Key, " "+run+" ") {
					continue // the flusher tells of what can't be read
				}
				if err := appendRow(batch, row); err != nil {
					return err
				}
			}
		}
		if len(entries) < waitingAtOnce {
			break
		}
	}
	return nil
}
