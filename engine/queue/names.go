package queue

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"paragon/schema"
)

// Priority orders what waits; the empty one is schema.PriorityNormal.
type Priority = schema.Priority

// Priorities lists all priorities, the most urgent first.
func Priorities() []Priority {
	return []Priority{schema.PriorityHigh, schema.PriorityNormal, schema.PriorityLow}
}

// Target is one queue: a lane and a priority in it.
type Target struct {
	Lane     int
	Priority Priority
}

// String shows the target as "3/high".
func (t Target) String() string {
	return strconv.Itoa(t.Lane) + "/" + string(t.normal().Priority)
}

// normal replaces the empty priority with the one it stands for, so that both
// spellings are one queue.
func (t Target) normal() Target {
	if t.Priority == "" {
		t.Priority = schema.PriorityNormal
	}
	return t
}

func (t Target) check() error {
	if t.Lane < 0 {
		return fmt.Errorf("queue: lane %d: lanes are numbered from 0", t.Lane)
	}
	switch t.normal().Priority {
	case schema.PriorityHigh, schema.PriorityNormal, schema.PriorityLow:
		return nil
	}
	return fmt.Errorf("queue: priority %q: want high, normal or low", t.Priority)
}

// Targets lists every priority of the lanes, in the lanes' order and the most
// urgent first.
func Targets(lanes []int) []Target {
	ts := make([]Target, 0, len(lanes)*3)
	for _, lane := range lanes {
		for _, p := range Priorities() {
			ts = append(ts, Target{Lane: lane, Priority: p})
		}
	}
	return ts
}

// Lanes lists the lanes 0 to n-1.
func Lanes(n int) []int {
	lanes := make([]int, max(n, 0))
	for i := range lanes {
		lanes[i] = i
	}
	return lanes
}

// Key names a key of ours: "paragon:{<lane tag>}:<parts joined by colons>".
// All keys of one lane, and asynq's keys of its queues, are in one Redis
// Cluster slot, so a script may touch any of them.
func Key(lane int, parts ...string) string {
	n := len("paragon:{}") + 4
	for _, p := range parts {
		n += 1 + len(p)
	}
	var b strings.Builder
	b.Grow(n)
	b.WriteString("paragon:{")
	b.WriteString(tag(lane))
	b.WriteByte('}')
	for _, p := range parts {
		b.WriteByte(':')
		b.WriteString(p)
	}
	return b.String()
}

// LaneOf chooses a lane for a new id from a string that stands for it, such as
// an idempotency key: the same string and number of lanes always give the same
// lane. A lane that was chosen earlier is part of what was stored; it is never
// computed again, since the number of lanes may have changed. Without lanes it
// is 0.
func LaneOf(id string, lanes int) int {
	if lanes <= 1 {
		return 0
	}
	// FNV-1a, then the finalizer of splitmix64: FNV alone leaves the low bits
	// of short, similar strings correlated.
	h := uint64(14695981039346656037)
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	h ^= h >> 30
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 27
	h *= 0x94d049bb133111eb
	h ^= h >> 31
	return int(h % uint64(lanes))
}

// TimersKey names the sorted set of a lane's timers. Scores are milliseconds
// of Unix time; members are the caller's.
func TimersKey(lane int) string { return Key(lane, "timers") }

// TimerChannel names the pub/sub channel that tells Timers of a timer that is
// earlier than all others of its lane. A script publishes TimerRing's text on
// it, in Lua: redis.call("PUBLISH", channel, lane .. " " .. ms).
func TimerChannel(lane int) string { return Key(lane, "timers", "bell") }

// TimerRing is the message for TimerChannel: "<lane> <unix milliseconds>".
func TimerRing(lane int, at time.Time) string {
	return strconv.Itoa(lane) + " " + strconv.FormatInt(at.UnixMilli(), 10)
}

// parseTimerRing reads TimerRing's text.
func parseTimerRing(s string) (lane int, at time.Time, ok bool) {
	l, m, found := strings.Cut(s, " ")
	if !found {
		return 0, time.Time{}, false
	}
	lane, err := strconv.Atoi(l)
	if err != nil {
		return 0, time.Time{}, false
	}
	// Lua writes large numbers as 1.7e+12 when a script forgot to format them.
	ms, err := strconv.ParseFloat(m, 64)
	if err != nil || !(ms >= 0 && ms <= maxTimerMillis) { // NaN is neither
		return 0, time.Time{}, false
	}
	return lane, time.UnixMilli(int64(ms)), true
}

// maxTimerMillis is the largest integer that a sorted set's score, a double,
// holds exactly.
const maxTimerMillis = 1 << 53

// bellChannel names the pub/sub channel on which a lane's enqueues ring. The
// message is the priority, or bellAll.
func bellChannel(lane int) string { return Key(lane, "bell") }

// bellAll as a message rings every priority of a lane.
const bellAll = "*"
