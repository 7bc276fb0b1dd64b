package steps

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"time"

	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/exchange"
)

const (
	// defaultPages bounds the pages of a step that does not say.
	defaultPages = 100
	// mostCollected bounds the bodies of all pages together, in bytes.
	mostCollected = 64 << 20
	// firstPause and longestPause space the tries of a page that was refused
	// without a Retry-After.
	firstPause   = time.Second
	longestPause = 30 * time.Second
)

// collected is the body of a paginated step's result.
type collected struct {
	Items []any `json:"items"`
	Pages int   `json:"pages"`
	// More says that maxPages ended it and another page was there.
	More bool `json:"more,omitempty"`
}

// pages follows the pages and collects their items.
func (a *attempt) pages(ctx context.Context, m *message) ([]byte, error) {
	spec, err := a.paging()
	if err != nil {
		return nil, err
	}
	most := spec.MaxPages
	if most <= 0 {
		most = defaultPages
	}
	first, key := m.url, m.idempotencyKey
	seen := map[string]bool{}
	got := collected{Items: []any{}}
	var last *exchange.Response
	size := 0
	// With partial results, what was read before the failure is the result.
	end := func(err error) ([]byte, error) {
		if err != nil && (!spec.Partial || last == nil || a.interrupted(ctx, err)) {
			return nil, err
		}
		r := requestResult{Status: last.Status, Headers: lowerHeaders(last.Header), Body: got}
		if err != nil {
			r.Error = outcome(context.WithoutCancel(ctx), err, a.redact.text).Err
			a.retryAfter = 0
		}
		return encode(r)
	}
	for {
		if !exchange.SameOrigin(first, m.url) {
			return end(pagination("the next page is on another host, %s: the step's credentials stay at %s", m.url.Host, first.Host))
		}
		if address := m.url.String(); seen[address] {
			return end(pagination("page %d has the address of a page before: %s", got.Pages+1, exchange.RedactURL(m.url, a.redact.text)))
		} else {
			seen[address] = true
		}
		if got.Pages > 0 && key != "" {
			// A far side that dedupes by the key must not answer with the page before.
			m.idempotencyKey = fmt.Sprintf("%s-%d", key, got.Pages+1)
		}
		resp, err := a.page(ctx, m, got.Pages+1)
		if err != nil {
			return end(err)
		}
		if size += len(resp.Body); size > mostCollected {
			return end(&failure{err: &schema.RunError{Type: string(exchange.KindTooLarge),
				Message: fmt.Sprintf("%s: the pages together are larger than %d bytes", a.describe(), mostCollected)}})
		}
		scope, err := a.pageScope(resp, got.Pages+1)
		if err != nil {
			return end(err)
		}
		items, err := pageItems(spec.Items, scope)
		if err != nil {
			return end(err)
		}
		got.Items = append(got.Items, items...)
		got.Pages++
		last = resp
		if done, err := spec.Until.EvalBool(scope); err != nil {
			return end(expression("pagination.until", err))
		} else if done {
			return end(nil)
		}
		next, err := nextURL(spec.NextPage, scope, resp)
		if err != nil {
			return end(err)
		}
		if next == nil {
			return end(nil)
		}
		if got.Pages >= most {
			got.More = true
			return end(nil)
		}
		m.url = next
	}
}

// interrupted tells a cancellation from above from the step's own timeout, whose
// pages so far are a partial result.
func (a *attempt) interrupted(ctx context.Context, err error) bool {
	return exchange.KindOf(err) == exchange.KindCanceled || errors.Is(ctx.Err(), context.Canceled)
}

func pagination(format string, args ...any) error {
	return &failure{err: &schema.RunError{Type: errorPagination, Message: fmt.Sprintf(format, args...)}}
}

// page fetches one page. A page that is refused for now is asked for again while
// the step's timeout lasts; the first one is left to the step's retry when it
// has one, which holds no worker while it waits.
func (a *attempt) page(ctx context.Context, m *message, number int) (*exchange.Response, error) {
	pause := firstPause
	for {
		resp, err := a.exchange(ctx, m)
		var f *failure
		if err == nil || !errors.As(err, &f) || !a.refusedForNow(f) || number == 1 && a.call.Step.Retry != nil {
			return resp, err
		}
		wait := a.retryAfter
		if wait == 0 {
			wait = pause
			pause = min(2*pause, longestPause)
		}
		if deadline, ok := ctx.Deadline(); ok && deadline.Sub(a.clock.Now()) <= wait {
			return nil, err
		}
		if a.clock.Sleep(ctx, wait) != nil {
			return nil, err
		}
	}
}

func (a *attempt) refusedForNow(f *failure) bool {
	return f.err.Status == http.StatusTooManyRequests || f.err.Status == http.StatusServiceUnavailable && a.retryAfter > 0
}

// pageScope is the step's scope with response and page.
func (a *attempt) pageScope(resp *exchange.Response, page int) (*workflows.Scope, error) {
	body, err := a.body(resp)
	if err != nil {
		return nil, err
	}
	if raw, err := encode(body); err == nil {
		if body, err = decode(raw); err != nil {
			return nil, fatal("the page can't be read: %s", err)
		}
	}
	headers := map[string]any{}
	for name, value := range lowerHeaders(resp.Header) {
		headers[name] = value
	}
	var scope workflows.Scope
	if a.call.Scope != nil {
		scope = *a.call.Scope
	}
	scope.Vars = maps.Clone(scope.Vars)
	if scope.Vars == nil {
		scope.Vars = map[string]any{}
	}
	scope.Vars["response"] = map[string]any{"status": resp.Status, "headers": headers, "body": body}
	scope.Vars["page"] = page
	return &scope, nil
}

func pageItems(v *workflows.Value, scope *workflows.Scope) ([]any, error) {
	x, err := v.Eval(scope)
	if err != nil {
		return nil, expression("pagination.items", err)
	}
	switch items := x.(type) {
	case []any:
		return items, nil
	case nil:
		return nil, nil
	}
	return nil, fatal("pagination.items: it must be a list")
}

// nextURL is the address of the next page, nil at the end. A map changes
// parameters of the page's own query; a null or empty one in it ends, which is
// what the cursor of the last page is.
func nextURL(v *workflows.Value, scope *workflows.Scope, resp *exchange.Response) (*url.URL, error) {
	current, err := url.Parse(resp.URL)
	if err != nil {
		return nil, pagination("the page's address can't be read")
	}
	if v == nil {
		target := nextLink(resp.Header.Values("Link"))
		if target == "" {
			return nil, nil
		}
		return resolve(current, target)
	}
	x, err := v.Eval(scope)
	if err != nil {
		return nil, expression("pagination.nextPage", err)
	}
	switch next := x.(type) {
	case nil:
		return nil, nil
	case bool:
		if !next {
			return nil, nil
		}
	case string:
		if next == "" {
			return nil, nil
		}
		return resolve(current, next)
	case map[string]any:
		query := current.Query()
		if len(next) == 0 {
			return nil, nil
		}
		for name, value := range next {
			if value == nil || value == "" || value == false {
				return nil, nil
			}
			list, err := texts(value)
			if err != nil {
				return nil, expression("pagination.nextPage."+name, err)
			}
			query[name] = list
		}
		changed := *current
		changed.RawQuery = query.Encode()
		return &changed, nil
	}
	return nil, fatal("pagination.nextPage: it must be a URL, an object of query parameters or null")
}

// resolve reads a URL relative to the page's (RFC 3986 section 5).
func resolve(current *url.URL, target string) (*url.URL, error) {
	next, err := current.Parse(target)
	if err != nil {
		return nil, pagination("the next page's address is malformed")
	}
	if next.Scheme != "http" && next.Scheme != "https" || next.Host == "" {
		return nil, pagination("the next page's address is not an HTTP URL")
	}
	next.Fragment, next.RawFragment = "", ""
	if next.User == nil {
		next.User = current.User
	}
	return next, nil
}
