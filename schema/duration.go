package schema

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time, written as in Go ("1m30s", "250ms"), with "d"
// for a day of 24 hours in front ("7d", "1d12h").
type Duration time.Duration

// ParseDuration reads the text form of a Duration. It fails on a negative one.
func ParseDuration(s string) (Duration, error) {
	rest, days := s, time.Duration(0)
	if head, tail, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseUint(head, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("%q is not a duration: write it like 250ms, 30s, 15m, 24h or 7d", s)
		}
		days, rest = time.Duration(n)*24*time.Hour, tail
		if rest == "" {
			return Duration(days), nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration: write it like 250ms, 30s, 15m, 24h or 7d", s)
	}
	if d < 0 || days+d < 0 {
		return 0, fmt.Errorf("%q: a duration can't be negative", s)
	}
	return Duration(days + d), nil
}

// String is the text form, which ParseDuration reads back.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText writes the text form.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the text form.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}
