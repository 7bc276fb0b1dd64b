package bench_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"paragon/engine/daemon"
	"paragon/engine/outbound"
	"paragon/schema/api"
)

// far is the integration of the figures of the proxy: a credential of each
// user's own, and a limit that counts and is never reached.
const far = `
apiVersion: paragon/v1
kind: Integration
metadata: {name: far}
spec:
  baseUrl: %s
  auth: {bearer: {}}
  rateLimit: {limit: 1000000, per: 1s}
`

// way is one of the ways to the far side.
type way struct {
	name, url, token, user string
	// took are the times of its calls, round by round; rates its calls a second,
	// used the processor's µs for each call.
	took        [][]time.Duration
	rates, used []float64
}

// TestProxy compares what a call through Paragon takes (a key found, a user
// found, their credential put on, the limits of caller and credential kept, a
// record written) with a bare httputil.ReverseProxy in the same process, each
// beyond what the far side itself takes.
func TestProxy(t *testing.T) {
	body := strings.Repeat("x", 1024)
	farSide := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(rw, body)
	}))
	t.Cleanup(farSide.Close)
	base, err := url.Parse(farSide.URL)
	must(t, err)
	// The same number of connections for both, and a bare proxy is not to suffer
	// from a default that would open one for each call.
	transport := &http.Transport{MaxIdleConns: outbound.DefaultMaxIdle, MaxIdleConnsPerHost: outbound.DefaultMaxIdlePerHost}
	t.Cleanup(transport.CloseIdleConnections)
	bare := httptest.NewServer(&httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(base) }})
	t.Cleanup(bare.Close)

	w := newWorld(t)
	w.outbound.AllowLoopback = true
	w.limits.Rate = 10_000_000
	d := w.start(daemon.RoleAPI, daemon.RoleFlusher)
	c := w.client(d)
	apply(t, c, fmt.Sprintf(far, farSide.URL))
	_, err = c.PutUser(t.Context(), "u_1", api.PutUserRequest{})
	must(t, err)
	_, err = c.PutCredential(t.Context(), "u_1", "far", "default", api.PutCredentialRequest{Bearer: &api.BearerCredential{Token: "far-side-token"}})
	must(t, err)
	through := "http://" + d.Addr().String() + "/v1/projects/default/integrations/far/proxy"

	for _, connections := range []int{1, 64} {
		direct := &way{name: "direct", url: farSide.URL}
		plain := &way{name: "httputil.ReverseProxy", url: bare.URL}
		ours := &way{name: "Paragon", url: through, token: w.token, user: "u_1"}
		ways := []*way{direct, plain, ours}
		calls, rounds := size(200, 1500), size(1, 7)
		if connections > 1 {
			calls = size(500, 8000)
		}
		for _, way := range ways { // connections, and what is loaded at the first call
			w.call(way, connections, calls/10+connections)
			way.took, way.rates, way.used = nil, nil, nil
		}
		for round := range rounds {
			// In turns, another first each time, since the machine's pace changes.
			for i := range ways {
				w.call(ways[(round+i)%len(ways)], connections, calls)
			}
		}
		w.reportProxy(connections, direct, plain, ours)
	}
}

// call makes n calls over some connections and notes how long each took.
func (w *world) call(way *way, connections, n int) {
	w.t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true}
	defer transport.CloseIdleConnections()
	took := make([][]time.Duration, connections)
	errs := make([]error, connections)
	var wg sync.WaitGroup
	used, began := w.cpu(), time.Now()
	for i := range connections {
		wg.Go(func() {
			for range n / connections {
				at := time.Now()
				if errs[i] = w.callOnce(transport, way); errs[i] != nil {
					return
				}
				took[i] = append(took[i], time.Since(at))
			}
		})
	}
	wg.Wait()
	span, spent := time.Since(began), w.cpu().paragon-used.paragon
	for _, err := range errs {
		must(w.t, err)
	}
	all := slices.Concat(took...)
	slices.Sort(all)
	way.took = append(way.took, all)
	way.rates = append(way.rates, float64(len(all))/span.Seconds())
	way.used = append(way.used, float64(spent.Microseconds())/float64(len(all)))
}

func (w *world) callOnce(transport *http.Transport, way *way) error {
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, way.url+"/contacts?limit=10", nil)
	if err != nil {
		return err
	}
	if way.token != "" {
		req.Header.Set("Authorization", "Bearer "+way.token)
		req.Header.Set(api.HeaderUser, way.user)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK || n != 1024 {
		return fmt.Errorf("%s answers %s with %d bytes: %v", way.name, resp.Status, n, err)
	}
	return nil
}

// reportProxy reports the medians of what the rounds gave.
func (w *world) reportProxy(connections int, direct, bare, ours *way) {
	suffix := fmt.Sprintf(", %d connections", connections)
	if connections == 1 {
		suffix = ", 1 connection"
	}
	for _, q := range []struct {
		name string
		at   float64
	}{{"p50", 0.5}, {"p99", 0.99}} {
		// beyond is what a way adds in a round to what the far side takes.
		beyond := func(way *way, round int) float64 {
			return quantile(way.took[round], q.at) - quantile(direct.took[round], q.at)
		}
		var added, ratios []float64
		for round := range ours.took {
			added = append(added, 1000*beyond(ours, round))
			ratios = append(ratios, beyond(ours, round)/beyond(bare, round))
		}
		report(figure{Name: "latency that the proxy adds to a call" + suffix + ", " + q.name, Value: median(added), Unit: "µs",
			Floor: "httputil.ReverseProxy", Ratio: median(ratios), Bar: "1.5"})
	}
	var ratios []float64
	for round := range ours.rates {
		ratios = append(ratios, ours.rates[round]/bare.rates[round])
	}
	report(figure{Name: "calls through the proxy" + suffix, Value: median(ours.rates), Unit: "1/s", Floor: "httputil.ReverseProxy", Ratio: median(ratios), Bar: "0.7",
		Note: fmt.Sprintf("direct %.0f/s; µs of processor, client and far side included: direct %.0f, bare %.0f, Paragon %.0f",
			median(direct.rates), median(direct.used), median(bare.used), median(ours.used))})
}
