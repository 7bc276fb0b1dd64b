package cache

import (
	"container/list"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/redis/go-redis/v9"

	"paragon/engine/store"
	"paragon/schema"
)

// ErrNotYet says that a revision is not in Redis now; the api role has been
// asked to fetch it from the store, so that the same call may succeed in a
// second or two.
var ErrNotYet = errors.New("the workflow's revision is not in Redis now; it has been asked for")

// WorkflowAt returns a workflow at a revision: from memory when it is current
// or was used lately, else from Redis. It returns a *schema.Problem (not
// found) when the store has no such revision, ErrNotYet when Redis has lost
// it, or the error of Redis; the last two may pass.
func (c *Cache) WorkflowAt(ctx context.Context, project, name string, revision int64) (*Workflow, error) {
	if p := c.Project(project); p != nil {
		if w := p.Workflow(name); w != nil && w.Revision == revision {
			return w, nil
		}
	}
	if w := c.Own(project, name); w != nil && w.Revision == revision {
		return w, nil
	}
	id := revisionID{project, schema.KindWorkflow, name, revision}
	if w := c.past.get(id); w != nil {
		return w, nil
	}
	return c.past.load(ctx, id, func() (*Workflow, error) { return c.fetch(ctx, id) })
}

func (c *Cache) fetch(ctx context.Context, id revisionID) (*Workflow, error) {
	text, err := c.rdb.Get(ctx, documentKey(id)).Result()
	if errors.Is(err, redis.Nil) {
		if err := c.rdb.SAdd(ctx, wantedKey, id.String()).Err(); err != nil {
			return nil, fmt.Errorf("ask for %s: %w", id, err)
		}
		return nil, fmt.Errorf("%s: %w", id, ErrNotYet)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", id, err)
	}
	var doc document
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return nil, fmt.Errorf("read %s: %w", id, err)
	}
	if doc.Missing {
		return nil, &schema.Problem{Type: schema.ProblemNotFound, Title: "Not found", Status: http.StatusNotFound,
			Detail: fmt.Sprintf("workflow %s of project %s has no revision %d", id.name, id.project, id.revision)}
	}
	return compile(id.project, id.name, resourceEntry{id.revision, doc.Digest}, doc), nil
}

// Wanted takes up to limit revisions that processes miss off the list.
func Wanted(ctx context.Context, rdb redis.UniversalClient, limit int64) ([]RevisionRef, error) {
	ids, err := rdb.SPopN(ctx, wantedKey, limit).Result()
	if err != nil {
		return nil, fmt.Errorf("read wanted revisions: %w", err)
	}
	var refs []RevisionRef
	for _, s := range ids {
		if id, ok := parseRevisionID(s); ok {
			refs = append(refs, RevisionRef{id.project, schema.Ref{Kind: id.kind, Name: id.name}, id.revision})
		}
	}
	return refs, nil
}

// RevisionRef names a revision of a resource of a project.
type RevisionRef struct {
	Project string
	schema.Ref
	Revision int64
}

// PublishRevision answers a wanted revision: with the resource, or with nil
// when the store has none. One that is not current leaves Redis again when runs
// have had time to end.
func PublishRevision(ctx context.Context, rdb redis.UniversalClient, ref RevisionRef, r *store.Resource, current bool) error {
	id := revisionID{ref.Project, ref.Kind, ref.Name, ref.Revision}
	text := asJSON(document{Missing: true})
	if r != nil {
		text = encodeDocument(*r)
	}
	ttl := supersededFor
	if current {
		ttl = 0
	}
	if err := rdb.Set(ctx, documentKey(id), text, ttl).Err(); err != nil {
		return fmt.Errorf("publish %s: %w", id, err)
	}
	return nil
}

// pastRevisions keeps the revisions used lately, compiled.
type pastRevisions struct {
	mu    sync.Mutex
	limit int
	order *list.List // of *Workflow, the latest used in front
	byID  map[revisionID]*list.Element
	calls map[revisionID]*call
}

// call is a fetch under way that others wait for.
type call struct {
	done chan struct{}
	w    *Workflow
	err  error
}

func newPastRevisions(limit int) *pastRevisions {
	return &pastRevisions{limit: limit, order: list.New(), byID: map[revisionID]*list.Element{}, calls: map[revisionID]*call{}}
}

func (p *pastRevisions) get(id revisionID) *Workflow {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.byID[id]
	if e == nil {
		return nil
	}
	p.order.MoveToFront(e)
	return e.Value.(pastRevision).w
}

type pastRevision struct {
	id revisionID
	w  *Workflow
}

// load fetches a revision once, however many ask for it at the same time.
func (p *pastRevisions) load(ctx context.Context, id revisionID, fetch func() (*Workflow, error)) (*Workflow, error) {
	p.mu.Lock()
	if other := p.calls[id]; other != nil {
		p.mu.Unlock()
		select {
		case <-other.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		// The other's context may have ended, which is no answer to this one.
		if errors.Is(other.err, context.Canceled) || errors.Is(other.err, context.DeadlineExceeded) {
			return fetch()
		}
		return other.w, other.err
	}
	mine := &call{done: make(chan struct{})}
	p.calls[id] = mine
	p.mu.Unlock()

	mine.w, mine.err = fetch()

	p.mu.Lock()
	delete(p.calls, id)
	if mine.err == nil {
		p.byID[id] = p.order.PushFront(pastRevision{id, mine.w})
		for p.order.Len() > p.limit {
			last := p.order.Back()
			p.order.Remove(last)
			delete(p.byID, last.Value.(pastRevision).id)
		}
	}
	p.mu.Unlock()
	close(mine.done)
	return mine.w, mine.err
}

func (p *pastRevisions) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.order.Init()
	clear(p.byID)
}
