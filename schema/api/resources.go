package api

import (
	"context"
	"crypto/rand"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"paragon/schema"
)

// NewIdempotencyKey makes a key that names one request: 26 random characters.
func NewIdempotencyKey() string { return rand.Text() }

// ApplyOptions changes what Apply does.
type ApplyOptions struct {
	// DryRun stops at the plan.
	DryRun bool
	// Prune deletes what the same set applied before and is not in the request.
	Prune bool
}

// Apply writes all documents of the request, or none, and answers with what
// changed. Documents that are wrong are one *schema.Problem with a finding a
// place. When the first answer was lost and the request repeated, what it wrote
// shows as unchanged.
func (c *Client) Apply(ctx context.Context, req ApplyRequest, opts ApplyOptions) (*ApplyResult, error) {
	r := &call{method: http.MethodPost, path: c.path("apply"), query: url.Values{}, again: true}
	if opts.DryRun {
		r.query.Set("dryRun", "true")
	}
	if opts.Prune {
		r.query.Set("prune", "true")
	}
	return send[ApplyResult](ctx, c, r, req)
}

// Get returns a resource.
func (c *Client) Get(ctx context.Context, ref schema.Ref) (*StoredResource, error) {
	return get[StoredResource](ctx, c, c.path(ref.Kind.Path(), ref.Name), nil)
}

// List returns a page of the resources of a kind, in name order, from the
// cursor of the page before (empty: the first), at most limit (0: as many as
// the server gives).
func (c *Client) List(ctx context.Context, kind schema.Kind, cursor string, limit int) (*List[StoredResource], error) {
	return get[List[StoredResource]](ctx, c, c.path(kind.Path()), page(cursor, limit))
}

// All yields every resource of a kind, in name order, page by page. It ends
// after the first error.
func (c *Client) All(ctx context.Context, kind schema.Kind) iter.Seq2[StoredResource, error] {
	return pages(func(cursor string) (*List[StoredResource], error) { return c.List(ctx, kind, cursor, 0) })
}

// DeleteOptions changes what Delete does.
type DeleteOptions struct {
	// Revision, when it is not 0, must be the current one, or Delete fails
	// with a 412 problem.
	Revision int64
	// Force deletes what others still use, too.
	Force bool
}

// Delete ends a resource.
func (c *Client) Delete(ctx context.Context, ref schema.Ref, opts DeleteOptions) error {
	r := &call{method: http.MethodDelete, path: c.path(ref.Kind.Path(), ref.Name), key: NewIdempotencyKey()}
	if opts.Revision != 0 {
		r.ifMatch = ETag(opts.Revision)
	}
	if opts.Force {
		r.query = url.Values{"force": {"true"}}
	}
	return c.do(ctx, r)
}

// Revisions returns a page of the revisions of a resource, newest first;
// deleted ones too.
func (c *Client) Revisions(ctx context.Context, ref schema.Ref, cursor string, limit int) (*List[StoredResource], error) {
	return get[List[StoredResource]](ctx, c, c.path(ref.Kind.Path(), ref.Name, "revisions"), page(cursor, limit))
}

// Rollback writes an earlier revision again as the newest; 0 stands for the
// one before the current.
func (c *Client) Rollback(ctx context.Context, ref schema.Ref, revision int64) (*StoredResource, error) {
	return post[StoredResource](ctx, c, c.path(ref.Kind.Path(), ref.Name, "rollback"), RollbackRequest{Revision: revision})
}

// Keys returns a page of the project's API keys.
func (c *Client) Keys(ctx context.Context, cursor string) (*List[Key], error) {
	return get[List[Key]](ctx, c, c.path("keys"), page(cursor, 0))
}

// CreateKey makes an API key. The answer is the one place where its token is
// ever shown.
func (c *Client) CreateKey(ctx context.Context, req CreateKeyRequest) (*CreatedKey, error) {
	return post[CreatedKey](ctx, c, c.path("keys"), req)
}

// DeleteKey ends an API key, by its id.
func (c *Client) DeleteKey(ctx context.Context, id string) error {
	return c.do(ctx, &call{method: http.MethodDelete, path: c.path("keys", id), key: NewIdempotencyKey()})
}

// WhoAmI tells whose token the client has.
func (c *Client) WhoAmI(ctx context.Context) (*Identity, error) {
	return get[Identity](ctx, c, "/v1/whoami", nil)
}

// Version tells which server answers.
func (c *Client) Version(ctx context.Context) (*Version, error) {
	return get[Version](ctx, c, "/version", nil)
}

// ETag is the entity tag of a revision (RFC 9110 section 8.8.3).
func ETag(revision int64) string { return fmt.Sprintf("%q", strconv.FormatInt(revision, 10)) }

func revisions(from, to int64) url.Values {
	q := url.Values{}
	if from != 0 {
		q.Set("from", strconv.FormatInt(from, 10))
	}
	if to != 0 {
		q.Set("to", strconv.FormatInt(to, 10))
	}
	return q
}

func page(cursor string, limit int) url.Values {
	q := url.Values{}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	return q
}

// pages yields the items of all pages.
func pages[T any](next func(cursor string) (*List[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		cursor := ""
		for {
			p, err := next(cursor)
			if err != nil {
				var zero T
				yield(zero, err)
				return
			}
			for _, item := range p.Items {
				if !yield(item, nil) {
					return
				}
			}
			if p.NextCursor == "" || p.NextCursor == cursor {
				return
			}
			cursor = p.NextCursor
		}
	}
}

func get[T any](ctx context.Context, c *Client, path string, query url.Values) (*T, error) {
	r := &call{method: http.MethodGet, path: path, query: query}
	var out T
	r.into(&out)
	if err := c.do(ctx, r); err != nil {
		return nil, err
	}
	return &out, nil
}

// post makes a request that the server does once: its key lets it be sent again.
func post[T any](ctx context.Context, c *Client, path string, body any) (*T, error) {
	return send[T](ctx, c, &call{method: http.MethodPost, path: path, key: NewIdempotencyKey()}, body)
}

// postOnce makes a request that is sent once, since nothing tells the server that
// it has come before.
func postOnce[T any](ctx context.Context, c *Client, path string, body any) (*T, error) {
	return send[T](ctx, c, &call{method: http.MethodPost, path: path}, body)
}

// send makes a request with a body, nil for none.
func send[T any](ctx context.Context, c *Client, r *call, body any) (*T, error) {
	if body != nil {
		if err := r.json(body); err != nil {
			return nil, err
		}
	}
	var out T
	r.into(&out)
	if err := c.do(ctx, r); err != nil {
		return nil, err
	}
	return &out, nil
}
