package terminal

import (
	"fmt"
	"time"
)

// progressAfter is how long something may take before a person is told that it is
// under way.
const progressAfter = 500 * time.Millisecond

// Progress tells a person at a terminal what is under way, and for how long, once
// it takes longer than half a second; a stream that can't be redrawn is left
// alone. The function that it returns takes the line away, and must be called.
func (s *Streams) Progress(what string) (done func()) {
	if !s.Live() {
		return func() {}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		began := time.Now()
		timer := time.NewTimer(progressAfter)
		defer timer.Stop()
		for shown := false; ; {
			select {
			case <-timer.C:
				shown = true
				fmt.Fprintf(s.Err, "\r\x1b[K%s", s.ErrStyle().Dim(fmt.Sprintf("%s … %d s", Safe(what), int(time.Since(began).Seconds()))))
				timer.Reset(time.Second)
			case <-stop:
				if shown {
					fmt.Fprint(s.Err, "\r\x1b[K")
				}
				return
			}
		}
	}()
	return func() {
		close(stop)
		<-stopped
	}
}
