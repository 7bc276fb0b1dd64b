package source

import (
	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows"
	"paragon/workflows/trial"
)

// Check parses the files, compiles their workflows and checks their tests. All
// that is wrong with any of them is in the set's findings.
func Check(files []api.File) *Set {
	set := &Set{Files: files, Workflows: map[string]*workflows.Workflow{}, Integrations: map[string]*workflows.Integration{}}
	sources := make([]workflows.Source, len(files))
	for i, f := range files {
		sources[i] = workflows.Source{File: f.Name, Data: []byte(f.Content)}
	}
	docs, findings := workflows.Parse(sources...)
	set.Findings = findings
	for i := range docs {
		d := &docs[i]
		switch d.Resource.Kind {
		case schema.KindWorkflow:
			wf, findings := d.Compile()
			set.Findings = append(set.Findings, findings...)
			if wf != nil {
				set.Workflows[wf.Name] = wf
			}
		case schema.KindIntegration:
			set.Integrations[d.Resource.Metadata.Name] = d.Integration
		case schema.KindWorkflowTest:
			t, findings := d.CompileTest()
			set.Findings = append(set.Findings, findings...)
			if t != nil {
				set.Tests = append(set.Tests, t)
			}
		}
		set.Documents = append(set.Documents, Document{Resource: d.Resource, File: d.File, Line: d.Line, Column: 1})
	}
	for _, t := range set.Tests {
		set.Findings = append(set.Findings, trial.Check(t, set.Workflows)...)
	}
	return set
}
