package stats

import (
	"math/bits"
	"time"
)

// A Histogram counts durations in buckets that grow with what they hold: eight
// to an octave, so that a value read back is off by 6.25 % at most. It is a
// sparse count, from a bucket to how often; histograms add up by adding counts.
type Histogram map[int]int64

// steps is how many buckets an octave has, as a power of two.
const stepBits = 3

// bucketOf is the bucket of a duration, which is counted in microseconds.
func bucketOf(d time.Duration) int {
	v := uint64(max(d.Microseconds(), 0))
	if v < 1<<stepBits {
		return int(v)
	}
	octave := bits.Len64(v) - 1
	return (octave-stepBits+1)<<stepBits + int(v>>(octave-stepBits))&(1<<stepBits-1)
}

// lowerOf is the least duration of a bucket.
func lowerOf(bucket int) time.Duration {
	if bucket < 1<<stepBits {
		return time.Duration(bucket) * time.Microsecond
	}
	octave := bucket>>stepBits + stepBits - 1
	v := uint64(1<<stepBits|bucket&(1<<stepBits-1)) << (octave - stepBits)
	return time.Duration(v) * time.Microsecond
}

// Add counts a duration.
func (h Histogram) Add(d time.Duration) { h[bucketOf(d)]++ }

// Merge adds another histogram's counts.
func (h Histogram) Merge(other Histogram) {
	for b, n := range other {
		h[b] += n
	}
}

// Count is how many durations were counted.
func (h Histogram) Count() (n int64) {
	for _, c := range h {
		n += c
	}
	return n
}

// Below is how many of what was counted are shorter than a duration, which is
// exact for powers of two of microseconds: there a bucket ends.
func (h Histogram) Below(d time.Duration) (n int64) {
	for b, c := range h {
		if lowerOf(b) < d {
			n += c
		}
	}
	return n
}

// Quantile returns the duration that a part q (0 to 1) of what was counted does
// not exceed, as the middle of its bucket: off by 6.25 % at most; 0 of nothing.
func (h Histogram) Quantile(q float64) time.Duration {
	total := h.Count()
	if total == 0 {
		return 0
	}
	rank := min(int64(q*float64(total)), total-1)
	highest := 0
	for b := range h {
		highest = max(highest, b)
	}
	for b := 0; b <= highest; b++ {
		if rank -= h[b]; rank < 0 {
			return (lowerOf(b) + lowerOf(b+1)) / 2
		}
	}
	return lowerOf(highest)
}
