package output

import (
	"fmt"
	"time"
)

// Age is how long ago a time was, in its largest unit ("3m", "2d"); "-" for no
// time.
func Age(now, at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	d := now.Sub(at)
	if d < 0 {
		d = 0
	}
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// Length is a duration with three digits that matter ("1.24s", "830ms").
func Length(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// Moment is a time of day in UTC to the millisecond ("09:05:00.250Z").
func Moment(at time.Time) string { return at.UTC().Format("15:04:05.000Z") }

// Clock is a time of day in UTC with the date ("2026-01-31 09:05:00Z"); "-"
// for no time.
func Clock(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.UTC().Format("2006-01-02 15:04:05Z")
}
