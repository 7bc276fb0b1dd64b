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

// ParseSchedule reads the schedule of a cron trigger in a time zone (an IANA
// name; empty is UTC). The engine fires by the same function that checks.
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
	if spec, ok := parsed.(*cron.SpecSchedule); ok {
		spec.Location = zone
	}
	return parsed, nil
}
