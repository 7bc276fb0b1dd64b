package httpapi

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"paragon/engine/config"
	"paragon/schema"
)

// mostStrangers bounds how many refused tokens go to the audit log in a
// minute, over all addresses.
const mostStrangers = 100

// strangers remembers which addresses came with a token that does not count,
// so that the audit log has each once a minute and nobody can flood it.
type strangers struct {
	mu    sync.Mutex
	since time.Time
	seen  map[string]bool
}

// first tells whether the address is the first time there in this minute.
func (s *strangers) first(from string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil || now.Sub(s.since) >= time.Minute {
		s.since, s.seen = now, map[string]bool{}
	}
	if s.seen[from] || len(s.seen) >= mostStrangers {
		return false
	}
	s.seen[from] = true
	return true
}

// stranger writes to the audit log that a token was refused. A request without
// one is no try to get in.
func (s *Server) stranger(r *request, err error) {
	var p *schema.Problem
	from := remoteHost(r.Request)
	if !errors.As(err, &p) || p.Status != http.StatusUnauthorized || r.Header.Get("Authorization") == "" || !s.strangers.first(from, s.now()) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 2*time.Second)
	defer cancel()
	path := r.URL.Path
	s.opts.Config.Refused(ctx, config.Actor{Name: "unknown token", From: from}, schema.DefaultProject, "authenticate", r.Method+" "+path[:min(len(path), 500)], p.Detail)
}
