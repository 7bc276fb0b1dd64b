package workflows

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The rule for clocks that are put forward and back, by its times.
func TestScheduleAcrossClockChanges(t *testing.T) {
	for _, tt := range []struct {
		name, schedule, zone, from string
		want                       []string
	}{
		// Berlin: 2026-03-29 02:00 CET becomes 03:00 CEST, 2026-10-25 03:00 CEST
		// becomes 02:00 CET.
		{"Berlin, a skipped time", "30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z",
			[]string{"2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"}},
		{"Berlin, the first skipped time", "0 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z",
			[]string{"2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"}},
		{"Berlin, the time at the end of the gap", "0 3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z",
			[]string{"2026-03-29T03:00:00+02:00", "2026-03-30T03:00:00+02:00"}},
		{"Berlin, several skipped times are one", "*/20 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z",
			[]string{"2026-03-29T03:00:00+02:00", "2026-03-29T03:20:00+02:00", "2026-03-29T03:40:00+02:00", "2026-03-30T02:00:00+02:00"}},
		{"Berlin, a skipped day of month", "30 2 29 3 *", "Europe/Berlin", "2026-01-01T00:00:00Z",
			[]string{"2026-03-29T03:00:00+02:00", "2027-03-29T02:30:00+02:00"}},
		{"Berlin, skipped, with seconds", "15 30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z",
			[]string{"2026-03-29T03:00:00+02:00", "2026-03-30T02:30:15+02:00"}},
		{"Berlin, intervals in spring", "*/30 * * * *", "Europe/Berlin", "2026-03-29T00:15:00Z",
			[]string{"2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-29T03:30:00+02:00"}},
		{"Berlin, intervals that don't meet the change", "45 * * * *", "Europe/Berlin", "2026-03-29T00:15:00Z",
			[]string{"2026-03-29T01:45:00+01:00", "2026-03-29T03:45:00+02:00"}},
		{"Berlin, a repeated time", "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z",
			[]string{"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"}},
		{"Berlin, the beginning of what is repeated", "0 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z",
			[]string{"2026-10-25T02:00:00+02:00", "2026-10-26T02:00:00+01:00"}},
		{"Berlin, the end of what is repeated", "0 3 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z",
			[]string{"2026-10-25T03:00:00+01:00", "2026-10-26T03:00:00+01:00"}},
		{"Berlin, asked in the second hour", "45 2 * * *", "Europe/Berlin", "2026-10-25T01:30:00Z",
			[]string{"2026-10-26T02:45:00+01:00"}},
		{"Berlin, every two hours", "0 */2 * * *", "Europe/Berlin", "2026-10-24T22:30:00Z",
			[]string{"2026-10-25T02:00:00+02:00", "2026-10-25T04:00:00+01:00"}},
		{"Berlin, intervals in autumn", "0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z",
			[]string{"2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00"}},
		{"Berlin, seconds in autumn", "59 59 * * * *", "Europe/Berlin", "2026-10-24T23:59:58Z",
			[]string{"2026-10-25T01:59:59+02:00", "2026-10-25T02:59:59+02:00", "2026-10-25T02:59:59+01:00"}},

		// New York: 2026-03-08 02:00 EST becomes 03:00 EDT, 2026-11-01 02:00 EDT
		// becomes 01:00 EST.
		{"New York, skipped", "15 2 * * *", "America/New_York", "2026-03-07T12:00:00Z",
			[]string{"2026-03-08T03:00:00-04:00", "2026-03-09T02:15:00-04:00"}},
		{"New York, repeated", "30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z",
			[]string{"2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"}},
		{"New York, Sundays", "0 2 * * SUN", "America/New_York", "2026-03-02T00:00:00Z",
			[]string{"2026-03-08T03:00:00-04:00", "2026-03-15T02:00:00-04:00"}},
		{"New York, every second of the hour", "*/1200 0 1 * * *", "America/New_York", "", nil},
		{"New York, intervals in autumn", "*/40 * * * *", "America/New_York", "2026-11-01T05:30:00Z",
			[]string{"2026-11-01T01:40:00-04:00", "2026-11-01T01:00:00-05:00", "2026-11-01T01:40:00-05:00", "2026-11-01T02:00:00-05:00"}},

		// Lord Howe moves by half an hour: 2026-10-04 02:00 becomes 02:30,
		// 2026-04-05 02:00 becomes 01:30.
		{"Lord Howe, skipped", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z",
			[]string{"2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"}},
		{"Lord Howe, not skipped", "45 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z",
			[]string{"2026-10-04T02:45:00+11:00", "2026-10-05T02:45:00+11:00"}},
		{"Lord Howe, repeated", "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z",
			[]string{"2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"}},
		{"Lord Howe, intervals in autumn", "*/15 * * * *", "Australia/Lord_Howe", "2026-04-04T14:40:00Z",
			[]string{"2026-04-05T01:45:00+11:00", "2026-04-05T01:30:00+10:30", "2026-04-05T01:45:00+10:30", "2026-04-05T02:00:00+10:30"}},
		{"Lord Howe, intervals in spring", "*/15 * * * *", "Australia/Lord_Howe", "2026-10-03T15:10:00Z",
			[]string{"2026-10-04T01:45:00+10:30", "2026-10-04T02:30:00+11:00", "2026-10-04T02:45:00+11:00"}},

		// Where midnight is skipped, the day begins at 01:00; where a whole day
		// is, it is due when the next one begins.
		{"Santiago, midnight", "@daily", "America/Santiago", "2026-09-05T12:00:00Z",
			[]string{"2026-09-06T01:00:00-03:00", "2026-09-07T00:00:00-03:00"}},
		{"Apia, no 30 December 2011", "0 12 * * *", "Pacific/Apia", "2011-12-29T12:00:00Z",
			[]string{"2011-12-29T12:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T12:00:00+14:00"}},
		{"every 90 minutes", "@every 90m", "Europe/Berlin", "2026-03-28T22:40:00.5Z",
			[]string{"2026-03-29T01:00:00+01:00", "2026-03-29T03:30:00+02:00", "2026-03-29T05:00:00+02:00"}},
		{"every minute, before 1970", "@every 1m", "UTC", "1969-12-31T23:57:30Z", []string{"1969-12-31T23:58:00Z", "1969-12-31T23:59:00Z", "1970-01-01T00:00:00Z"}},
		{"a leap day", "0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z", []string{"2104-02-29T00:00:00Z"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := ParseSchedule(tt.schedule, tt.zone)
			if tt.want == nil {
				if err == nil {
					t.Error("accepted")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse(time.RFC3339, tt.from)
			if err != nil {
				t.Fatal(err)
			}
			zone, err := loadZone(tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.want {
				at = s.Next(at)
				if got := at.In(zone).Format(time.RFC3339); got != want {
					t.Fatalf("%s, want %s", got, want)
				}
			}
		})
	}
}

func TestScheduleRefused(t *testing.T) {
	for schedule, want := range map[string]string{
		"0 0 30 2 *": "no such day", "61 * * * *": "not a schedule", "* * * *": "not a schedule", "@reboot": "not a schedule",
		"TZ=UTC * * * * *": "belongs into timezone", "": "not a schedule",
	} {
		if _, err := ParseSchedule(schedule, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", schedule, err, want)
		}
	}
}

// A schedule goes forward, and a time of day is due once each day that the zone
// has, whatever its clocks do.
func TestScheduleOnceADay(t *testing.T) {
	zones := []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Africa/Casablanca", "Asia/Tehran", "UTC"}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(zones).Draw(t, "zone")
		zone, err := loadZone(name)
		if err != nil {
			t.Fatal(err)
		}
		text := time.Date(2000, 1, 1, rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute"), 0, 0, time.UTC).Format("4 15 * * *")
		s, err := ParseSchedule(text, name)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Date(rapid.IntRange(1990, 2040).Draw(t, "year"), 1, 1, 0, 0, 0, 0, zone).Add(-time.Second)
		days := map[string]bool{}
		for len(days) < 366 {
			next := s.Next(at)
			if !next.After(at) {
				t.Fatalf("%s in %s: %s after %s", text, name, next, at)
			}
			day := next.In(zone).Format(time.DateOnly)
			if days[day] {
				t.Fatalf("%s in %s is due twice on %s", text, name, day)
			}
			if gap := next.Sub(at); len(days) > 0 && (gap < 20*time.Hour || gap > 28*time.Hour) {
				t.Fatalf("%s in %s: %s between %s and %s", text, name, gap, at, next)
			}
			days[day] = true
			at = next
		}
	})
}

func BenchmarkScheduleNext(b *testing.B) {
	for _, schedule := range []string{"* * * * * *", "30 2 * * *", "0 0 29 2 *"} {
		b.Run(schedule, func(b *testing.B) {
			s, err := ParseSchedule(schedule, "Europe/Berlin")
			if err != nil {
				b.Fatal(err)
			}
			at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
			for b.Loop() {
				s.Next(at)
			}
		})
	}
}
