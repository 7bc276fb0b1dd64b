package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// health answers /livez and /readyz.
type health struct {
	// Status is ok, or why not: draining, unavailable.
	Status string                 `json:"status"`
	Checks map[string]checkResult `json:"checks,omitempty"`
}

type checkResult struct {
	OK       bool   `json:"ok"`
	Required bool   `json:"required"`
	Error    string `json:"error,omitempty"`
}

// checkTimeout bounds one check of readiness.
const checkTimeout = 2 * time.Second

func (s *Server) live(w http.ResponseWriter, _ *request) error {
	return writeJSON(w, http.StatusOK, health{Status: "ok"})
}

// ready answers 200 when the process can serve, else 503, with what every
// check says.
func (s *Server) ready(w http.ResponseWriter, r *request) error {
	h := health{Status: "ok", Checks: map[string]checkResult{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, c := range s.opts.Checks {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
			defer cancel()
			err := c.Check(ctx)
			mu.Lock()
			defer mu.Unlock()
			res := checkResult{OK: err == nil, Required: c.Required}
			if err != nil {
				res.Error = err.Error()
				if c.Required {
					h.Status = "unavailable"
				}
			}
			h.Checks[c.Name] = res
		})
	}
	wg.Wait()
	if s.opts.Draining() {
		h.Status = "draining"
	}
	if h.Status != "ok" {
		return writeJSON(w, http.StatusServiceUnavailable, h)
	}
	return writeJSON(w, http.StatusOK, h)
}

func (s *Server) version(w http.ResponseWriter, _ *request) error {
	return writeJSON(w, http.StatusOK, s.opts.Version)
}

func (s *Server) document(w http.ResponseWriter, _ *request) error {
	w.Header().Set("Content-Type", "application/vnd.oai.openapi+json")
	w.Header().Set("Cache-Control", "max-age=300")
	_, _ = w.Write(s.openAPI)
	return nil
}

// isDocument tells whether a JSON body is a resource rather than a request
// that holds files.
func isDocument(body []byte) bool {
	var probe struct {
		Kind  *json.RawMessage `json:"kind"`
		Files *json.RawMessage `json:"files"`
	}
	return json.Unmarshal(body, &probe) == nil && probe.Kind != nil && probe.Files == nil
}
