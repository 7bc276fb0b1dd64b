package terminal

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/muesli/termenv"
)

func TestProgress(t *testing.T) {
	for _, test := range []struct {
		name  string
		tty   bool
		takes time.Duration
		want  string
	}{
		{"long", true, 2600 * time.Millisecond, "\r\x1b[Kapplying … 0 s\r\x1b[Kapplying … 1 s\r\x1b[Kapplying … 2 s\r\x1b[K"},
		{"short", true, 400 * time.Millisecond, ""},
		{"no terminal", false, time.Minute, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out strings.Builder
				s := &Streams{Err: &out, ErrTTY: test.tty, profile: termenv.TrueColor}
				done := s.Progress("applying")
				time.Sleep(test.takes)
				done()
				if got := strings.NewReplacer("\x1b[38;2;128;128;128m", "", "\x1b[0m", "").Replace(out.String()); got != test.want {
					t.Errorf("got %q, want %q", got, test.want)
				}
			})
		})
	}
}
