package bench_test

import (
	"fmt"
	"testing"
	"time"

	"paragon/engine/daemon"
)

const soon = `
apiVersion: paragon/v1
kind: Workflow
metadata: {name: soon}
spec:
  steps:
    - {id: pause, delay: {for: 2s}}
    - {id: after, function: {source: "return null"}}
`

// TestTimers measures how late delays end while many others are pending: from
// the moment that a delay is over until the step behind it starts, by the
// records in Postgres.
func TestTimers(t *testing.T) {
	pending, due := size(1_000, 100_000), size(200, 5_000)
	w := newWorld(t)
	d := w.start(daemon.AllRoles...)
	c := w.client(d)
	apply(t, c, waiting)
	apply(t, c, soon)
	triggerMany(t, c, "waiting", pending, 8)
	for deadline := time.Now().Add(5 * time.Minute); w.parked() < pending; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d runs are parked", w.parked(), pending)
		}
	}
	for done := 0; done < due; done += due / 10 {
		triggerMany(t, c, "soon", due/10, 1)
		time.Sleep(200 * time.Millisecond) // the pace: timers come due over two seconds
	}
	w.until(t.Context(), "runs", due)
	rows, err := w.pg.Query(t.Context(), `SELECT extract(epoch FROM b.started_at - a.started_at) - 2
		FROM steps a JOIN steps b ON a.run = b.run AND b.step = 'after'
		WHERE a.step = 'pause' AND a.status = 'succeeded'`)
	must(t, err)
	var late []time.Duration
	for rows.Next() {
		var seconds float64
		must(t, rows.Scan(&seconds))
		late = append(late, time.Duration(seconds*float64(time.Second)))
	}
	must(t, rows.Err())
	if len(late) != due {
		t.Fatalf("%d delays are in the history; want %d", len(late), due)
	}
	note := fmt.Sprintf("earliest %.1f ms, last %.1f ms", quantile(late, 0), quantile(late, 1))
	report(figure{Name: fmt.Sprintf("a delay's end to the next step's start, %d pending, p50", pending), Value: quantile(late, 0.5), Unit: "ms"})
	report(figure{Name: "the same, p99", Value: quantile(late, 0.99), Unit: "ms", Bar: "100 ms, never early", Note: note})
	if quantile(late, 0) < 0 {
		t.Errorf("a delay ended %.3f ms early", -quantile(late, 0))
	}
}
