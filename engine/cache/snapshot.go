package cache

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"paragon/engine/seal"
	"paragon/schema"
	"paragon/workflows"
)

// snapshot is all configuration at one version. It is never changed: the next
// one shares with it what stayed the same.
type snapshot struct {
	head     head
	projects map[string]*Project
	keys     map[[32]byte]*Key
	keysByID map[string]*Key
}

func emptySnapshot() *snapshot {
	return &snapshot{projects: map[string]*Project{}, keys: map[[32]byte]*Key{}, keysByID: map[string]*Key{}}
}

// Project is a project's configuration at one version. It is immutable.
type Project struct {
	Name string
	// Settings have defaults for what is not set.
	Settings schema.ProjectSettings

	wrapped      []byte
	dataKey      *seal.DataKey
	workflows    map[string]*Workflow
	integrations map[string]*Integration
	destinations map[string]*Destination
	secrets      map[string]secret
	keys         map[[32]byte]*Key
	redactor     func() *seal.Redactor
}

// Workflow is one revision of a workflow, compiled.
type Workflow struct {
	// Workflow is never nil. Of a broken one it has the name only.
	*workflows.Workflow
	Project  string
	Revision int64
	// Labels are those of the resource.
	Labels map[string]string
	// Broken says why it does not compile in this version of the program,
	// which another version accepted; nil when it does.
	Broken error

	digest string
}

// Integration is the current revision of an integration, compiled.
type Integration struct {
	// Integration is never nil. Of a broken one it has the name only.
	*workflows.Integration
	Revision int64
	// Broken says why it does not compile in this version of the program; nil
	// when it does.
	Broken error

	digest string
}

// Destination is the current revision of a destination, compiled.
type Destination struct {
	// Destination is never nil. Of a broken one it has the name only.
	*workflows.Destination
	Revision int64
	// Broken says why it does not compile in this version of the program; nil
	// when it does.
	Broken error

	digest string
}

// Key is an API key.
type Key struct {
	ID, Project, Name, Role string
	// Scope has what of its role the key may do: actions, separated by commas;
	// empty: all.
	Scope     string
	ExpiresAt time.Time // zero: never

	hash [32]byte
}

// Expired tells whether the key has ended by the time.
func (k *Key) Expired(now time.Time) bool {
	return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)
}

// secret is an opened secret, with what it was before, so that a value that a
// run took up before it was rotated or deleted is still kept out of the logs:
// as far as the stored secret tells, and as far as this process saw.
// One that was deleted has no entry.
type secret struct {
	entry  resourceEntry
	value  string
	opened bool
	past   []string
}

// MaxPast is how many earlier values of one secret are kept out of the logs.
const MaxPast = 8

func (s secret) gone() bool { return s.entry == resourceEntry{} }

// replaced is the secret after a change of it: the next, which remembers what
// was before.
func (s secret) replaced(next secret) secret {
	seen := slices.Clone(s.past)
	if s.opened {
		seen = append(seen, s.value)
	}
	told := next.past
	seen = slices.DeleteFunc(seen, func(v string) bool { return v == next.value || slices.Contains(told, v) })
	next.past = append(seen, told...)
	next.past = next.past[max(0, len(next.past)-MaxPast):]
	return next
}

// Workflow returns the current revision of a workflow, nil for an unknown one.
func (p *Project) Workflow(name string) *Workflow { return p.workflows[name] }

// Workflows returns the current revisions of all workflows, by name.
func (p *Project) Workflows() []*Workflow {
	return slices.SortedFunc(maps.Values(p.workflows), func(a, b *Workflow) int { return cmp.Compare(a.Name, b.Name) })
}

// Integration returns the current revision of an integration, nil for an unknown
// one.
func (p *Project) Integration(name string) *Integration { return p.integrations[name] }

// Integrations returns the current revisions of all integrations, by name.
func (p *Project) Integrations() []*Integration {
	return slices.SortedFunc(maps.Values(p.integrations), func(a, b *Integration) int { return cmp.Compare(a.Name, b.Name) })
}

// Destination returns the current revision of a destination, nil for an unknown
// one.
func (p *Project) Destination(name string) *Destination { return p.destinations[name] }

// Destinations returns the current revisions of all destinations, by name.
func (p *Project) Destinations() []*Destination {
	return slices.SortedFunc(maps.Values(p.destinations), func(a, b *Destination) int { return cmp.Compare(a.Name, b.Name) })
}

// HasDestinations tells whether the project has any: where not, nobody asks for
// failure events.
func (p *Project) HasDestinations() bool { return p != nil && len(p.destinations) > 0 }

// Wants tells whether any of the destinations is told of an event of a subject;
// see workflows.Destination.
func (p *Project) Wants(event, subject string, labels map[string]string) bool {
	for _, d := range p.destinations {
		if d.Wants(event, subject, labels) {
			return true
		}
	}
	return false
}

// Secret returns the plaintext of a secret; false when there is none, or when
// it can't be opened with the master key of this process.
func (p *Project) Secret(name string) (string, bool) {
	s, ok := p.secrets[name]
	return s.value, ok && s.opened
}

// Key returns the project's API key whose token has the SHA-256 hash, or nil.
// Whether it has expired is for the caller to ask.
func (p *Project) Key(hash [32]byte) *Key { return p.keys[hash] }

// Redactor replaces the values of all the project's secrets, those before the
// current ones included as far as this process saw them. It may be nil, which
// changes nothing.
func (p *Project) Redactor() *seal.Redactor { return p.redactor() }

// builder makes the next snapshot: it copies a project once, when it first
// changes it.
type builder struct {
	next       *snapshot
	fresh      map[string]*Project
	keysCopied bool
}

func newBuilder(from *snapshot) *builder {
	return &builder{
		next:  &snapshot{head: from.head, projects: maps.Clone(from.projects), keys: from.keys, keysByID: from.keysByID},
		fresh: map[string]*Project{},
	}
}

func (b *builder) project(name string) *Project {
	if p := b.fresh[name]; p != nil {
		return p
	}
	p := &Project{Name: name, workflows: map[string]*Workflow{}, integrations: map[string]*Integration{},
		destinations: map[string]*Destination{}, secrets: map[string]secret{}, keys: map[[32]byte]*Key{}}
	if old := b.next.projects[name]; old != nil {
		p.Settings, p.wrapped, p.dataKey = old.Settings, old.wrapped, old.dataKey
		p.workflows, p.integrations = maps.Clone(old.workflows), maps.Clone(old.integrations)
		p.destinations = maps.Clone(old.destinations)
		p.secrets, p.keys = maps.Clone(old.secrets), maps.Clone(old.keys)
	}
	b.fresh[name], b.next.projects[name] = p, p
	return p
}

// setKey puts a key in the place of the one with its id; nil removes it.
func (b *builder) setKey(id string, k *Key) {
	if !b.keysCopied {
		b.next.keys, b.next.keysByID = maps.Clone(b.next.keys), maps.Clone(b.next.keysByID)
		b.keysCopied = true
	}
	keys, byID := b.next.keys, b.next.keysByID
	if old := byID[id]; old != nil {
		delete(keys, old.hash)
		delete(byID, id)
		if b.next.projects[old.Project] != nil {
			delete(b.project(old.Project).keys, old.hash)
		}
	}
	if k != nil {
		keys[k.hash], byID[id] = k, k
		b.project(k.Project).keys[k.hash] = k
	}
}

// finish returns the snapshot.
func (b *builder) finish(h head) *snapshot {
	for _, p := range b.fresh {
		secrets := p.secrets
		p.redactor = sync.OnceValue(func() *seal.Redactor {
			var values []string
			for _, s := range secrets {
				values = append(append(values, s.value), s.past...)
			}
			return seal.NewRedactor(values...)
		})
	}
	b.next.head = h
	return b.next
}

// entry is what the index says of a resource that is in memory.
func (p *Project) entry(id schema.Ref) (resourceEntry, bool) {
	switch id.Kind {
	case schema.KindWorkflow:
		if w := p.workflows[id.Name]; w != nil {
			return resourceEntry{w.Revision, w.digest}, true
		}
	case schema.KindIntegration:
		if i := p.integrations[id.Name]; i != nil {
			return resourceEntry{i.Revision, i.digest}, true
		}
	case schema.KindDestination:
		if d := p.destinations[id.Name]; d != nil {
			return resourceEntry{d.Revision, d.digest}, true
		}
	case schema.KindSecret:
		s, ok := p.secrets[id.Name]
		return s.entry, ok
	}
	return resourceEntry{}, false
}

// remove takes a resource out; of a secret stays what is kept out of the logs.
func (p *Project) remove(id schema.Ref) {
	switch id.Kind {
	case schema.KindWorkflow:
		delete(p.workflows, id.Name)
	case schema.KindIntegration:
		delete(p.integrations, id.Name)
	case schema.KindDestination:
		delete(p.destinations, id.Name)
	case schema.KindSecret:
		p.secrets[id.Name] = p.secrets[id.Name].replaced(secret{})
	}
}

// refs lists the resources that are in memory.
func (p *Project) refs() []schema.Ref {
	var out []schema.Ref
	for name := range p.workflows {
		out = append(out, schema.Ref{Kind: schema.KindWorkflow, Name: name})
	}
	for name := range p.integrations {
		out = append(out, schema.Ref{Kind: schema.KindIntegration, Name: name})
	}
	for name := range p.destinations {
		out = append(out, schema.Ref{Kind: schema.KindDestination, Name: name})
	}
	for name := range p.secrets {
		out = append(out, schema.Ref{Kind: schema.KindSecret, Name: name})
	}
	return out
}
