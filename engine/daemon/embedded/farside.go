package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/mccutchen/go-httpbin/v2/httpbin"
)

// FarSide is go-httpbin on a loopback port: an API that examples and first
// steps can call without the internet.
type FarSide struct {
	server *http.Server
	ln     net.Listener
	done   chan struct{}
}

// StartFarSide starts one on an address.
func StartFarSide(ctx context.Context, addr string) (*FarSide, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for the far side: %w", err)
	}
	f := &FarSide{
		server: &http.Server{Handler: httpbin.New(), ReadHeaderTimeout: 10 * time.Second},
		ln:     ln,
		done:   make(chan struct{}),
	}
	go func() {
		defer close(f.done)
		if err := f.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			_ = ln.Close() // it serves no more: let callers see that at once
		}
	}()
	return f, nil
}

// URL is its address.
func (f *FarSide) URL() string { return "http://" + f.ln.Addr().String() }

// Close stops it; requests under way are cut off.
func (f *FarSide) Close() error {
	err := f.server.Close()
	<-f.done
	return err
}
