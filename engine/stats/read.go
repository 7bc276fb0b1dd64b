package stats

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// How long points are kept.
const (
	keepBySecond = time.Hour
	keepByMinute = 7 * 24 * time.Hour
)

// field is the one field of a stream's entry.
const field = "c"

// Each project has a slot of its own: nothing here is written in one step with
// anything else.
func secondsKey(project string) string { return "paragon:{stats/" + project + "}:1s" }
func minutesKey(project string) string { return "paragon:{stats/" + project + "}:1m" }

// Half is how often recorders write, and the shortest event of a stream: so
// that what happened is on a screen within a second.
const Half = Second / 2

// settle makes a second of an entry's time: it is written when a half of the
// second ends, and has Redis' time of that moment, which may be off by as much
// in either direction.
const settle = Half / 2

// Point is what was counted in a while.
type Point struct {
	// At is when the while began.
	At  time.Time
	Set Set
}

// Reader reads what recorders wrote.
type Reader struct {
	rdb redis.UniversalClient
}

// NewReader makes a reader on rdb, which stays the caller's.
func NewReader(rdb redis.UniversalClient) *Reader { return &Reader{rdb: rdb} }

// Steps a Reader has points of.
const (
	Second = time.Second
	Minute = time.Minute
)

// Points returns what was counted from one time to another, in steps of a
// second or of a minute, oldest first; whiles in which nothing was counted are
// left out. Seconds are kept for an hour, minutes for a week. The current while
// is there as far as it was written.
func (r *Reader) Points(ctx context.Context, project string, step time.Duration, from, to time.Time) ([]Point, error) {
	if step == Minute {
		return r.minutes(ctx, project, from, to)
	}
	return r.read(ctx, secondsKey(project), Second, settle, from, to)
}

// minutes reads the minutes that are made up, and makes up those that are not
// from their seconds.
func (r *Reader) minutes(ctx context.Context, project string, from, to time.Time) ([]Point, error) {
	points, err := r.read(ctx, minutesKey(project), Minute, 0, from, to)
	if err != nil {
		return nil, err
	}
	rest := from
	if n := len(points); n > 0 {
		rest = points[n-1].At.Add(Minute)
	}
	seconds, err := r.read(ctx, secondsKey(project), Second, settle, rest, to)
	if err != nil {
		return nil, err
	}
	return append(points, coarser(seconds)...), nil
}

// coarser makes minutes of seconds.
func coarser(seconds []Point) []Point {
	var points []Point
	for _, p := range seconds {
		at := p.At.Truncate(Minute)
		if n := len(points); n == 0 || !points[n-1].At.Equal(at) {
			points = append(points, Point{At: at, Set: Set{}})
		}
		points[len(points)-1].Set.Merge(p.Set)
	}
	return points
}

// readPage is how many entries are read at a time.
const readPage = 1000

func (r *Reader) read(ctx context.Context, key string, step, late time.Duration, from, to time.Time) ([]Point, error) {
	points, _, err := r.entries(ctx, key, step, late, idAt(from.Truncate(step).Add(late)), "("+idAt(to.Add(late)))
	return points, err
}

// entries reads the entries from one id to another, and returns the last one's
// id, too, or start when there is none.
func (r *Reader) entries(ctx context.Context, key string, step, late time.Duration, start, end string) (points []Point, last string, err error) {
	last = start
	for {
		entries, err := r.rdb.XRangeN(ctx, key, start, end, readPage).Result()
		if err != nil {
			return nil, "", fmt.Errorf("read statistics: %w", err)
		}
		for _, e := range entries {
			at, err := timeOf(e.ID)
			if err != nil {
				return nil, "", err
			}
			at = at.Add(-late).Truncate(step)
			raw, _ := e.Values[field].(string)
			set, err := parseSet(raw)
			if err != nil {
				return nil, "", fmt.Errorf("read statistics: entry %s of %s: %w", e.ID, key, err)
			}
			if n := len(points); n == 0 || !points[n-1].At.Equal(at) {
				points = append(points, Point{At: at, Set: Set{}})
			}
			points[len(points)-1].Set.Merge(set)
		}
		if n := len(entries); n > 0 {
			last = "(" + entries[n-1].ID
			start = last
		}
		if len(entries) < readPage {
			return points, last, nil
		}
	}
}

// idAt is the least id of a time.
func idAt(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// timeOf is the time in a stream's id.
func timeOf(id string) (time.Time, error) {
	text, _, _ := strings.Cut(id, "-")
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("read statistics: the id %q has no time: %w", id, err)
	}
	return time.UnixMilli(ms).UTC(), nil
}
