package enrol

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"paragon/engine/cache"
	"paragon/engine/connect/users"
	"paragon/schema"
)

// Directory tells for whom workflows run. It reads Redis alone, and is safe for
// concurrent use.
type Directory struct {
	rdb  redis.UniversalClient
	book *users.Book
}

// NewDirectory makes a Directory.
func NewDirectory(rdb redis.UniversalClient, book *users.Book) *Directory {
	return &Directory{rdb: rdb, book: book}
}

// For returns a user as a run of the workflow sees it. It is a problem of type
// not-found when the user is not there, and a conflict when the user is
// disabled, or the workflow runs for users and not for this one.
func (d *Directory) For(ctx context.Context, wf *cache.Workflow, user string) (*schema.RunUser, error) {
	if wf.Users != nil {
		return d.enrolled(ctx, wf, user)
	}
	u, err := d.book.Active(ctx, wf.Project, user)
	switch {
	case errors.Is(err, users.ErrNoUser):
		return nil, problem(404, schema.ProblemNotFound, "Not found", "there is no user %q in project %s", user, wf.Project)
	case errors.Is(err, users.ErrDisabled):
		return nil, problem(409, schema.ProblemConflict, "Conflict", "user %q is disabled", user)
	case err != nil:
		return nil, err
	}
	return &schema.RunUser{ID: u.ID, Meta: u.Meta}, nil
}

func (d *Directory) enrolled(ctx context.Context, wf *cache.Workflow, user string) (*schema.RunUser, error) {
	key := keyOf(wf.Project, wf.Name)
	var seen, rule *redis.StringCmd
	_, err := d.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		seen, rule = p.HGet(ctx, key+":seen", user), p.Get(ctx, key+":rule")
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("read a user of workflow %s: %w", wf.Name, err)
	}
	if text := seen.Val(); text != "" {
		return parseSeen(text)
	}
	if rule.Val() != strconv.FormatInt(wf.Revision, 10) {
		return nil, unjudged(wf)
	}
	return nil, problem(409, schema.ProblemConflict, "Conflict", "workflow %q does not run for user %q: the user has not enabled it, or may not have it (GET …/users/{id}/workflows says which)", wf.Name, user)
}

func parseSeen(text string) (*schema.RunUser, error) {
	var who schema.RunUser
	if err := json.Unmarshal([]byte(text), &who); err != nil {
		return nil, fmt.Errorf("read a user of a workflow: %w", err)
	}
	return &who, nil
}

// unjudged passes: who has the workflow is being found out.
func unjudged(wf *cache.Workflow) error {
	p := problem(503, schema.ProblemUnavailable, "Service unavailable",
		"who has revision %d of workflow %q is being found out; try again", wf.Revision, wf.Name)
	p.RetryAfter = 1
	return p
}

// Stopped tells whether nothing runs for a user: it is disabled or gone.
func (d *Directory) Stopped(ctx context.Context, project, user string) (bool, error) {
	_, err := d.book.Active(ctx, project, user)
	if errors.Is(err, users.ErrNoUser) || errors.Is(err, users.ErrDisabled) {
		return true, nil
	}
	return false, err
}

// Page is some of the users of a workflow, in order of their places.
type Page struct {
	Users []schema.RunUser
	// Last is the place of the last of them, or the end of what was asked for
	// when there are no more up to there.
	Last uint64
	// Next is the first place behind that has a user; Slots when none has.
	Next uint64
}

// Page lists users whose place is at least from and below to, at most about
// limit: users of one place stay together. It fails while who has the current
// revision is being found out.
func (d *Directory) Page(ctx context.Context, wf *cache.Workflow, from, to uint64, limit int) (*Page, error) {
	key := keyOf(wf.Project, wf.Name)
	rule, err := d.rdb.Get(ctx, key+":rule").Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("read the users of workflow %s: %w", wf.Name, err)
	}
	if rule != strconv.FormatInt(wf.Revision, 10) {
		return nil, unjudged(wf)
	}
	out := &Page{Last: to, Next: Slots}
	found, err := d.between(ctx, key, from, to, limit)
	if err != nil {
		return nil, err
	}
	if len(found) == limit {
		last := uint64(found[limit-1].Score)
		together, err := d.between(ctx, key, last, last+1, -1)
		if err != nil {
			return nil, err
		}
		for len(found) > 0 && uint64(found[len(found)-1].Score) == last {
			found = found[:len(found)-1]
		}
		found, out.Last = append(found, together...), last+1
	}
	next, err := d.between(ctx, key, out.Last, Slots, 1)
	if err != nil {
		return nil, err
	}
	if len(next) > 0 {
		out.Next = uint64(next[0].Score)
	}
	if len(found) == 0 {
		return out, nil
	}
	ids := make([]string, len(found))
	for i, z := range found {
		ids[i], _ = z.Member.(string)
	}
	seen, err := d.rdb.HMGet(ctx, key+":seen", ids...).Result()
	if err != nil {
		return nil, fmt.Errorf("read the users of workflow %s: %w", wf.Name, err)
	}
	for _, v := range seen {
		text, ok := v.(string)
		if !ok {
			continue // left meanwhile
		}
		who, err := parseSeen(text)
		if err != nil {
			return nil, err
		}
		out.Users = append(out.Users, *who)
	}
	return out, nil
}

func (d *Directory) between(ctx context.Context, key string, from, to uint64, limit int) ([]redis.Z, error) {
	found, err := d.rdb.ZRangeArgsWithScores(ctx, redis.ZRangeArgs{
		Key: key + ":on", Start: strconv.FormatUint(from, 10), Stop: "(" + strconv.FormatUint(to, 10), ByScore: true, Count: int64(limit),
	}).Result()
	if err != nil {
		return nil, fmt.Errorf("read the users of a workflow: %w", err)
	}
	return found, nil
}

func problem(status int, kind schema.ProblemType, title, format string, args ...any) *schema.Problem {
	return &schema.Problem{Type: kind, Title: title, Status: status, Detail: fmt.Sprintf(format, args...)}
}
