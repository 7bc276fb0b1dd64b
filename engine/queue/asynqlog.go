package queue

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// asynqLog routes asynq's log into slog. What asynq reports is its own
// housekeeping, of a dozen servers at once and every few seconds while Redis is
// away; what matters of it (Redis away, a handler's error) is reported by us.
// So all of it is debug, and its errors pass as warnings once in a while.
type asynqLog struct {
	log *slog.Logger

	mu         sync.Mutex
	next       time.Time
	suppressed int
}

// asynqLogEvery is the least time between two of asynq's errors in the log.
const asynqLogEvery = 10 * time.Second

func (l *asynqLog) Debug(args ...any) { l.debug(args) }
func (l *asynqLog) Info(args ...any)  { l.debug(args) }
func (l *asynqLog) Warn(args ...any)  { l.debug(args) }

// Error reports, except what is so by design.
func (l *asynqLog) Error(args ...any) {
	text := fmt.Sprint(args...)
	if strings.Contains(text, "cancelation channel") {
		return
	}
	l.mu.Lock()
	now := time.Now()
	if now.Before(l.next) {
		l.suppressed++
		l.mu.Unlock()
		l.debug([]any{text})
		return
	}
	n := l.suppressed
	l.suppressed, l.next = 0, now.Add(asynqLogEvery)
	l.mu.Unlock()
	l.log.Warn("asynq: "+text, "suppressed", n)
}

// Fatal is part of asynq's interface. asynq calls it nowhere in its server;
// ending the process is not a library's decision.
func (l *asynqLog) Fatal(args ...any) { l.log.Error("asynq: " + fmt.Sprint(args...)) }

func (l *asynqLog) debug(args []any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug("asynq: " + fmt.Sprint(args...))
	}
}
