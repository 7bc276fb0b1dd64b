package interpret

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"paragon/workflows"
)

// backoff is the wait after a failed attempt: exponential, bounded, with
// jitter ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015). The
// random part comes from the seed and the attempt alone, so that a replay
// waits as long.
func backoff(p *workflows.Retry, attempt int, seed string) time.Duration {
	interval := float64(p.InitialInterval) * math.Pow(p.Multiplier, float64(attempt-1))
	if !(interval < float64(p.MaxInterval)) { // also when it overflowed
		interval = float64(p.MaxInterval)
	}
	switch p.Jitter {
	case "none":
	case "equal":
		interval = interval/2 + draw(seed, attempt)*interval/2
	default:
		interval *= draw(seed, attempt)
	}
	return time.Duration(interval)
}

// draw is a number in [0, 1) that depends on its arguments alone.
func draw(seed string, attempt int) float64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(seed)) // never fails
	_, _ = h.Write([]byte(strconv.Itoa(attempt)))
	return rand.New(rand.NewPCG(h.Sum64(), uint64(attempt))).Float64()
}
