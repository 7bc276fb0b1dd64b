package daemon_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"paragon/engine/metrics"
)

// TestMetrics asks a server for its metrics, before it has executed anything:
// every name of the list is there, and every source answers.
func TestMetrics(t *testing.T) {
	d := startDev(t, t.TempDir())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+d.Addr().String()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v: %s", res.StatusCode, err, body)
	}
	text := string(body)
	for _, m := range metrics.List() {
		if !strings.Contains(text, "\n"+m.Name) {
			t.Errorf("%s is not there", m.Name)
		}
	}
	for _, source := range []string{"queues", "workers", "log"} {
		if !strings.Contains(text, `paragon_source_up{source="`+source+`"} 1`) {
			t.Errorf("the source %s did not answer", source)
		}
	}
	if !strings.Contains(text, `paragon_workers{state="alive"} 1`) {
		t.Errorf("want one worker, in\n%s", text)
	}
}
