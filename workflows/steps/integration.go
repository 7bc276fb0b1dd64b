package steps

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"paragon/workflows"
	"paragon/workflows/exchange"
)

// Integrations finds what a request to an integration needs. Its errors are a
// *Refusal where the attempt is to fail with more than a message.
type Integrations interface {
	Target(ctx context.Context, who Caller) (Target, error)
}

// Caller is for whom an integration is called.
type Caller struct {
	Project, Integration string
	// User is empty for the project itself; Account chooses among a user's.
	User, Account string
}

// Target is what a call to an integration needs, for one caller at one moment.
type Target interface {
	// URL is the address of a path below the integration's base.
	URL(path string) (*url.URL, error)
	// Authorize puts the credential on a request to that host, and refuses any
	// other.
	Authorize(r *http.Request) error
	// Secrets are texts that no record may show.
	Secrets() []string
	// Hide takes the credential out of a result (JSON): an API may repeat what it
	// got, and no step has a use for it.
	Hide(result []byte) []byte
	// Timeout bounds a request of a step that sets no timeout.
	Timeout() time.Duration
	// Pages has the items and the next page of the API's lists, nil without them.
	Pages() *workflows.Pages
	// Refused is asked for another target when the far side answered 401; its
	// error says what to do when there is none.
	Refused(ctx context.Context) (Target, error)
}

// The types of RunError of an integration that can't be called.
const (
	// ErrorCredential is a credential that does not work until somebody acts.
	ErrorCredential = "credential"
	// ErrorIntegration is an integration that is not there, or not usable.
	ErrorIntegration = "integration"
)

// Refusal is why an integration can't be called.
type Refusal struct {
	// Type is that of the run's error: one of those above, or a kind of exchange.
	Type, Message string
	// Status is the far side's, 0 when it was not asked.
	Status int
	// Passing says that another attempt may succeed.
	Passing bool
}

// Error is the message.
func (r *Refusal) Error() string { return r.Message }

// connect finds the target of a request to an integration.
func (a *attempt) connect(ctx context.Context) error {
	if a.integrations == nil {
		return &Refusal{Type: ErrorIntegration, Message: fmt.Sprintf("request.integration: no integration %q is set up here", a.spec.Integration)}
	}
	account, err := a.call.Step.Args.Field("account").EvalString(a.call.Scope)
	if err != nil {
		return expression("account", err)
	}
	target, err := a.integrations.Target(ctx, Caller{Project: a.call.Project, Integration: a.spec.Integration, User: a.call.User, Account: account})
	if err != nil {
		return err
	}
	a.use(target)
	return nil
}

// use makes a target the attempt's.
func (a *attempt) use(t Target) {
	a.target = t
	for _, s := range t.Secrets() {
		a.redact.add(s)
	}
}

// buildTarget makes the URL below the integration's base.
func (a *attempt) buildTarget(m *message) error {
	path, err := a.call.Step.Args.Field("path").EvalString(a.call.Scope)
	if err != nil {
		return expression("path", err)
	}
	if m.url, err = a.target.URL(path); err != nil {
		return fatal("path: %s", err)
	}
	return nil
}

// renew answers a 401: the request is sent once more with another credential,
// when there is one. Else the refusal says more than the status does.
func (a *attempt) renew(ctx context.Context, m *message, resp *exchange.Response) (*exchange.Response, error) {
	a.renewed = true
	target, err := a.target.Refused(ctx)
	switch {
	case err == nil:
		a.use(target)
		return a.send(ctx, m)
	case accepted(a.spec.Accept, resp.Status) || ctx.Err() != nil:
		return resp, nil
	}
	failed := a.statusError(resp)
	var f *failure
	var r *Refusal
	if errors.As(failed, &f) && errors.As(err, &r) && !r.Passing {
		return nil, &Refusal{Type: r.Type, Status: resp.Status, Message: fmt.Sprintf("%s (%s)", f.err.Message, r.Message)}
	}
	return nil, failed
}

// paging is how a request's pages follow one another: as the step says, and where
// it leaves that out as the integration does.
func (a *attempt) paging() (*workflows.Pages, error) {
	own := *a.call.Step.Pages
	if own.Items != nil && !own.Inherit {
		return &own, nil
	}
	var theirs *workflows.Pages
	if a.target != nil {
		theirs = a.target.Pages()
	}
	if theirs == nil || own.Items == nil && theirs.Items == nil {
		return nil, fatal("pagination: integration %s does not say how its lists are paged; write items and nextPage", a.spec.Integration)
	}
	if own.Items == nil {
		own.Items = theirs.Items
	}
	if own.Inherit {
		if theirs.Inherit {
			return nil, fatal("pagination: integration %s does not say where the next page is; write nextPage", a.spec.Integration)
		}
		own.NextPage = theirs.NextPage
	}
	return &own, nil
}
