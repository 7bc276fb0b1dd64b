package api

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"paragon/schema"
)

// Release is what was applied together under a name.
type Release struct {
	// Name is unique in the project ("v1.4.0").
	Name string `json:"name"`
	// Set is the set that it was applied as, empty for none.
	Set string `json:"set,omitempty"`
	// Commit is where it comes from, as the client said.
	Commit    string    `json:"commit,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
	CreatedBy string    `json:"createdBy"`
	// Items are the resources of the release, and those that it deleted.
	Items []ReleaseItem `json:"items"`
}

// ReleaseItem is one resource of a release.
type ReleaseItem struct {
	schema.Ref
	// Action is what the release did to it.
	Action Action `json:"action"`
	// Revision is the one that the release has, Before that which was current
	// until then; 0 for none.
	Revision int64 `json:"revision"`
	Before   int64 `json:"before,omitempty"`
}

// Comparison answers with what differs between two releases, two revisions, or
// one of them and what is current.
type Comparison struct {
	// Changed says whether anything differs.
	Changed bool `json:"changed"`
	// Items has an entry for each resource that differs: what brings the first
	// to the second.
	Items []ApplyItem `json:"items"`
}

// Releases returns a page of the project's releases, newest first.
func (c *Client) Releases(ctx context.Context, cursor string, limit int) (*List[Release], error) {
	return get[List[Release]](ctx, c, c.path("releases"), page(cursor, limit))
}

// Release returns a release by its name.
func (c *Client) Release(ctx context.Context, name string) (*Release, error) {
	return get[Release](ctx, c, c.path("releases", name), nil)
}

// CompareReleases tells what differs from one release to another; an empty to
// is what is current.
func (c *Client) CompareReleases(ctx context.Context, name, to string) (*Comparison, error) {
	q := url.Values{}
	if to != "" {
		q.Set("to", to)
	}
	return get[Comparison](ctx, c, c.path("releases", name, "compare"), q)
}

// RollbackRelease brings the resources of a release back to what it had.
func (c *Client) RollbackRelease(ctx context.Context, name string, opts ApplyOptions) (*ApplyResult, error) {
	// Repeated, it finds nothing left to do.
	r := &call{method: http.MethodPost, path: c.path("releases", name, "rollback"), query: url.Values{}, again: true}
	if opts.DryRun {
		r.query.Set("dryRun", "true")
	}
	var out ApplyResult
	r.into(&out)
	if err := c.do(ctx, r); err != nil {
		return nil, err
	}
	return &out, nil
}

// CompareRevisions tells what differs from one revision of a resource to
// another; 0 is the current one.
func (c *Client) CompareRevisions(ctx context.Context, ref schema.Ref, from, to int64) (*Comparison, error) {
	return get[Comparison](ctx, c, c.path(ref.Kind.Path(), ref.Name, "compare"), revisions(from, to))
}
