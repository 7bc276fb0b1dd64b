package bench_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"paragon/engine/batch"
	"paragon/engine/daemon"
	"paragon/schema/api"
	"paragon/workflows/steps"
)

// started notes when the first step of each run started.
type started struct{ sync.Map }

func (s *started) Perform(_ context.Context, call steps.Call) steps.Outcome {
	if call.Path == "a" {
		s.Store(call.Run, time.Now())
	}
	return steps.Outcome{Result: json.RawMessage(`null`)}
}

func (s *started) wait(t *testing.T, id string) time.Time {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Microsecond) {
		if at, ok := s.Load(id); ok {
			return at.(time.Time)
		}
	}
	t.Fatalf("run %s did not start", id)
	return time.Time{}
}

func TestLatency(t *testing.T) {
	w := newWorld(t)
	begun := &started{}
	w.performer = begun
	d := w.start(daemon.AllRoles...)
	c := w.client(d)
	apply(t, c, three)

	sample := func(n int, pause time.Duration) []time.Duration {
		var late []time.Duration
		for range n {
			run, err := c.Trigger(t.Context(), "three", api.TriggerRequest{}, 0)
			must(t, err)
			late = append(late, max(begun.wait(t, run.ID).Sub(run.CreatedAt), 0))
			time.Sleep(pause) // the pace of the load, not a wait
		}
		return late
	}
	sample(50, 0)
	var trips []time.Duration
	for range 500 {
		at := time.Now()
		must(t, w.rdb.Ping(t.Context()).Err())
		trips = append(trips, time.Since(at))
	}
	trip := quantile(trips, 0.5)
	idle := sample(size(50, 1000), time.Millisecond)
	report(figure{Name: "trigger received to first step started, idle, p50", Value: quantile(idle, 0.5), Unit: "ms",
		Floor: "Redis round trip", Ratio: quantile(idle, 0.5) / trip, Bar: "1 ms"})
	report(figure{Name: "the same, p99", Value: quantile(idle, 0.99), Unit: "ms", Bar: "5 ms"})

	// What an idle system costs.
	before, used, at := w.commands(), w.cpu(), time.Now()
	time.Sleep(time.Duration(size(1, 10)) * time.Second) // the window that is measured
	span := time.Since(at).Seconds()
	report(figure{Name: "Redis commands of an idle system, scripts' included", Value: float64(w.commands()-before) / span, Unit: "1/s", Bar: "50"})
	report(figure{Name: "processor of an idle system", Value: 100 * (w.cpu().paragon - used.paragon).Seconds() / span, Unit: "% of a core", Bar: "2"})

	// At half load: a stream of runs at half of what goes through here at most.
	many := size(1_000, 50_000)
	at = time.Now()
	triggerMany(t, c, "three", many, 8)
	w.untilNoneLives()
	most := float64(many) / time.Since(at).Seconds()
	load := w.press(c, most/2)
	half := sample(size(50, 2000), 2*time.Millisecond)
	reached := load.stop()
	report(figure{Name: "trigger received to first step started, at half the maximum rate, p50", Value: quantile(half, 0.5), Unit: "ms",
		Note: fmt.Sprintf("%.0f runs/s beside them; at most %.0f go through", reached, most)})
	report(figure{Name: "the same, p99", Value: quantile(half, 0.99), Unit: "ms", Bar: "25 ms"})
	if *full && reached < 0.9*most/2 {
		t.Errorf("the load beside was %.0f runs/s; half of the maximum is %.0f", reached, most/2)
	}
}

// pressure is a stream of runs.
type pressure struct {
	quit     context.CancelFunc
	streams  sync.WaitGroup
	began    time.Time
	accepted atomic.Int64
}

// press triggers runs at a rate, in several streams, until it is stopped.
func (w *world) press(c *api.Client, rate float64) *pressure {
	const streams, turn = 4, 10 * time.Millisecond
	ctx, quit := context.WithCancel(w.t.Context())
	p := &pressure{quit: quit, began: time.Now()}
	for range streams {
		p.streams.Go(func() {
			sent := 0
			for ctx.Err() == nil {
				// What is due by now: a turn that took long is made up for.
				due := int(rate/streams*time.Since(p.began).Seconds()) - sent
				_ = c.TriggerMany(ctx, "three", requests(due), func(_ int, line api.TriggerLine) error {
					if line.Error == nil {
						p.accepted.Add(1)
					}
					return nil
				})
				sent += due
				time.Sleep(turn) // the pace
			}
		})
	}
	return p
}

// stop ends the stream and returns how many runs a second were accepted.
func (p *pressure) stop() float64 {
	took := time.Since(p.began)
	accepted := float64(p.accepted.Load())
	p.quit()
	p.streams.Wait()
	return accepted / took.Seconds()
}

// commands is how many commands Redis has executed.
func (w *world) commands() (n int64) {
	w.t.Helper()
	info, err := w.rdb.Info(w.t.Context(), "commandstats").Result()
	must(w.t, err)
	for line := range strings.Lines(info) {
		_, rest, ok := strings.Cut(line, ":calls=")
		if !ok || strings.HasPrefix(line, "cmdstat_info") {
			continue
		}
		var calls int64
		for _, c := range rest {
			if c < '0' || c > '9' {
				break
			}
			calls = calls*10 + int64(c-'0')
		}
		n += calls
	}
	return n
}

// TestTriggersOverHTTP compares one trigger a request with a bare echo of the
// same body, at as many connections as keep the machine busy with echoes, and
// at more: what waits for Redis shares a round trip with more then.
func TestTriggersOverHTTP(t *testing.T) {
	w := newWorld(t)
	d := w.start(daemon.RoleAPI)
	c := w.client(d)
	apply(t, c, three)
	n, body := size(500, 30_000), []byte(`{"input":{"email":"a@example.com"}}`)

	echo := serve(t, func(rw http.ResponseWriter, body []byte) {
		rw.WriteHeader(http.StatusAccepted)
		_, _ = rw.Write(body)
	})
	// The least that keeps what it acknowledges: the body as one value in Redis,
	// written together with what comes at the same time.
	var serial atomic.Int64
	writes := batch.NewGroup(128, 1, func(ctx context.Context, bodies []string) ([]error, error) {
		args := make([]any, 0, 2*len(bodies))
		for _, body := range bodies {
			args = append(args, "kept:"+strconv.FormatInt(serial.Add(1), 10), body)
		}
		return make([]error, len(bodies)), w.rdb.MSet(ctx, args...).Err()
	})
	keep := serve(t, func(rw http.ResponseWriter, body []byte) {
		if _, err := writes.Do(t.Context(), string(body)); err != nil {
			rw.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		rw.WriteHeader(http.StatusAccepted)
		_, _ = rw.Write(body)
	})

	trigger := "http://" + d.Addr().String() + "/v1/projects/default/workflows/three/runs"
	for _, connections := range []int{64, 256} {
		compareHTTP(w, echo, keep, trigger, body, n, connections)
	}
}

// compareHTTP posts to an echo, to one that writes to Redis, and to where runs
// are triggered, in turns, since the machine's pace changes while one is measured.
func compareHTTP(w *world, echo, keep, trigger string, body []byte, n, connections int) {
	t := w.t
	t.Helper()
	var bare, kept, ours, keptRatios, ratios []float64
	var echoed, written, accepted cpu
	rounds := size(1, 5)
	for range rounds {
		before := w.cpu()
		bare = append(bare, post(t, echo, "", body, n, connections))
		echoed = echoed.plus(w.cpu().minus(before))
		before = w.cpu()
		kept = append(kept, post(t, keep, "", body, n, connections))
		written = written.plus(w.cpu().minus(before))
		keptRatios = append(keptRatios, kept[len(kept)-1]/bare[len(bare)-1])
		before = w.cpu()
		ours = append(ours, post(t, trigger, w.token, body, n, connections))
		accepted = accepted.plus(w.cpu().minus(before))
		ratios = append(ratios, ours[len(ours)-1]/bare[len(bare)-1])
	}
	report(figure{Name: fmt.Sprintf("triggers accepted over HTTP, one a request, %d connections, median", connections), Value: median(ours), Unit: "1/s",
		Floor: "bare net/http echo", Ratio: median(ratios), Bar: "0.6",
		Note: fmt.Sprintf("echo %.0f/s and %s; a trigger %s, the client's included", median(bare), echoed.each(n*rounds), accepted.each(n*rounds))})
	report(figure{Name: fmt.Sprintf("an echo that writes the body to Redis first, in group commits, %d connections", connections), Value: median(kept), Unit: "1/s",
		Floor: "bare net/http echo", Ratio: median(keptRatios), Note: "what a trigger can reach at most; " + written.each(n*rounds)})
}

// serve answers requests by their body, and returns the address.
func serve(t *testing.T, answer func(rw http.ResponseWriter, body []byte)) (url string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		answer(rw, body)
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(ln) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	return "http://" + ln.Addr().String() + "/"
}

// median is the middle of some figures.
func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

// post sends n requests over connections and returns how many a second.
func post(t testing.TB, url, token string, body []byte, n, connections int) float64 {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	work := make(chan struct{}, n)
	for range n {
		work <- struct{}{}
	}
	close(work)
	errs := make(chan error, connections)
	began := time.Now()
	for range connections {
		go func() {
			var failed error
			for range work {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
				if err != nil {
					failed = err
					continue
				}
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("Authorization", "Bearer "+token)
				resp, err := client.Do(req)
				if err != nil {
					failed = err
					continue
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusAccepted {
					t.Errorf("%s answers %s", url, resp.Status)
				}
			}
			errs <- failed
		}()
	}
	for range connections {
		must(t, <-errs)
	}
	return float64(n) / time.Since(began).Seconds()
}
