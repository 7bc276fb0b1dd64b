package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"paragon/schema"
)

// load brings the snapshot to the version in Redis and tells whether it
// changed. On an error memory stays as it is.
func (c *Cache) load(ctx context.Context) (changed bool, err error) {
	// Changes that arrive while loading take another round; the bound keeps a
	// flood of them from holding up the subscribers.
	for range 5 {
		now, ok, err := readHead(ctx, c.rdb)
		if err != nil {
			return changed, err
		}
		snap := c.snap.Load()
		if !ok {
			// Flushed: memory serves on, and the api role publishes again.
			return changed, ErrEmpty
		}
		if now == snap.head {
			return changed, nil
		}
		var next *snapshot
		if now.generation == snap.head.generation && now.version > snap.head.version {
			next, err = c.loadChange(ctx, snap)
		}
		if next == nil && err == nil {
			next, err = c.loadAll(ctx, snap, now)
		}
		if errors.Is(err, errMoved) {
			continue
		}
		if err != nil {
			return changed, err
		}
		if next.head.generation != snap.head.generation {
			c.past.clear()
		}
		c.snap.Store(next)
		changed = true
	}
	return changed, nil
}

// errMoved says that what was being read is not the current generation any
// more.
var errMoved = errors.New("configuration was published anew while it was read")

// loadChange reads what changed since the snapshot. It returns nil when that
// is not known any more.
func (c *Cache) loadChange(ctx context.Context, snap *snapshot) (*snapshot, error) {
	g := snap.head.generation
	reply, err := followScript.Run(ctx, c.rdb, []string{headKey, indexKey(g), logKey(g)}, snap.head.version, g).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("read configuration changes: %w", err)
	}
	if len(reply) < 2 {
		return nil, nil
	}
	h, err := parseHead(reply[0])
	if err != nil {
		return nil, err
	}
	index := map[string]string{}
	for i := 1; i+1 < len(reply); i += 2 {
		index[reply[i]] = reply[i+1]
	}
	return c.build(ctx, snap, h, index)
}

// loadAll reads everything, and keeps of the snapshot what is the same.
func (c *Cache) loadAll(ctx context.Context, snap *snapshot, h head) (*snapshot, error) {
	index, err := c.rdb.HGetAll(ctx, indexKey(h.generation)).Result()
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	after, ok, err := readHead(ctx, c.rdb)
	if err != nil {
		return nil, err
	}
	if !ok || after != h {
		return nil, errMoved
	}
	// What is in memory and not in the index is gone.
	gone := func(field string) {
		if _, ok := index[field]; !ok {
			index[field] = ""
		}
	}
	for _, p := range snap.projects {
		gone(projectField(p.Name))
		for _, id := range p.refs() {
			gone(resourceField(p.Name, id))
		}
	}
	for id := range snap.keysByID {
		gone(keyField(id))
	}
	return c.build(ctx, snap, h, index)
}

// wanted is a resource whose document has to be read.
type wanted struct {
	project string
	ref     schema.Ref
	entry   resourceEntry
}

// build makes the next snapshot from fields of the index ("" for one that is
// gone).
func (c *Cache) build(ctx context.Context, snap *snapshot, h head, index map[string]string) (*snapshot, error) {
	b := newBuilder(snap)
	var missing []wanted
	for _, field := range fieldsInOrder(index) {
		value := index[field]
		switch {
		case strings.HasPrefix(field, "p/"):
			if err := c.setProject(ctx, b, field[2:], value); err != nil {
				return nil, err
			}
		case strings.HasPrefix(field, "k/"):
			if err := setKey(b, field[2:], value); err != nil {
				return nil, err
			}
		case strings.HasPrefix(field, "r/"):
			w, needed, err := setResource(b, field, value)
			if err != nil {
				return nil, err
			}
			if needed {
				missing = append(missing, w)
			}
		}
	}
	missing = append(missing, unopened(b.next, snap, index)...)
	documents, err := c.documents(ctx, missing)
	if err != nil {
		return nil, err
	}
	compiled := make([]*Workflow, len(missing))
	group, _ := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, w := range missing {
		if w.ref.Kind == schema.KindWorkflow {
			group.Go(func() error {
				compiled[i] = compile(w.project, w.ref.Name, w.entry, documents[i])
				return nil
			})
		}
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for i, w := range missing {
		switch w.ref.Kind {
		case schema.KindWorkflow:
			if compiled[i].Broken != nil {
				c.log.ErrorContext(ctx, "workflow does not compile in this version", "project", w.project,
					"workflow", w.ref.Name, "revision", w.entry.revision, "error", compiled[i].Broken)
			}
			b.project(w.project).workflows[w.ref.Name] = compiled[i]
		case schema.KindIntegration:
			made := compileIntegration(w.ref.Name, w.entry, documents[i])
			if made.Broken != nil {
				c.log.ErrorContext(ctx, "integration does not compile in this version", "project", w.project,
					"integration", w.ref.Name, "revision", w.entry.revision, "error", made.Broken)
			}
			b.project(w.project).integrations[w.ref.Name] = made
		case schema.KindDestination:
			made := compileDestination(w.ref.Name, w.entry, documents[i])
			if made.Broken != nil {
				c.log.ErrorContext(ctx, "destination does not compile in this version", "project", w.project,
					"destination", w.ref.Name, "revision", w.entry.revision, "error", made.Broken)
			}
			b.project(w.project).destinations[w.ref.Name] = made
		case schema.KindSecret:
			c.setSecret(ctx, b.project(w.project), w, documents[i])
		}
	}
	return b.finish(h), nil
}

// fieldsInOrder puts projects first, since what is in them needs their key.
func fieldsInOrder(index map[string]string) []string {
	fields := make([]string, 0, len(index))
	for f := range index {
		fields = append(fields, f)
	}
	rank := func(f string) int { return strings.IndexByte("pkr", f[0]) }
	slices.SortFunc(fields, func(a, b string) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return fields
}

func (c *Cache) setProject(ctx context.Context, b *builder, name, value string) error {
	if value == "" {
		delete(b.next.projects, name)
		delete(b.fresh, name)
		return nil
	}
	var e projectEntry
	if err := json.Unmarshal([]byte(value), &e); err != nil {
		return fmt.Errorf("read project %s: %w", name, err)
	}
	p := b.project(name)
	settings, err := schema.ParseProjectSettings(e.Settings)
	if err != nil {
		c.log.ErrorContext(ctx, "the project's settings can't be read; it has the defaults", "project", name, "error", err)
		settings, _ = schema.ParseProjectSettings(nil)
	}
	p.Settings = settings
	if p.dataKey != nil && string(p.wrapped) == string(e.DataKey) {
		return nil
	}
	key, err := c.opts.Keyring.DataKey(ctx, name, e.DataKey)
	if err != nil {
		// What the key before opened stays: a process that lacks the newest
		// master key loses no run for it.
		c.log.ErrorContext(ctx, "data key can't be opened: new secrets of the project are not available here; add the master key and restart",
			"project", name, "known", p.dataKey != nil, "error", err)
		return nil
	}
	p.wrapped, p.dataKey = e.DataKey, key
	return nil
}

// unopened lists the secrets of projects with a new data key that the key
// before did not open, and that do not come with the change itself. All others
// stay: a data key opens what those before it sealed, and its rotation tells of
// the project alone.
func unopened(b, from *snapshot, index map[string]string) []wanted {
	var found []wanted
	for name, p := range b.projects {
		before := from.projects[name]
		if before == nil || before.dataKey == p.dataKey {
			continue
		}
		for secret, s := range p.secrets {
			ref := schema.Ref{Kind: schema.KindSecret, Name: secret}
			if _, comes := index[resourceField(name, ref)]; !s.opened && !s.gone() && !comes {
				found = append(found, wanted{name, ref, s.entry})
			}
		}
	}
	return found
}

func setKey(b *builder, id, value string) error {
	if value == "" {
		b.setKey(id, nil)
		return nil
	}
	var e keyEntry
	if err := json.Unmarshal([]byte(value), &e); err != nil {
		return fmt.Errorf("read key %s: %w", id, err)
	}
	if len(e.Hash) != 32 {
		return fmt.Errorf("read key %s: its hash has %d bytes", id, len(e.Hash))
	}
	k := &Key{ID: id, Project: e.Project, Name: e.Name, Role: e.Role, Scope: e.Scope, ExpiresAt: e.ExpiresAt, hash: [32]byte(e.Hash)}
	if old := b.next.keysByID[id]; old != nil && old.Project == k.Project && old.Name == k.Name && old.Role == k.Role &&
		old.Scope == k.Scope && old.ExpiresAt.Equal(k.ExpiresAt) && old.hash == k.hash {
		return nil
	}
	b.setKey(id, k)
	return nil
}

// setResource removes a resource that is gone, and tells whether the document
// of one that is there must be read.
func setResource(b *builder, field, value string) (wanted, bool, error) {
	project, ref, ok := parseResourceField(field)
	if !ok {
		return wanted{}, false, fmt.Errorf("index field %q is not known", field)
	}
	if value == "" {
		if b.next.projects[project] != nil {
			b.project(project).remove(ref)
		}
		return wanted{}, false, nil
	}
	e, err := parseResourceEntry(value)
	if err != nil {
		return wanted{}, false, err
	}
	w := wanted{project, ref, e}
	if !slices.Contains(schema.Kinds, ref.Kind) {
		return w, false, nil // of a newer version's kinds
	}
	if p := b.next.projects[project]; p != nil {
		if old, ok := p.entry(ref); ok && old == e {
			return w, false, nil
		}
	}
	return w, true, nil
}

// setSecret opens a secret. One that can't be opened is there without a value.
func (c *Cache) setSecret(ctx context.Context, p *Project, w wanted, doc document) {
	s := secret{entry: w.entry}
	var spec secretSpec
	err := json.Unmarshal(doc.Spec, &spec)
	if err == nil && p.dataKey == nil {
		err = errors.New("the project's data key is not available")
	}
	if err == nil {
		var plain []byte
		if plain, err = p.dataKey.Open(spec.Sealed, SecretPlace(w.ref.Name)...); err == nil {
			s.value, s.opened = string(plain), true
		}
		for _, sealed := range spec.Past {
			// What can't be opened any more no run can have taken up either.
			if plain, err := p.dataKey.Open(sealed, SecretPlace(w.ref.Name)...); err == nil {
				s.past = append(s.past, string(plain))
			}
		}
	}
	if err != nil {
		c.log.ErrorContext(ctx, "secret can't be opened", "project", p.Name, "secret", w.ref.Name, "error", err)
	}
	p.secrets[w.ref.Name] = p.secrets[w.ref.Name].replaced(s)
}

// documents reads the documents, in order. One that Redis has lost is asked
// for, and an error.
func (c *Cache) documents(ctx context.Context, list []wanted) ([]document, error) {
	out := make([]document, len(list))
	var lost []any
	for at := 0; at < len(list); at += chunk {
		part := list[at:min(at+chunk, len(list))]
		keys := make([]string, len(part))
		for i, w := range part {
			keys[i] = documentKey(revisionID{w.project, w.ref.Kind, w.ref.Name, w.entry.revision})
		}
		values, err := c.rdb.MGet(ctx, keys...).Result()
		if err != nil {
			return nil, fmt.Errorf("read configuration: %w", err)
		}
		for i, v := range values {
			text, ok := v.(string)
			if !ok {
				w := part[i]
				lost = append(lost, revisionID{w.project, w.ref.Kind, w.ref.Name, w.entry.revision}.String())
				continue
			}
			if err := json.Unmarshal([]byte(text), &out[at+i]); err != nil {
				return nil, fmt.Errorf("read %s: %w", part[i].ref, err)
			}
		}
	}
	if len(lost) > 0 {
		if err := c.rdb.SAdd(ctx, wantedKey, lost...).Err(); err != nil {
			return nil, fmt.Errorf("ask for lost configuration: %w", err)
		}
		return nil, fmt.Errorf("redis has lost %d of %d documents: asked for them", len(lost), len(list))
	}
	return out, nil
}
