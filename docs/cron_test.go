package docs_test

import (
	"strings"
	"testing"
	"time"

	"paragon/workflows"
)

// What decision 0016 says of clock changes.
func TestCronWhenClocksChange(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ schedule, after, want string }{
		{"30 2 * * *", "2026-03-28T12:00:00+01:00", "2026-03-29T03:00:00+02:00 2026-03-30T02:30:00+02:00"},
		{"30 2 * * *", "2026-10-24T12:00:00+02:00", "2026-10-25T02:30:00+02:00 2026-10-26T02:30:00+01:00"},
		{"*/30 * * * *", "2026-03-29T01:00:00+01:00", "2026-03-29T01:30:00+01:00 2026-03-29T03:00:00+02:00 2026-03-29T03:30:00+02:00"},
		{"*/30 * * * *", "2026-10-25T02:00:00+02:00", "2026-10-25T02:30:00+02:00 2026-10-25T02:00:00+01:00 2026-10-25T02:30:00+01:00 2026-10-25T03:00:00+01:00"},
		// The day of month or the day of week: 13 February 2026 is a Friday.
		{"0 0 13 * 5", "2026-02-01T00:00:00+01:00", "2026-02-06T00:00:00+01:00 2026-02-13T00:00:00+01:00 2026-02-20T00:00:00+01:00"},
	} {
		s, err := workflows.ParseSchedule(c.schedule, "Europe/Berlin")
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.RFC3339, c.after)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for range strings.Fields(c.want) {
			at = s.Next(at)
			got = append(got, at.In(berlin).Format(time.RFC3339))
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s after %s: %s; want %s", c.schedule, c.after, text, c.want)
		}
	}
}
