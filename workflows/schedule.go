package workflows

import (
	"fmt"
	"strings"
	"time"

	cron "github.com/netresearch/go-cron"
)

// Schedule says when a cron trigger is due.
type Schedule interface {
	// Next is the first time after t, or the zero time when there is none in
	// the next years.
	Next(t time.Time) time.Time
}

// scheduleParser reads five fields, six with seconds in front, or a name. A
// time matches when the day of month or the day of week does, if both are
// given: as in cron(8).
var scheduleParser = cron.MustNewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor | cron.DowOrDom)

// searchYears is how far ahead a schedule is looked for: 29 February comes every
// eight years around 1900 and 2100.
const searchYears = 9

// ParseSchedule reads the schedule of a cron trigger in a time zone (an IANA
// name; empty is UTC). The engine fires by the same function that checks.
//
// A schedule is about the clock on the wall of its zone. Where that clock is put
// forward or back, this is the rule:
//
//   - A time that the clock skips is due at the moment it is put forward. Several
//     skipped times of one schedule are due once, together. In Europe/Berlin,
//     "30 2 * * *" is due at 03:00 on the last Sunday of March, which is when 02:00
//     would have been.
//   - A time that the clock shows twice is due the first time only: "30 2 * * *" is
//     due once on the last Sunday of October.
//   - A schedule with every hour (* in the hour field) is about intervals, not
//     about times of the day: nothing of it is made up for, and nothing is left
//     out. "*/15 * * * *" is due every 15 minutes of real time throughout.
//   - "@every 90m" is real time in any case: it is due whenever a multiple of 90
//     minutes has passed since 1970 began in UTC, so that no start of a process
//     moves it.
//
// So a schedule of a time of day is due once each day, whatever the clocks do.
func ParseSchedule(schedule, timezone string) (Schedule, error) {
	s := strings.TrimSpace(schedule)
	if strings.HasPrefix(s, "TZ=") || strings.HasPrefix(s, "CRON_TZ=") {
		return nil, fmt.Errorf("the time zone belongs into timezone, not into the schedule")
	}
	zone := time.UTC
	if timezone != "" {
		var err error
		if zone, err = loadZone(timezone); err != nil {
			return nil, err
		}
	}
	parsed, err := scheduleParser.Parse("CRON_TZ=UTC " + s)
	if err != nil {
		return nil, fmt.Errorf("%q is not a schedule: %s", shorten(schedule, 60), strings.TrimPrefix(err.Error(), "cron: "))
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		if every, ok := parsed.(cron.ConstantDelaySchedule); ok && every.Delay >= time.Second {
			return everySchedule(every.Delay), nil
		}
		return nil, fmt.Errorf("%q is not a schedule", shorten(schedule, 60))
	}
	spec.MaxSearchYears = searchYears
	if spec.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, fmt.Errorf("%q is not a schedule: no such day exists", shorten(schedule, 60))
	}
	const everyHour = 1<<24 - 1
	return &wallSchedule{spec: spec, zone: zone, interval: spec.Hour&everyHour == everyHour}, nil
}

// An everySchedule is due at the multiples of a time since 1970 began in UTC.
type everySchedule time.Duration

// Next implements Schedule.
func (d everySchedule) Next(t time.Time) time.Time {
	period := int64(time.Duration(d) / time.Second)
	n := t.Unix() / period
	if t.Unix()%period < 0 {
		n--
	}
	return time.Unix((n+1)*period, 0).In(t.Location())
}

// A wallSchedule is a schedule of the clock on the wall of a zone.
type wallSchedule struct {
	spec *cron.SpecSchedule // of wall times, as if they were in UTC
	zone *time.Location
	// interval says that every hour matches.
	interval bool
}

// Next implements Schedule. It goes from one change of the zone's offset to the
// next, since between two of them wall time is real time and an offset.
func (s *wallSchedule) Next(t time.Time) time.Time {
	out := t.Location()
	at := t.In(s.zone)
	for range 8 * searchYears { // a zone has two changes a year, some have four
		_, end := at.ZoneBounds()
		if !end.IsZero() && !end.After(at) {
			// Beyond its table, the library takes each year for a stretch of its
			// own, and the last day of a leap year for one past its end.
			end = at.Add(36 * time.Hour)
		}
		_, offset := at.Zone()
		due := s.within(at, offset)
		if due.IsZero() || end.IsZero() || due.Before(end) {
			return due.In(out)
		}
		// The offset changes before that: to what the clock shows then, and
		// perhaps past some of what it would have shown.
		_, after := end.Zone()
		shown := wall(end, after)
		first := shown
		if !s.interval {
			first = wall(end, min(offset, after))
		}
		if w := s.spec.Next(first.Add(-time.Nanosecond)); !w.IsZero() && !w.After(shown) && (s.interval || after >= offset) {
			return end.In(out)
		}
		at = end
	}
	return time.Time{}
}

// within is the first time after at if the offset never changed, passing over
// what the clock shows for the second time.
func (s *wallSchedule) within(at time.Time, offset int) time.Time {
	w := wall(at, offset)
	for {
		if w = s.spec.Next(w); w.IsZero() {
			return w
		}
		if s.interval || !s.repeated(at, w) {
			return w.Add(-time.Duration(offset) * time.Second)
		}
	}
}

// repeated tells whether a wall time in the same stretch of the zone as at was
// shown in the stretch before, too.
func (s *wallSchedule) repeated(at, w time.Time) bool {
	start, _ := at.ZoneBounds()
	if start.IsZero() {
		return false
	}
	_, before := start.Add(-time.Nanosecond).In(s.zone).Zone()
	_, offset := at.Zone()
	return before > offset && w.Before(wall(start, before))
}

// wall is what the clock shows at t under an offset from UTC in seconds, as if it
// were in UTC.
func wall(t time.Time, offset int) time.Time {
	return t.UTC().Add(time.Duration(offset) * time.Second)
}
