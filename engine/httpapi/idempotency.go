package httpapi

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"paragon/engine/config"
	"paragon/schema"
	"paragon/schema/api"
)

// claimSlack is how long a request may hold an idempotency key beyond its own
// limit, before it counts as lost.
const claimSlack = 30 * time.Second

// replayed marks an answer that was given before.
const replayed = "Idempotent-Replayed"

// kept are the headers of an answer that belong to it, in canonical form.
var kept = []string{"Content-Type", "Cache-Control", "Etag", "Location", "Warning"}

// keepsAnswers tells whether the route answers a repeated Idempotency-Key with
// the answer of before. Public routes know no caller whose key it could be, and
// routes that start runs have run-level keys, which need no Postgres.
func (rt *route) keepsAnswers() bool {
	return rt.method != "" && rt.method != http.MethodGet && rt.access != public && !rt.ownKeys
}

// serveOnce serves a mutation with an idempotency key: the first time for real,
// then from the store. It goes on when the caller leaves, so that the answer is
// there when they come back.
func (s *Server) serveOnce(w http.ResponseWriter, r *request, key string) error {
	if err := checkIdempotencyKey(key); err != nil {
		return err
	}
	body, err := readBody(r.Request)
	if err != nil {
		return err
	}
	project := r.project
	if r.route.access == installation {
		project = schema.DefaultProject
	}
	claim, answer, err := s.opts.Config.ClaimAnswer(r.Context(), r.caller.token, project, key, fingerprint(r.Request, body), s.limits.Request+claimSlack)
	if err != nil {
		return err
	}
	if answer != nil {
		for name, values := range answer.Header {
			w.Header()[name] = values
		}
		w.Header().Set(replayed, "true")
		w.WriteHeader(answer.Status)
		_, _ = w.Write(answer.Body)
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), s.limits.Request)
	defer cancel()
	r.Request = r.WithContext(ctx)
	r.Body = io.NopCloser(bytes.NewReader(body))
	first := &answerKeeper{ResponseWriter: w}
	s.answerFirst(claim, first, r)
	first.send()
	return nil
}

// answerFirst serves into the keeper, and then stores the answer or, when there
// is none that lasts, frees the key: after a panic, too.
func (s *Server) answerFirst(claim *config.Claim, k *answerKeeper, r *request) {
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 5*time.Second)
		defer cancel()
		if err := claim.Keep(ctx, k.answer()); err != nil {
			s.log.WarnContext(ctx, "an answer could not be kept for its Idempotency-Key", "path", r.URL.Path, "error", err)
		}
	}()
	if err := r.route.serve(k, r); err != nil {
		s.fail(k, r.Request, err)
	}
	k.WriteHeader(http.StatusOK) // as net/http has it for a handler that writes nothing
}

// fingerprint is all of a request that its answer depends on.
func fingerprint(r *http.Request, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s\n", r.Method, r.URL.RequestURI())
	for _, name := range []string{"Content-Type", "If-Match", "If-None-Match", api.HeaderUser, api.HeaderAccount} {
		fmt.Fprintf(&b, "%s: %q\n", name, r.Header.Values(name))
	}
	b.WriteByte('\n')
	b.Write(body)
	return b.Bytes()
}

// answerKeeper holds an answer back until it is stored.
type answerKeeper struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (k *answerKeeper) WriteHeader(status int) {
	if k.status == 0 {
		k.status = status
	}
}

func (k *answerKeeper) Write(b []byte) (int, error) {
	k.WriteHeader(http.StatusOK)
	return k.body.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (k *answerKeeper) Unwrap() http.ResponseWriter { return k.ResponseWriter }

// answer is what is stored; its status is 0 while there is none.
func (k *answerKeeper) answer() config.Answer {
	a := config.Answer{Status: k.status, Header: http.Header{}, Body: k.body.Bytes()}
	for name, values := range k.Header() {
		if slices.Contains(kept, name) {
			a.Header[name] = values
		}
	}
	return a
}

// send lets the answer go.
func (k *answerKeeper) send() {
	k.ResponseWriter.WriteHeader(k.status)
	_, _ = k.ResponseWriter.Write(k.body.Bytes())
}
