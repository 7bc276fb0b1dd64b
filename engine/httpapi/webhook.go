package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"paragon/engine/cache"
	"paragon/engine/execution"
	"paragon/schema"
	"paragon/workflows"
)

// hookAccepted answers a webhook with respond: accepted. Whoever can call a
// webhook learns no more of the run than its id.
type hookAccepted struct {
	ID string `json:"id,omitempty"`
	// Ignored says that no run was started: the request is for a user who does
	// not have the workflow.
	Ignored bool `json:"ignored,omitempty"`
}

// defaultRespond bounds the wait of respond: result.
const defaultRespond = 30 * time.Second

// hook takes a webhook: finds its trigger, verifies the sender, checks and
// decodes the request, and starts the run.
func (s *Server) hook(w http.ResponseWriter, r *request) error {
	wf, trigger := s.findHook(r)
	if trigger == nil {
		// One answer for whatever is not there: nobody learns what is.
		return notFound("there is no webhook at %s", r.URL.Path)
	}
	hook := trigger.Spec.Webhook
	method := nameOr(strings.ToUpper(hook.Method), http.MethodPost)
	if r.Method != method {
		w.Header().Set("Allow", method)
		if r.Method == http.MethodOptions {
			w.WriteHeader(http.StatusNoContent)
			return nil
		}
		return wrongMethod(r.Method, r.URL.Path, method)
	}
	if wf.Broken != nil {
		return fmt.Errorf("workflow %s of project %s: %w", wf.Name, wf.Project, wf.Broken)
	}
	body, err := readBody(r.Request)
	if err != nil {
		return err
	}
	if err := s.verifyHook(w, r, hook.Auth, body); err != nil {
		return err
	}
	req, err := s.hookRequest(r, wf, trigger, body)
	if err != nil {
		return err
	}
	if req == nil {
		return writeJSON(w, http.StatusAccepted, hookAccepted{Ignored: true})
	}
	run, err := s.opts.Runs.Trigger(r.Context(), *req)
	if err != nil {
		return err
	}
	if hook.Respond != "result" {
		return writeJSON(w, http.StatusAccepted, hookAccepted{ID: run.ID})
	}
	wait := time.Duration(hook.Timeout)
	if wait <= 0 {
		wait = defaultRespond
	}
	wait = min(wait, s.limits.Wait)
	extend(w, wait+slack)
	r.letGo()
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	said, err := s.opts.Runs.Response(ctx, run.Project, run.ID)
	if err != nil && !(ctx.Err() != nil && errors.Is(err, ctx.Err())) {
		return err
	}
	if said == nil {
		return timedOut("run %s has not responded after %s; it goes on", run.ID, schema.Duration(wait))
	}
	return writeSaid(w, said)
}

func (s *Server) findHook(r *request) (*cache.Workflow, *workflows.Trigger) {
	p := s.opts.Cache.Project(r.project)
	if p == nil {
		return nil, nil
	}
	wf := p.Workflow(r.PathValue("workflow"))
	if wf == nil {
		return nil, nil
	}
	t := wf.Triggers[r.PathValue("trigger")]
	if t == nil || t.Spec == nil || t.Spec.Webhook == nil {
		return nil, nil
	}
	return wf, t
}

// verifyHook makes a problem of a request that does not prove itself.
func (s *Server) verifyHook(w http.ResponseWriter, r *request, auth *schema.WebhookAuth, body []byte) error {
	project := s.opts.Cache.Project(r.project)
	if project == nil {
		return notFound("there is no webhook at %s", r.URL.Path)
	}
	err := verifier{secret: project.Secret, now: s.now()}.verify(auth, r.Request, body)
	if err == nil {
		return nil
	}
	if errors.Is(err, errSecret) {
		s.log.WarnContext(r.Context(), "webhook can't be verified", "project", r.project, "path", r.URL.Path, "error", err)
		return unavailable("the webhook can't be verified now: its secret is not set here")
	}
	s.log.InfoContext(r.Context(), "webhook refused", "project", r.project, "path", r.URL.Path, "from", remoteHost(r.Request), "reason", err.Error())
	if auth.Basic != nil {
		w.Header().Set("WWW-Authenticate", `Basic realm="webhook", charset="UTF-8"`)
	} else if auth.Bearer != nil {
		w.Header().Set("WWW-Authenticate", `Bearer realm="webhook"`)
	} else {
		w.Header().Set("WWW-Authenticate", `Signature realm="webhook"`)
	}
	return problem(http.StatusUnauthorized, schema.ProblemSignature, "Invalid signature", "%s", err.Error())
}

// hookRequest checks the request against the trigger's schemas and makes the
// run's input. It is nil when the request is for a user who does not have the
// workflow: the sender can't help that, and must not be told.
func (s *Server) hookRequest(r *request, wf *cache.Workflow, t *workflows.Trigger, body []byte) (*execution.Request, error) {
	input, err := payload(r.Request, body)
	if err != nil {
		return nil, err
	}
	trigger := schema.Trigger{Kind: "webhook", ID: t.Spec.ID, Time: s.now().UTC(), Method: r.Method,
		Headers: shownHeaders(r.Header, t.Spec.Webhook.Auth), Query: shownQuery(r.Request, t.Spec.Webhook.Auth)}
	value, err := decodeValue(input)
	if err != nil {
		return nil, badRequest("the body can't be read: %v", err)
	}
	if diags := t.CheckRequest(trigger.Headers, trigger.Query, value); len(diags) > 0 {
		p := problem(http.StatusUnprocessableEntity, schema.ProblemInvalid, "Invalid request", "the request does not fit the webhook's schema: %s", diags[0].Message)
		p.Errors = diags
		return nil, p
	}
	scope, err := hookScope(wf, trigger, value)
	if err != nil {
		return nil, err
	}
	who, err := s.hookUser(r.Context(), wf, t, scope)
	if err != nil || who == nil && wf.Users != nil {
		return nil, err
	}
	if t.Input != nil {
		made, err := t.Input.Eval(scope)
		if err == nil {
			input, err = json.Marshal(made)
		}
		if err != nil {
			return nil, problem(http.StatusUnprocessableEntity, schema.ProblemInvalid, "Invalid request", "the run's input can't be made from the request: %v", err)
		}
	}
	key, err := hookKey(r.Header, t)
	if err != nil {
		return nil, err
	}
	return &execution.Request{Project: wf.Project, Workflow: wf.Name, Input: nullAsNone(input), Trigger: trigger,
		IdempotencyKey: key, TraceParent: traceOf(r.Context()).Parent(), For: who}, nil
}

// hookUser is the user whom a webhook's run is for, whom the scope then has too;
// nil for none.
func (s *Server) hookUser(ctx context.Context, wf *cache.Workflow, t *workflows.Trigger, scope *workflows.Scope) (*schema.RunUser, error) {
	if wf.Users == nil || t.User == nil {
		return nil, nil
	}
	user, err := t.User.EvalString(scope)
	if err != nil {
		return nil, problem(http.StatusUnprocessableEntity, schema.ProblemInvalid, "Invalid request", "whom the request is for can't be told from it: %v", err)
	}
	if user == "" {
		return nil, nil
	}
	return s.opts.Runs.UserOf(ctx, wf, user, scope)
}

// hookKey is the idempotency key of a delivery, in a space of its trigger's
// own, so that a sender can't take the keys of others: the header
// Idempotency-Key, or what the sender repeats when it delivers again.
func hookKey(h http.Header, t *workflows.Trigger) (string, error) {
	key := h.Get("Idempotency-Key")
	if auth := t.Spec.Webhook.Auth; key == "" && auth != nil && auth.Preset != nil && auth.Preset.Name == "standard" {
		key = nameOr(h.Get("webhook-id"), h.Get("svix-id"))
	}
	if key == "" {
		return "", nil
	}
	key = "hook/" + t.Spec.ID + "/" + key
	return key, checkIdempotencyKey(key)
}

// hookScope is what spec.triggers[].input sees: the trigger with the body.
func hookScope(wf *cache.Workflow, t schema.Trigger, body any) (*workflows.Scope, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	var trigger map[string]any
	if err := json.Unmarshal(text, &trigger); err != nil {
		return nil, err
	}
	for _, name := range []string{"headers", "query"} {
		if trigger[name] == nil {
			trigger[name] = map[string]any{}
		}
	}
	trigger["body"] = body
	return &workflows.Scope{Input: body, Trigger: trigger, Now: t.Time,
		Workflow: map[string]any{"name": wf.Name, "revision": int(wf.Revision)}}, nil
}

func decodeValue(input json.RawMessage) (any, error) {
	if input == nil {
		return nil, nil
	}
	var v any
	err := json.Unmarshal(input, &v)
	return v, err
}

// hiddenHeaders prove identity and do not belong into a run's record.
var hiddenHeaders = []string{"authorization", "proxy-authorization", "cookie"}

// shownHeaders are the headers that a run keeps, without those that
// authenticate.
func shownHeaders(h http.Header, auth *schema.WebhookAuth) map[string]string {
	out := make(map[string]string, len(h))
	for name, values := range h {
		name = strings.ToLower(name)
		if slices.Contains(hiddenHeaders, name) || auth != nil && auth.APIKey != nil && strings.EqualFold(name, auth.APIKey.Header) {
			continue
		}
		out[name] = strings.Join(values, ", ")
	}
	return out
}

// shownQuery are the query parameters that a run keeps, the last value of
// each.
func shownQuery(r *http.Request, auth *schema.WebhookAuth) map[string]string {
	out := map[string]string{}
	for name, values := range r.URL.Query() {
		if auth != nil && auth.APIKey != nil && auth.APIKey.Header == "" && name == auth.APIKey.Query {
			continue
		}
		out[name] = values[len(values)-1]
	}
	return out
}

// validHeader tells whether a name is a token (RFC 9110 section 5.6.2) and a
// value has no control characters (section 5.5).
func validHeader(name, value string) bool {
	if name == "" {
		return false
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// writeSaid answers with what a run said. Headers that would break the
// connection, or that no header may hold, are left out.
func writeSaid(w http.ResponseWriter, said *execution.Response) error {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	for name, value := range said.Headers {
		switch http.CanonicalHeaderKey(name) {
		case "Connection", "Content-Length", "Transfer-Encoding", "Trailer", "Upgrade", "Keep-Alive", "Te", "Traceparent":
			continue
		}
		if validHeader(name, value) {
			h.Set(name, value)
		}
	}
	status := said.Status
	if status < 200 || status > 599 {
		status = http.StatusOK
	}
	if status == http.StatusNoContent || status == http.StatusNotModified || said.Body == nil {
		w.WriteHeader(status)
		return nil
	}
	body := []byte(said.Body)
	if ct := h.Get("Content-Type"); ct == "" {
		h.Set("Content-Type", "application/json")
	} else if text := ""; !strings.Contains(ct, "json") && json.Unmarshal(body, &text) == nil {
		body = []byte(text) // HTML, XML or plain text, made by the workflow
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
	return nil
}
