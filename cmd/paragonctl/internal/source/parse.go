package source

import (
	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows"
)

// Check parses the files and compiles their workflows. All that is wrong with
// any of them is in the set's findings.
func Check(files []api.File) *Set {
	set := &Set{Files: files}
	sources := make([]workflows.Source, len(files))
	for i, f := range files {
		sources[i] = workflows.Source{File: f.Name, Data: []byte(f.Content)}
	}
	docs, findings := workflows.Parse(sources...)
	set.Findings = findings
	for i := range docs {
		d := &docs[i]
		if d.Resource.Kind == schema.KindWorkflow {
			_, findings := d.Compile()
			set.Findings = append(set.Findings, findings...)
		}
		set.Documents = append(set.Documents, Document{Resource: d.Resource, File: d.File, Line: d.Line, Column: 1})
	}
	return set
}
