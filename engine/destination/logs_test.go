package destination

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/logs"
)

// Logs that wait for the store are told of once, and once more when it happens
// again.
func TestDelayedLogsAreToldOnce(t *testing.T) {
	r, h := newRig(t), newHook(t)
	h.answer(http.StatusOK)
	c := r.apply(`---
apiVersion: paragon/v1
kind: Destination
metadata: {name: ops}
spec:
  events: [{event: logs.delayed}]
  group: {wait: 1s, interval: 1s}
  webhook: {url: "`+h.URL+`"}
`, nil)
	r.start(r.sender(c, nil))
	keys, ctx := logs.StreamKeys(1), t.Context()
	waits := func(stream int, d time.Duration) {
		id := fmt.Sprintf("%d-1", time.Now().Add(-d).UnixMilli())
		if err := r.rdb.XAdd(ctx, &redis.XAddArgs{Stream: keys[stream], ID: id, Values: []string{"r x", "y"}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	look := func() { r.advance(lookEvery) }
	flag := func() bool { n, _ := r.rdb.Exists(ctx, delayedKey).Result(); return n == 1 }
	waits(1, 10*time.Second)
	look()
	look()
	if flag() {
		t.Fatal("ten seconds are a delay")
	}
	for round := 1; round <= 2; round++ {
		r.rdb.Del(ctx, keys...)
		waits(round-1, 2*time.Minute) // in one stream and then in the other
		r.until("the delay is noted", func() bool { look(); return flag() })
		r.until("it is told", func() bool { look(); return len(h.calls()) == round })
		for range 5 {
			look()
		}
		r.rdb.Del(ctx, keys...)
		r.until("it is over", func() bool { look(); return !flag() })
	}
	if got := h.calls(); len(got) != 2 || !strings.Contains(string(got[0].body), "has waited 2m") {
		t.Errorf("%d messages: %s", len(got), got[0].body)
	}
}
