package workflows

import (
	"fmt"
	"strings"
	"time"

	"paragon/schema"
)

type (
	timeOf  = func(any) time.Time
	timeOf2 = func(any, string) time.Time
)

var timeFunctions = []Function{
	{Name: "now", Group: "time", Signature: "now() time", Doc: "Is the time of the evaluation, in UTC; the same when a step is evaluated again.",
		Example: `formatDate(now(), "2006")`, Result: `"2024"`, types: sig((*func() time.Time)(nil)), run: func(c *call, _ []any) (any, error) { return c.now.UTC(), nil }},
	{Name: "date", Group: "time", Signature: "date(value, layout or zone?, zone?) time", Doc: "Reads a time: RFC 3339 or another usual form of text, a Unix time in seconds, or a layout as in Go; text without an offset is in the zone (default UTC).",
		Example: `date("2024-03-31 02:30:00", "Europe/Berlin")`, Result: `"2024-03-31T03:30:00+02:00"`,
		types: sig((*timeOf)(nil), (*timeOf2)(nil), (*func(any, string, string) time.Time)(nil)), run: dateOf},
	{Name: "formatDate", Group: "time", Signature: "formatDate(time, layout, zone?) text", Doc: "Writes a time by a layout as in Go (2006-01-02 15:04:05) or by name: date, time, datetime, rfc3339, rfc1123, iso.",
		Example: `formatDate("2024-05-06T07:08:09Z", "02.01.2006 15:04", "Europe/Berlin")`, Result: `"06.05.2024 09:08"`,
		types: sig((*func(any, string) string)(nil), (*func(any, string, string) string)(nil)), run: formatDate},
	{Name: "addDuration", Group: "time", Signature: "addDuration(time, duration) time", Doc: "Is a later time; a duration with - in front makes it an earlier one.",
		Example: `addDuration("2024-02-28T00:00:00Z", "1d12h")`, Result: `"2024-02-29T12:00:00Z"`, types: sig((*func(any, any) time.Time)(nil)), run: addDuration},
	{Name: "addDate", Group: "time", Signature: "addDate(time, years, months, days) time", Doc: "Adds to the calendar date; what exceeds a month flows over into the next.",
		Example: `addDate("2024-01-31T00:00:00Z", 0, 0, 1)`, Result: `"2024-02-01T00:00:00Z"`, types: sig((*func(any, int, int, int) time.Time)(nil)), run: addDate},
	{Name: "inZone", Group: "time", Signature: "inZone(time, zone) time", Doc: "Is the same time on the clocks of a zone (IANA name).",
		Example: `inZone("2024-07-01T00:00:00Z", "Asia/Tokyo")`, Result: `"2024-07-01T09:00:00+09:00"`, types: sig((*timeOf2)(nil)), run: inZone},
	{Name: "startOf", Group: "time", Signature: "startOf(time, unit) time", Doc: "Is the beginning of the minute, hour, day, week (Monday), month or year, in the time's own zone.",
		Example: `startOf("2024-05-15T10:11:12Z", "week")`, Result: `"2024-05-13T00:00:00Z"`, types: sig((*timeOf2)(nil)), run: startOf},
	{Name: "unix", Group: "time", Signature: "unix(time) int", Doc: "Is the Unix time in seconds.",
		Example: `unix("1970-01-02T00:00:00Z")`, Result: `86400`, types: sig((*func(any) int)(nil)), run: unixOf(time.Second)},
	{Name: "unixMilli", Group: "time", Signature: "unixMilli(time) int", Doc: "Is the Unix time in milliseconds.",
		Example: `unixMilli("1970-01-01T00:00:01.5Z")`, Result: `1500`, types: sig((*func(any) int)(nil)), run: unixOf(time.Millisecond)},
	{Name: "before", Group: "time", Signature: "before(a, b) bool", Doc: "Tells whether the first time is before the second.",
		Example: `before("2024-01-01", "2024-01-02")`, Result: `true`, types: sig((*test2)(nil)), run: compareTimes(func(c int) bool { return c < 0 })},
	{Name: "after", Group: "time", Signature: "after(a, b) bool", Doc: "Tells whether the first time is after the second.",
		Example: `after("2024-01-01", "2024-01-02")`, Result: `false`, types: sig((*test2)(nil)), run: compareTimes(func(c int) bool { return c > 0 })},
	{Name: "sameTime", Group: "time", Signature: "sameTime(a, b) bool", Doc: "Tells whether two times are the same, whatever their zones.",
		Example: `sameTime("2024-01-01T01:00:00+01:00", "2024-01-01T00:00:00Z")`, Result: `true`, types: sig((*test2)(nil)), run: compareTimes(func(c int) bool { return c == 0 })},
	{Name: "between", Group: "time", Signature: "between(time, from, to) bool", Doc: "Tells whether a time is not before from and before to.",
		Example: `between("2024-01-02", "2024-01-01", "2024-02-01")`, Result: `true`, types: sig((*func(any, any, any) bool)(nil)), run: betweenTimes},
	{Name: "since", Group: "time", Signature: "since(time, other?) number", Doc: "Is the seconds from a time until now, or until another time.",
		Example: `since("2024-01-01T00:00:00Z", "2024-01-01T00:01:30Z")`, Result: `90`, types: sig((*func(any) float64)(nil), (*func(any, any) float64)(nil)), run: sinceTime},
	{Name: "duration", Group: "time", Signature: "duration(value) duration", Doc: "Reads a duration such as 90s, 1h30m or 7d, or a number of seconds.",
		Example: `duration("1d") > duration("23h")`, Result: `true`, types: sig((*func(any) time.Duration)(nil)),
		run: func(_ *call, args []any) (any, error) { return ToDuration(args[0]) }},
}

// layouts are the forms of time that are read without a layout.
var layouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999",
	"2006-01-02 15:04", "2006-01-02", time.RFC1123Z, time.RFC1123, time.RFC850, time.RFC822Z, time.RFC822, time.ANSIC,
}

// layoutNames are layouts with a name.
var layoutNames = map[string]string{
	"date": "2006-01-02", "time": "15:04:05", "datetime": "2006-01-02 15:04:05",
	"rfc3339": time.RFC3339, "iso": "2006-01-02T15:04:05.000Z07:00", "rfc1123": time.RFC1123Z,
}

// ToDuration reads a length of time: text such as "1h30m" or "7d" (also with a
// - in front), or a number of seconds.
func ToDuration(v any) (time.Duration, error) {
	switch v := v.(type) {
	case time.Duration:
		return v, nil
	case schema.Duration:
		return time.Duration(v), nil
	case string:
		rest, negative := strings.CutPrefix(strings.TrimSpace(v), "-")
		d, err := schema.ParseDuration(rest)
		if err != nil {
			return 0, err
		}
		if negative {
			return -time.Duration(d), nil
		}
		return time.Duration(d), nil
	}
	if f, ok := number(v); ok {
		if d := f * float64(time.Second); d > -1<<62 && d < 1<<62 {
			return time.Duration(d), nil
		}
		return 0, fmt.Errorf("%s seconds are too many", numberText(f))
	}
	return 0, fmt.Errorf("%s is not a duration: write it like 250ms, 30s, 15m, 24h or 7d", typeName(v))
}

// ToTime reads a point in time: RFC 3339 or another usual form of text (in UTC
// when it has no offset), a time of day ("15:04", the next one after now), or
// a Unix time in seconds.
func ToTime(v any, now time.Time) (time.Time, error) {
	if s, ok := v.(string); ok {
		for _, layout := range []string{"15:04", "15:04:05"} {
			if clock, err := time.Parse(layout, strings.TrimSpace(s)); err == nil {
				now := now.UTC()
				t := time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), clock.Second(), 0, time.UTC)
				if !t.After(now) {
					t = t.AddDate(0, 0, 1)
				}
				return t, nil
			}
		}
	}
	return parseTime(v, time.UTC)
}

// parseTime reads a time; text without an offset is in the zone.
func parseTime(v any, zone *time.Location) (time.Time, error) {
	switch v := v.(type) {
	case time.Time:
		return v, nil
	case string:
		s := strings.TrimSpace(v)
		for _, layout := range layouts {
			if t, err := time.ParseInLocation(layout, s, zone); err == nil {
				return t, nil
			}
		}
		return time.Time{}, fmt.Errorf("%q is not a time: write it like 2024-05-06T07:08:09Z or 2024-05-06", shorten(s, 60))
	}
	f, ok := number(v)
	if !ok {
		return time.Time{}, fmt.Errorf("%s is not a time", typeName(v))
	}
	if f < -62135596800 || f > 253402300799 { // the years 1 to 9999
		return time.Time{}, fmt.Errorf("%s is not a Unix time in seconds", numberText(f))
	}
	whole := int64(f)
	return time.Unix(whole, int64((f-float64(whole))*1e9)).In(zone), nil
}

// loadZone finds a time zone by its IANA name. That of the server is none.
func loadZone(name string) (*time.Location, error) {
	if name == "Local" || name == "" {
		return nil, fmt.Errorf("%q is not a time zone: write an IANA name such as Europe/Berlin", name)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("%q is not a time zone: write an IANA name such as Europe/Berlin", shorten(name, 60))
	}
	return zone, nil
}

func timeArg(args []any, i int) (time.Time, error) {
	t, err := parseTime(args[i], time.UTC)
	if err != nil {
		return t, fmt.Errorf("argument %d: %w", i+1, err)
	}
	return t, nil
}

func zoneArg(args []any, i int) (*time.Location, error) {
	name, err := textArg(args, i)
	if err != nil {
		return nil, err
	}
	return loadZone(name)
}

func dateOf(_ *call, args []any) (any, error) {
	switch len(args) {
	case 1:
		return parseTime(args[0], time.UTC)
	case 2:
		second, err := textArg(args, 1)
		if err != nil {
			return nil, err
		}
		if zone, err := loadZone(second); err == nil {
			t, err := parseTime(args[0], zone)
			return t.In(zone), err
		}
		s, err := textArg(args, 0)
		if err != nil {
			return nil, err
		}
		return parseLayout(s, second, time.UTC)
	}
	s, err := textArgs(args, 3)
	if err != nil {
		return nil, err
	}
	zone, err := loadZone(s[2])
	if err != nil {
		return nil, err
	}
	return parseLayout(s[0], s[1], zone)
}

func parseLayout(s, layout string, zone *time.Location) (any, error) {
	if named, ok := layoutNames[layout]; ok {
		layout = named
	}
	t, err := time.ParseInLocation(layout, s, zone)
	if err != nil {
		return nil, fmt.Errorf("%q is not a time in the form %q", shorten(s, 60), shorten(layout, 60))
	}
	return t, nil
}

func formatDate(_ *call, args []any) (any, error) {
	t, err := timeArg(args, 0)
	if err != nil {
		return nil, err
	}
	layout, err := textArg(args, 1)
	if err != nil {
		return nil, err
	}
	if len(args) > 2 {
		zone, err := zoneArg(args, 2)
		if err != nil {
			return nil, err
		}
		t = t.In(zone)
	}
	if named, ok := layoutNames[layout]; ok {
		layout = named
	}
	return t.Format(layout), nil
}

func addDuration(_ *call, args []any) (any, error) {
	t, err := timeArg(args, 0)
	if err != nil {
		return nil, err
	}
	d, err := ToDuration(args[1])
	if err != nil {
		return nil, err
	}
	return t.Add(d), nil
}

func addDate(_ *call, args []any) (any, error) {
	t, err := timeArg(args, 0)
	if err != nil {
		return nil, err
	}
	var n [3]int
	for i := range n {
		if n[i], err = wholeArg(args, i+1); err != nil {
			return nil, err
		}
		if n[i] < -1e6 || n[i] > 1e6 {
			return nil, fmt.Errorf("argument %d is too large", i+2)
		}
	}
	return t.AddDate(n[0], n[1], n[2]), nil
}

func inZone(_ *call, args []any) (any, error) {
	t, err := timeArg(args, 0)
	if err != nil {
		return nil, err
	}
	zone, err := zoneArg(args, 1)
	if err != nil {
		return nil, err
	}
	return t.In(zone), nil
}

func startOf(_ *call, args []any) (any, error) {
	t, err := timeArg(args, 0)
	if err != nil {
		return nil, err
	}
	unit, err := textArg(args, 1)
	if err != nil {
		return nil, err
	}
	y, m, d := t.Date()
	switch unit {
	case "minute":
		return time.Date(y, m, d, t.Hour(), t.Minute(), 0, 0, t.Location()), nil
	case "hour":
		return time.Date(y, m, d, t.Hour(), 0, 0, 0, t.Location()), nil
	case "day":
		return time.Date(y, m, d, 0, 0, 0, 0, t.Location()), nil
	case "week":
		return time.Date(y, m, d-(int(t.Weekday())+6)%7, 0, 0, 0, 0, t.Location()), nil
	case "month":
		return time.Date(y, m, 1, 0, 0, 0, 0, t.Location()), nil
	case "year":
		return time.Date(y, 1, 1, 0, 0, 0, 0, t.Location()), nil
	}
	return nil, fmt.Errorf("%q is not one of minute, hour, day, week, month and year", shorten(unit, 40))
}

func unixOf(unit time.Duration) func(*call, []any) (any, error) {
	return func(_ *call, args []any) (any, error) {
		t, err := timeArg(args, 0)
		if err != nil {
			return nil, err
		}
		if unit == time.Millisecond {
			return int(t.UnixMilli()), nil
		}
		return int(t.Unix()), nil
	}
}

func compareTimes(is func(int) bool) func(*call, []any) (any, error) {
	return func(_ *call, args []any) (any, error) {
		a, err := timeArg(args, 0)
		if err != nil {
			return nil, err
		}
		b, err := timeArg(args, 1)
		if err != nil {
			return nil, err
		}
		return is(a.Compare(b)), nil
	}
}

func betweenTimes(_ *call, args []any) (any, error) {
	var t [3]time.Time
	for i := range t {
		var err error
		if t[i], err = timeArg(args, i); err != nil {
			return nil, err
		}
	}
	return !t[0].Before(t[1]) && t[0].Before(t[2]), nil
}

func sinceTime(c *call, args []any) (any, error) {
	t, err := timeArg(args, 0)
	if err != nil {
		return nil, err
	}
	until := c.now
	if len(args) > 1 {
		if until, err = timeArg(args, 1); err != nil {
			return nil, err
		}
	}
	return until.Sub(t).Seconds(), nil
}
