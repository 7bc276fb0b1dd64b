package config

import (
	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows"
)

// maxChanges bounds the changes that are listed of one resource; what differs
// beyond it shows as the whole spec.
const maxChanges = 200

// fieldChanges lists the fields that a write changes, by path, a secret's
// value as its digest. There are none when both mean the same.
func fieldChanges(before, after store.Resource) []api.FieldChange {
	after.Revision = before.Revision // so that a secret's version is no change
	plan := workflows.Diff([]schema.Resource{shownResource(before)}, []schema.Resource{shownResource(after)})
	fields := plan[0].Fields
	if len(fields) > maxChanges {
		return []api.FieldChange{{Field: "spec", Before: shownSpec(before), After: shownSpec(after)}}
	}
	changes := make([]api.FieldChange, len(fields))
	for i, f := range fields {
		changes[i] = api.FieldChange(f)
	}
	return changes
}

// shownResource is what of a resource can differ between two revisions, and may
// be shown.
func shownResource(r store.Resource) schema.Resource {
	return schema.Resource{APIVersion: schema.APIVersion, Kind: r.Kind, Metadata: r.Metadata, Spec: shownSpec(r)}
}
