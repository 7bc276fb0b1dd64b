package execution

import (
	"context"
	"sync"
	"sync/atomic"
)

// crew is the goroutines that segments run in. One that is done stays for the
// next: a new one begins with a small stack, and each run would pay for growing
// it.
type crew struct {
	next  chan func()
	spare atomic.Int32 // how many wait for something to do
	all   sync.WaitGroup
}

// maxSpare bounds how many goroutines wait: under load bundles begin and end in
// bursts of hundreds of runs. Stacks of all of them are some 8 MB.
const maxSpare = 1000

// hand has a goroutine do something. Goroutines stay until ctx ends.
func (c *crew) hand(ctx context.Context, do func()) {
	select {
	case c.next <- do:
	default:
		c.all.Go(func() { c.work(ctx, do) })
	}
}

func (c *crew) work(ctx context.Context, do func()) {
	for do != nil {
		do()
		do = c.await(ctx)
	}
}

// await returns what there is to do next; nil when there are enough who wait.
func (c *crew) await(ctx context.Context) func() {
	defer c.spare.Add(-1)
	if c.spare.Add(1) > maxSpare {
		return nil
	}
	select {
	case do := <-c.next:
		return do
	case <-ctx.Done():
		return nil
	}
}

// wait returns once all goroutines have ended. Their context has, and nothing
// is handed in any more.
func (c *crew) wait() { c.all.Wait() }
