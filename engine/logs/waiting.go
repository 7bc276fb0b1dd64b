package logs

import (
	"context"
	"strings"

	"github.com/redis/go-redis/v9"

	"paragon/engine/store"
)

// waitingScan bounds how many entries Waiting looks at: with the store away
// for long, a stream grows to millions of rows.
const waitingScan = 2000

// Waiting returns the step records of a run that are in a lane's log and not
// yet in the store, newest entries first looked at, at most waitingScan.
func Waiting(ctx context.Context, rdb redis.UniversalClient, lane int, run string) ([]store.StepRow, error) {
	var batch store.LogBatch
	to := "+"
	for seen := 0; seen < waitingScan; {
		entries, err := rdb.XRevRangeN(ctx, StreamKey(lane), to, "-", 200).Result()
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			for key, value := range entry.Values {
				text, ok := value.(string)
				if !ok || !strings.HasPrefix(key, "s ") || !strings.Contains(key, " "+run+" ") {
					continue
				}
				if err := appendRow(&batch, key, text); err != nil {
					return nil, err
				}
			}
		}
		if len(entries) < 200 {
			break
		}
		seen += len(entries)
		to = "(" + entries[len(entries)-1].ID
	}
	return batch.Steps, nil
}
