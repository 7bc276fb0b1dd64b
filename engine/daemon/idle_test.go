package daemon_test

import (
	"io"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestIdle counts what a system with nothing to do asks Redis: no room may poll
// for what it could be told. make bench has the figure.
func TestIdle(t *testing.T) {
	d, _ := startServed(t, io.Discard, nil)
	d.apply("nothing", `
steps:
  - {id: vars, set: {x: 1}}
`)
	d.wait(d.trigger("nothing", "{}"))
	commands := func() (n int) {
		info, err := d.Redis().Info(t.Context(), "commandstats").Result()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(info) {
			if _, rest, ok := strings.Cut(line, ":calls="); ok {
				calls, _, _ := strings.Cut(rest, ",")
				c, err := strconv.Atoi(calls)
				if err != nil {
					t.Fatalf("line %q: %v", line, err)
				}
				n += c
			}
		}
		return n
	}
	// Until it has calmed down, and however busy the machine is: what is bound to
	// a second is not done more often because of it.
	const most = 50
	var rate float64
	for range 10 {
		before, at := commands(), time.Now()
		time.Sleep(3 * time.Second) // the window that is measured
		if rate = float64(commands()-before) / time.Since(at).Seconds(); rate <= most {
			return
		}
	}
	t.Errorf("an idle system sends Redis %.0f commands a second, more than %d", rate, most)
}
