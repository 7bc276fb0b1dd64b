package config

import (
	"encoding/json"
	"errors"

	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows"
)

// document is one parsed and checked document of an apply.
type document struct {
	schema.Resource
	// File, Line and Column say where it begins.
	File         string
	Line, Column int
	// Workflow is the compiled workflow, nil for another kind.
	Workflow *workflows.Workflow
}

// parse reads the documents of the files and compiles the workflows. The
// findings are of all files.
func parse(files []api.File) ([]document, []schema.Diagnostic) {
	return nil, nil
}

// compile compiles a stored workflow.
func compile(r store.Resource) (*workflows.Workflow, error) {
	return nil, errors.New("")
}

// fieldChanges lists what a write changes, a secret's value as its digest.
func fieldChanges(before, after store.Resource) ([]api.FieldChange, error) {
	var _ json.RawMessage
	return nil, nil
}
