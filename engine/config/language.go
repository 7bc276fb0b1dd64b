package config

import (
	"fmt"
	"slices"

	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows"
)

// document is one parsed and checked document of an apply.
type document struct {
	schema.Resource
	// File and Line say where it begins.
	File string
	Line int
	// Workflow, Integration and Destination are compiled, nil for another kind.
	Workflow    *workflows.Workflow
	Integration *workflows.Integration
	Destination *workflows.Destination
}

// parse reads the documents of the files and compiles the workflows. The
// findings are those of all files.
func parse(files []api.File) ([]document, []schema.Diagnostic) {
	sources := make([]workflows.Source, len(files))
	for i, f := range files {
		sources[i] = workflows.Source{File: f.Name, Data: []byte(f.Content)}
	}
	parsed, diags := workflows.Parse(sources...)
	found := slices.Clone([]schema.Diagnostic(diags))
	docs := make([]document, 0, len(parsed))
	for i := range parsed {
		p := &parsed[i]
		if p.Resource.Kind.Local() {
			continue // a test beside its workflow in one file
		}
		doc := document{Resource: p.Resource, File: p.File, Line: p.Line, Integration: p.Integration, Destination: p.Destination}
		if p.Resource.Kind == schema.KindWorkflow {
			compiled, more := p.Compile()
			doc.Workflow = compiled
			found = append(found, more...)
		}
		docs = append(docs, doc)
	}
	return docs, found
}

// compile compiles a stored workflow.
func compile(r store.Resource) (*workflows.Workflow, error) {
	return workflows.CompileSpec(r.Metadata.Name, r.Spec)
}

// documentOf is a stored resource as a document that can be checked. It fails
// with a *schema.Problem (invalid) when this version can't use it any more.
func documentOf(r store.Resource) (doc document, err error) {
	doc.Resource = schema.Resource{Kind: r.Kind, Metadata: r.Metadata}
	switch r.Kind {
	case schema.KindWorkflow:
		doc.Workflow, err = compile(r)
	case schema.KindIntegration:
		doc.Integration, err = workflows.CompileIntegration(r.Metadata.Name, r.Spec)
	case schema.KindDestination:
		doc.Destination, err = workflows.CompileDestination(r.Metadata.Name, r.Spec)
	}
	if err != nil {
		return doc, invalid(fmt.Sprintf("revision %d of %s does not compile any more: %v", r.Revision, ref(r), err), nil)
	}
	return doc, nil
}
