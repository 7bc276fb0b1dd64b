package logs

import (
	"context"

	"paragon/engine/batch"
)

// settler writes a lane's log for those who wait for it: they share round
// trips to the store.
type settler = batch.Group[struct{}, struct{}]

// maxSettled bounds how many wait for one write; it costs the same for all.
const maxSettled = 1 << 16

func newSettler(cursors []*cursor) *settler {
	return batch.NewGroup(maxSettled, 1, func(ctx context.Context, calls []struct{}) ([]struct{}, error) {
		for _, c := range cursors {
			if err := c.settle(ctx); err != nil {
				return nil, err
			}
		}
		return calls, nil
	})
}

// settle writes all that is in the stream. Another flusher that was first has
// written a part: then it is read from where that ends.
func (c *cursor) settle(ctx context.Context) error {
	for {
		if err := c.locate(ctx); err != nil {
			return err
		}
		if _, err := c.drain(ctx); err != nil || c.known {
			return err
		}
	}
}

// Settle returns once the store has all that was in a lane's log when Settle
// was called. It does not wait for Interval: where Redis ends with the process,
// what must not be lost is in the store before anything follows from it.
func (f *Flusher) Settle(ctx context.Context, lane int) error {
	_, err := f.lanes[lane].settler.Do(ctx, struct{}{})
	return err
}
