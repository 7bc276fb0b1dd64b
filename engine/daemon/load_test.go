package daemon_test

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"paragon/schema"
)

// crowd is how many clients call at once.
const crowd = 2000

// Many clients at once are all answered, or asked to come again; the process
// says that it lives meanwhile, its memory stays in bounds, and it serves on.
func TestTwoThousandClients(t *testing.T) {
	d, _ := startServed(t, io.Discard, nil)
	d.apply("ok", "steps:\n  - {id: out, respond: {body: \"${{ len(input.text) }}\"}}\n")
	transport := &http.Transport{MaxIdleConnsPerHost: crowd}
	client := &http.Client{Transport: transport, Timeout: 2 * time.Minute}
	t.Cleanup(transport.CloseIdleConnections)
	base := "http://" + d.Addr().String()
	send := func(method, path, body string) (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
		if err != nil {
			return 0, err
		}
		req.Header.Set("Authorization", "Bearer "+d.Token)
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(io.LimitReader(resp.Body, 200))
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
		}
		if err != nil {
			return 0, err
		}
		shed := resp.StatusCode == http.StatusServiceUnavailable || resp.StatusCode == http.StatusTooManyRequests
		if resp.StatusCode/100 != 2 && !(shed && resp.Header.Get("Retry-After") != "") {
			return 0, fmt.Errorf("%s %s: %d %s", method, path, resp.StatusCode, text)
		}
		return resp.StatusCode, nil
	}

	alive := newPulse(t, base+"/livez")
	var mu sync.Mutex
	statuses, failures := map[int]int{}, []error{}
	begin := make(chan struct{})
	large := `{"input":{"text":"` + strings.Repeat("x", 20<<10) + `"}}`
	var wg sync.WaitGroup
	for i := range crowd {
		wg.Go(func() {
			<-begin
			for round := range 2 {
				method, path, body := "POST", "/v1/projects/default/workflows/ok/runs", `{"input":{"text":"x"}}`
				switch n := i + round; {
				case n%50 == 0:
					method, path = "PUT", fmt.Sprintf("/v1/projects/default/workflows/w%d", i)
					body = fmt.Sprintf(`{"apiVersion":"paragon/v1","kind":"Workflow","metadata":{"name":"w%d"},"spec":{"steps":[{"id":"a","set":{"v":1}}]}}`, i)
				case n%10 == 1:
					body = large
				case n%4 == 0:
					method, path, body = "GET", "/v1/projects/default/runs?limit=10", ""
				case n%4 == 1:
					method, path, body = "GET", "/v1/projects/default/workflows", ""
				}
				status, err := send(method, path, body)
				mu.Lock()
				statuses[status]++
				if err != nil {
					failures = append(failures, err)
				}
				mu.Unlock()
			}
		})
	}
	began := time.Now()
	close(begin)
	wg.Wait()
	took := time.Since(began)
	beats, most := alive.end()
	t.Logf("%d requests of %d clients in %s: %v; /livez answered %d times meanwhile; at most %d MiB of heap, the clients' included",
		2*crowd, crowd, took.Round(time.Millisecond), statuses, beats, most>>20)
	for _, err := range failures[:min(len(failures), 5)] {
		t.Error(err)
	}
	if len(failures) > 0 {
		t.Errorf("%d requests were neither answered nor asked to come again", len(failures))
	}
	if statuses[http.StatusAccepted] == 0 || statuses[http.StatusOK] == 0 || statuses[http.StatusCreated] == 0 {
		t.Error("a kind of request was never served")
	}
	if beats == 0 {
		t.Error("/livez did not answer meanwhile")
	}
	if most > 1<<30 {
		t.Errorf("%d MiB of heap", most>>20)
	}
	if run := d.wait(d.trigger("ok", `{"text":"abc"}`)); run.Status != schema.RunSucceeded {
		t.Errorf("after it all a run %s", run.Status)
	}
}

// pulse asks again and again whether a process lives, on connections of its
// own, and looks at the heap of this one.
type pulse struct {
	quit  chan struct{}
	loop  sync.WaitGroup
	beats int
	most  uint64
}

func newPulse(t *testing.T, url string) *pulse {
	p := &pulse{quit: make(chan struct{})}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	tick := time.NewTicker(50 * time.Millisecond)
	p.loop.Go(func() {
		defer tick.Stop()
		for {
			select {
			case <-p.quit:
				return
			case <-tick.C:
			}
			resp, err := client.Get(url)
			if err != nil {
				t.Errorf("/livez: %v", err)
				return
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("/livez: %d", resp.StatusCode)
			}
			p.beats++
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			p.most = max(p.most, m.HeapAlloc)
		}
	})
	return p
}

// end stops asking, and returns how often the answer was yes and the most heap.
func (p *pulse) end() (beats int, most uint64) {
	close(p.quit)
	p.loop.Wait()
	return p.beats, p.most
}
