package tui

import (
	"fmt"
	"strconv"
	"time"
)

// short is a length of time in two units at most ("12 s", "3m 20s", "2d 4h").
func short(d time.Duration) string {
	d = max(d, 0)
	switch s := int(d / time.Second); {
	case s < 60:
		return fmt.Sprintf("%d s", s)
	case s < 3600:
		return fmt.Sprintf("%dm %02ds", s/60, s%60)
	case s < 48*3600:
		return fmt.Sprintf("%dh %02dm", s/3600, s/60%60)
	default:
		return fmt.Sprintf("%dd %dh", s/86400, s/3600%24)
	}
}

// age is how long ago, in one unit ("12s", "3m").
func age(now, at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	switch d := max(now.Sub(at), 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}

// length is a duration with three digits that matter ("1.24s", "830ms").
func length(d time.Duration) string {
	switch d = max(d, 0); {
	case d == 0:
		return "0s"
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	default:
		return d.Round(time.Second).String()
	}
}

// clock is a time of day in UTC, with the date when it is not today's.
func clock(now, at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	at = at.UTC()
	if now.UTC().Format(time.DateOnly) == at.Format(time.DateOnly) {
		return at.Format("15:04:05.000Z")
	}
	return at.Format("2006-01-02 15:04:05Z")
}

// count is a number with commas ("12,345").
func count[N int | int64 | uint64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural is a count with its noun ("1 run", "12,345 runs").
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}
