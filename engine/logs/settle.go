package logs

import (
	"context"

	"paragon/engine/batch"
	"paragon/engine/store"
)

// settler writes a lane's log for those who wait for it: they share round
// trips to the store.
type settler = batch.Group[struct{}, struct{}]

// maxSettled bounds how many wait for one write; it costs the same for all.
const maxSettled = 1 << 16

func (f *Flusher) newSettler(lane int) *settler {
	mark, known := store.LogMark{}, false
	return batch.NewGroup(maxSettled, 1, func(ctx context.Context, calls []struct{}) (done []struct{}, err error) {
		// Less than a full batch reached the end of the log. Another flusher that
		// was first has written a part: then it is read from where that ends.
		for n := f.opts.BatchRows; !known || n >= f.opts.BatchRows; {
			if !known {
				if mark, err = f.opts.Store.LogPosition(ctx, StreamKey(lane)); err != nil {
					return nil, err
				}
			}
			n, mark, known, err = f.flush(ctx, lane, mark)
			if err != nil {
				known = false
				return nil, err
			}
		}
		return calls, nil
	})
}

// Settle returns once the store has all that was in a lane's log when Settle
// was called. It does not wait for Interval: where Redis ends with the process,
// what must not be lost is in the store before anything follows from it.
func (f *Flusher) Settle(ctx context.Context, lane int) error {
	_, err := f.settlers[lane].Do(ctx, struct{}{})
	return err
}
