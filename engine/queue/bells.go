package queue

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// listener is a process' one subscription to a set of channels.
type listener struct {
	rdb redis.UniversalClient
	// name says in the log what is woken.
	name     string
	channels []string
	// heard gets each message. It must not block.
	heard func(channel, message string)
	// changed is called when the subscription has come up, since what was
	// published before has not been heard, and when it was lost, since nothing
	// will be heard. It must not block.
	changed func()
	log     *slog.Logger

	up atomic.Bool
}

// silence is how long a connection may say nothing before it is asked whether
// it lives: a peer that vanished without a word would never ring again.
const silence = 10 * time.Second

// run listens until ctx ends.
func (l *listener) run(ctx context.Context) {
	for pause := 20 * time.Millisecond; ctx.Err() == nil; {
		err := l.listen(ctx)
		if l.up.Swap(false) {
			pause = 20 * time.Millisecond
			if ctx.Err() == nil {
				l.log.Warn("lost the subscription that wakes "+l.name+"; polling until it is back", "error", err)
				l.changed()
			}
		}
		if !sleep(ctx, pause/2+rand.N(pause)) {
			return
		}
		pause = min(2*pause, time.Second)
	}
}

// listen holds one connection for as long as it lasts.
func (l *listener) listen(ctx context.Context) error {
	ps := l.rdb.Subscribe(ctx, l.channels...)
	// Closing is the only way to end a read.
	stop := context.AfterFunc(ctx, func() { ps.Close() })
	defer func() {
		if stop() {
			ps.Close()
		}
	}()
	confirmed, asked := 0, false
	for {
		msg, err := ps.ReceiveTimeout(ctx, silence)
		if err != nil {
			var ne net.Error
			if !errors.As(err, &ne) || !ne.Timeout() || asked || confirmed < len(l.channels) || ctx.Err() != nil {
				return err
			}
			if err := ps.Ping(ctx); err != nil {
				return err
			}
			asked = true
			continue
		}
		asked = false
		switch msg := msg.(type) {
		case *redis.Subscription:
			if confirmed++; confirmed == len(l.channels) {
				l.up.Store(true)
				l.changed()
			}
		case *redis.Message:
			l.heard(msg.Channel, msg.Payload)
		}
	}
}
