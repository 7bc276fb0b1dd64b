package tui

import (
	"fmt"
	"time"

	"paragon/tui/cell"
	"paragon/tui/theme"
)

// The pauses between two questions of a view, and while the server is away.
const (
	pollEvery  = 500 * time.Millisecond
	retryEvery = time.Second
)

// connection is what is known of the way to the server.
type connection struct {
	// what it is that gets old, for the banner; empty: all.
	what string
	// last is when the server last answered, err why it no longer does.
	last time.Time
	err  error
	// tried is when it was asked last.
	tried time.Time
}

func (c *connection) heard(now time.Time) { c.last, c.err = now, nil }

func (c *connection) lost(err error) { c.err = err }

// due tells whether it is time to ask again.
func (c *connection) due(now time.Time) bool {
	every := pollEvery
	if c.err != nil {
		every = retryEvery
	}
	// Frames come a little early or late.
	return now.Sub(c.tried) >= every-frameEvery/2
}

// banner says that what is shown is old, and why; empty while it is not.
func (c *connection) banner(th *theme.Theme, now time.Time) string {
	if c.err == nil || missing(c.err) {
		return ""
	}
	age := "no answer yet"
	if !c.last.IsZero() {
		age = c.what + "stale " + short(now.Sub(c.last))
	}
	return th.Paint(theme.Bad, fmt.Sprintf("%s %s", th.Warn, age)) + th.Paint(theme.Notice, " "+th.Point+" "+cell.Safe(c.err.Error())+"; trying again every second")
}
