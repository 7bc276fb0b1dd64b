package config

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"paragon/engine/cache"
	"paragon/engine/seal"
	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
)

// maxDocuments bounds the documents of one apply.
const maxDocuments = 20000

// ApplyOptions say how to apply.
type ApplyOptions struct {
	// DryRun plans and changes nothing.
	DryRun bool
	// Prune deletes what the same set applied before and does not hold now.
	Prune bool
}

// Apply brings a project to what the documents say, all of it or nothing, and
// returns the plan that was, or with DryRun would be, carried out. It fails
// with a *schema.Problem: invalid with every finding in Errors, not found for
// an unknown project, unavailable when the store is away.
func (s *Service) Apply(ctx context.Context, actor Actor, project string, req api.ApplyRequest, opts ApplyOptions) (*api.ApplyResult, error) {
	if opts.Prune && req.Set == "" {
		return nil, invalid("prune deletes what the same set applied before: name the set", nil)
	}
	if !validSet(req.Set) {
		return nil, invalid(fmt.Sprintf("%q can't be the name of a set: one line of at most 200 characters", req.Set), nil)
	}
	if !validRelease(req) {
		return nil, invalid(fmt.Sprintf("%q can't be the name of a release: letters, digits and . _ + -, of at most 100 characters", req.Release), nil)
	}
	docs, diags := parse(req.Files)
	if hasErrors(diags) {
		return nil, invalidDocuments(diags)
	}
	if len(docs) == 0 {
		// Also with prune: an empty checkout must not delete everything.
		return nil, invalid("there is no document to apply", nil)
	}
	if len(docs) > maxDocuments {
		return nil, invalid(fmt.Sprintf("%d documents are too many for one apply, %d is the most", len(docs), maxDocuments), nil)
	}
	a := &application{service: s, actor: actor, project: project, set: req.Set, values: req.Values, docs: docs, warnings: diags,
		release: req.Release, commit: req.Commit}
	return a.run(ctx, opts.DryRun, opts.Prune)
}

// application is one apply under way.
type application struct {
	service  *Service
	actor    Actor
	project  string
	set      string
	values   map[string]string
	docs     []document
	warnings []schema.Diagnostic
	// release is the name to record what is applied under, empty for none.
	release, commit string
	// check looks at each resource that is about to be written, and may refuse;
	// current is nil for one that does not exist.
	check func(ref schema.Ref, current *store.Resource) error
	// keepSource leaves resources in the set that they came from.
	keepSource bool

	// What follows is of one try at the transaction, which may be repeated.
	tx      store.ConfigTx
	key     *seal.DataKey
	current map[schema.Ref]*store.Resource
	result  *api.ApplyResult
	errs    []schema.Diagnostic
	change  cache.Change
}

// run carries the application out in one transaction and publishes it.
func (a *application) run(ctx context.Context, dryRun, prune bool) (*api.ApplyResult, error) {
	version, err := a.service.store.Update(ctx, a.project, func(tx store.ConfigTx) error {
		a.reset(tx, dryRun)
		return a.transact(ctx, dryRun, prune)
	})
	if err != nil {
		return nil, storeError("apply", err)
	}
	if !dryRun {
		a.service.publish(ctx, version, a.change)
	}
	return a.result, nil
}

// reset prepares for a try at the transaction.
func (a *application) reset(tx store.ConfigTx, dryRun bool) {
	a.tx, a.errs, a.change = tx, nil, cache.Change{}
	a.current = map[schema.Ref]*store.Resource{}
	a.result = &api.ApplyResult{DryRun: dryRun, Items: []api.ApplyItem{}, Warnings: slices.Clone(a.warnings)}
}

func (a *application) transact(ctx context.Context, dryRun, prune bool) error {
	var err error
	if a.key, err = a.service.project(ctx, a.tx, a.project); err != nil {
		return err
	}
	if err := a.prefetch(ctx); err != nil {
		return err
	}
	// Everything is planned and checked before the first write.
	writes := make([]write, len(a.docs))
	for i, doc := range a.docs {
		if writes[i], err = a.plan(ctx, doc); err != nil {
			return err
		}
	}
	var deletions []store.Resource
	if prune {
		if deletions, err = a.pruned(ctx); err != nil {
			return err
		}
	}
	return a.carryOut(ctx, writes, deletions, dryRun)
}

// carryOut checks a plan as a whole and, unless it is a dry run, writes it.
func (a *application) carryOut(ctx context.Context, writes []write, deletions []store.Resource, dryRun bool) error {
	if err := a.checkReferences(ctx, deletions); err != nil {
		return err
	}
	if hasErrors(a.errs) {
		return invalidDocuments(append(slices.Clone(a.errs), a.result.Warnings...))
	}
	if !dryRun {
		if err := a.write(ctx, writes); err != nil {
			return err
		}
	}
	for _, w := range writes {
		a.result.Items = append(a.result.Items, w.item)
	}
	for _, r := range deletions {
		item := api.ApplyItem{Ref: ref(r), Action: api.ActionDelete, Revision: r.Revision}
		if !dryRun {
			var err error
			if item.Revision, err = a.delete(ctx, r); err != nil {
				return err
			}
		}
		a.result.Items = append(a.result.Items, item)
	}
	if err := a.recordRelease(ctx, dryRun); err != nil {
		return err
	}
	a.result.Changed = slices.ContainsFunc(a.result.Items, func(i api.ApplyItem) bool { return i.Action != api.ActionUnchanged })
	return nil
}

// write is what is to be done with one document.
type write struct {
	item     api.ApplyItem
	resource store.Resource
}

// plan compares a document with the current resource.
func (a *application) plan(ctx context.Context, doc document) (write, error) {
	id := schema.Ref{Kind: doc.Kind, Name: doc.Metadata.Name}
	current, err := a.lookup(ctx, id)
	if err != nil {
		return write{}, err
	}
	if a.check != nil {
		if err := a.check(id, current); err != nil {
			return write{}, err
		}
	}
	w := write{
		item: api.ApplyItem{Ref: id, Action: api.ActionCreate},
		resource: store.Resource{Project: a.project, Kind: doc.Kind, Metadata: doc.Metadata, Spec: doc.Spec,
			Source: sourceOf(doc.File, a.set), UpdatedAt: a.service.now().UTC(), UpdatedBy: a.actor.Name},
	}
	if doc.Kind == schema.KindSecret {
		spec, digest, d := sealSecret(a.key, doc.Resource, current, a.values)
		if d != nil {
			d.File, d.Line = doc.File, doc.Line
			a.errs = append(a.errs, *d)
			return w, nil
		}
		w.resource.Spec, w.resource.Digest = spec, digest
	} else {
		w.resource.Digest = digestOf(doc.Metadata, doc.Spec)
	}
	if current == nil {
		return w, nil
	}
	w.item.Revision = current.Revision
	if a.keepSource {
		w.resource.Source = current.Source
	}
	if current.Digest != w.resource.Digest {
		w.item.Changes = fieldChanges(*current, w.resource)
	}
	// A resource that another set takes over is written even though it says the
	// same: its owner is part of what is recorded.
	if len(w.item.Changes) == 0 && (a.set == "" || setOf(current.Source) == a.set) {
		w.item.Action = api.ActionUnchanged
		return w, nil
	}
	w.item.Action = api.ActionUpdate
	return w, nil
}

// prefetchFrom is from how many documents on the current resources are read
// all at once and not one by one.
const prefetchFrom = 10

// prefetch reads what is current of all kinds, where an apply has many
// documents: one query in place of one for each.
func (a *application) prefetch(ctx context.Context) error {
	if len(a.docs) < prefetchFrom {
		return nil
	}
	for _, kind := range schema.Kinds {
		list, err := a.tx.Resources(ctx, kind)
		if err != nil {
			return err
		}
		for i := range list {
			a.current[ref(list[i])] = &list[i]
		}
	}
	for _, d := range a.docs {
		id := schema.Ref{Kind: d.Kind, Name: d.Metadata.Name}
		if _, ok := a.current[id]; !ok {
			a.current[id] = nil // known not to be there
		}
	}
	return nil
}

// lookup returns the current resource, nil for none.
func (a *application) lookup(ctx context.Context, id schema.Ref) (*store.Resource, error) {
	if r, ok := a.current[id]; ok {
		return r, nil
	}
	r, err := a.tx.Resource(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		r, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	a.current[id] = r
	return r, nil
}

// write writes what is not as before, and notes it in the audit log.
func (a *application) write(ctx context.Context, writes []write) error {
	var list []*write
	var resources []store.Resource
	// What others refer to is written first; the answer is in the order given.
	for _, kind := range schema.Kinds {
		for i := range writes {
			if w := &writes[i]; w.resource.Kind == kind && w.item.Action != api.ActionUnchanged {
				list, resources = append(list, w), append(resources, w.resource)
			}
		}
	}
	revisions, err := a.tx.PutAll(ctx, resources)
	if err != nil {
		return err
	}
	for i, w := range list {
		w.resource.Revision, w.item.Revision = revisions[i], revisions[i]
		a.change.Resources = append(a.change.Resources, w.resource)
		detail := auditedChange{Revision: w.item.Revision, Source: w.resource.Source, Changes: w.item.Changes}
		if a.current[w.item.Ref] == nil {
			detail.After = audited(w.resource)
		}
		if err := a.service.audit(ctx, a.tx, a.actor, string(w.item.Action), w.item.Ref.String(), detail); err != nil {
			return err
		}
	}
	return nil
}

func (a *application) delete(ctx context.Context, r store.Resource) (revision int64, err error) {
	if err := a.tx.Delete(ctx, ref(r), a.actor.Name, a.service.now().UTC()); err != nil {
		return 0, err
	}
	before := audited(r)
	r.Revision++
	r.Deleted = true
	a.change.Resources = append(a.change.Resources, r)
	return r.Revision, a.service.audit(ctx, a.tx, a.actor, "delete", ref(r).String(), auditedChange{Revision: r.Revision, Source: r.Source, Before: before})
}

// pruned lists what the set applied before and does not hold now.
func (a *application) pruned(ctx context.Context) ([]store.Resource, error) {
	kept := map[schema.Ref]bool{}
	for _, d := range a.docs {
		kept[schema.Ref{Kind: d.Kind, Name: d.Metadata.Name}] = true
	}
	return a.ofSet(ctx, func(id schema.Ref) bool { return !kept[id] })
}

// ofSet lists the set's current resources that the caller wants, users before
// what they use.
func (a *application) ofSet(ctx context.Context, want func(schema.Ref) bool) ([]store.Resource, error) {
	var found []store.Resource
	for _, kind := range slices.Backward(schema.Kinds) {
		list, err := a.tx.Resources(ctx, kind)
		if err != nil {
			return nil, err
		}
		for _, r := range list {
			if setOf(r.Source) == a.set && want(ref(r)) {
				found = append(found, r)
			}
		}
	}
	return found, nil
}

// digestOf is the digest of what the user wrote.
func digestOf(meta schema.Metadata, spec json.RawMessage) string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	// Maps are encoded in key order, and a spec is canonical: equal content has
	// equal bytes. Encoding to a hash can't fail but for a spec that is no JSON,
	// which then counts with its raw bytes.
	if enc.Encode([]map[string]string{meta.Labels, meta.Annotations}) != nil || enc.Encode(spec) != nil {
		h.Write(spec)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func hasErrors(diags []schema.Diagnostic) bool {
	return slices.ContainsFunc(diags, func(d schema.Diagnostic) bool { return d.Severity != schema.SeverityWarning })
}
