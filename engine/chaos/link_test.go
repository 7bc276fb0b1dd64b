package chaos_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// link is the connection of one process to one server, through a proxy that
// can spoil it.
type link struct {
	t     testing.TB
	proxy *toxiproxy.Proxy
	// struck records what the link did to a process that executes runs.
	struck       *strikes
	broken, slow *strike
}

// newLink starts a proxy in front of a server.
func newLink(t testing.TB, name, upstream string) *link {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	l := &link{t: t, proxy: toxiproxy.NewProxy(server, name, "127.0.0.1:0", upstream)}
	if err := l.proxy.Start(); err != nil {
		t.Fatalf("start the proxy %s: %v", name, err)
	}
	t.Cleanup(l.proxy.Stop)
	return l
}

func (l *link) addr() string { return l.proxy.Listen }

// cut breaks all connections and refuses new ones; mend takes them again.
func (l *link) cut() {
	if l.proxy.Enabled {
		l.broken = l.struck.begin(strike{loses: true})
	}
	l.proxy.Stop()
}

func (l *link) mend() {
	l.t.Helper()
	if l.proxy.Enabled {
		return
	}
	if err := l.proxy.Start(); err != nil {
		l.t.Fatalf("start the proxy %s again: %v", l.proxy.Name, err)
	}
	l.struck.end(l.broken)
}

// spoil adds a toxic to what comes back from the server: what was asked for is
// done, and its answer suffers. heal takes all toxics away.
func (l *link) spoil(kind string, toxicity float64, attributes string) {
	l.t.Helper()
	l.struck.end(l.slow)
	l.slow = l.struck.begin(strike{})
	text := fmt.Sprintf(`{"type":%q,"stream":"downstream","toxicity":%g,"attributes":%s}`, kind, toxicity, attributes)
	if _, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(text)); err != nil {
		l.t.Fatalf("spoil %s: %v", l.proxy.Name, err)
	}
}

func (l *link) heal() {
	l.proxy.Toxics.ResetToxics(context.Background())
	l.struck.end(l.slow)
}

// loseReplies makes a share of the connections take a command, drop the answer
// and break.
func (l *link) loseReplies(share float64) { l.spoil("reset_peer", share, `{"timeout":0}`) }
