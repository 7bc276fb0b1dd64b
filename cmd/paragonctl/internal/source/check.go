package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows"
)

// Set is a checked set of documents.
type Set struct {
	Files     []api.File
	Documents []Document
	// Workflows, Tests and Integrations are those that compiled; workflows and
	// integrations by name.
	Workflows    map[string]*workflows.Workflow
	Tests        []*workflows.Test
	Integrations map[string]*workflows.Integration
	// Findings are what the check found, errors and warnings.
	Findings []schema.Diagnostic
}

// Document is one document with its place.
type Document struct {
	schema.Resource
	File         string
	Line, Column int
}

// ForServer takes the documents that are for paragonctl alone out of the set, and
// the files that hold nothing else. It returns those documents.
func (s *Set) ForServer() []Document {
	var local, kept []Document
	other := map[string]bool{}
	for _, d := range s.Documents {
		if d.Kind.Local() {
			local = append(local, d)
			continue
		}
		kept = append(kept, d)
		other[d.File] = true
	}
	if len(local) == 0 {
		return nil
	}
	s.Documents = kept
	only := map[string]bool{}
	for _, d := range local {
		only[d.File] = !other[d.File]
	}
	files := s.Files[:0:0]
	for _, f := range s.Files {
		if !only[f.Name] {
			files = append(files, f)
		}
	}
	s.Files = files
	return local
}

// Ref names the document.
func (d *Document) Ref() schema.Ref { return schema.Ref{Kind: d.Kind, Name: d.Metadata.Name} }

// Valid tells whether no finding is an error.
func (s *Set) Valid() bool {
	for _, d := range s.Findings {
		if d.Severity != schema.SeverityWarning {
			return false
		}
	}
	return true
}

// Errors counts the findings that are errors, Warnings the others.
func (s *Set) Errors() (errors, warnings int) {
	for _, d := range s.Findings {
		if d.Severity == schema.SeverityWarning {
			warnings++
		} else {
			errors++
		}
	}
	return errors, warnings
}

// Values reads the values of the secrets that say valueFrom: from the
// environment of this process, from files beside the document's own, and from
// what is encrypted in the document. What
// can't be read is a finding of the set.
func (s *Set) Values(env *command.Env) map[string]string {
	values := map[string]string{}
	for i := range s.Documents {
		d := &s.Documents[i]
		if d.Kind != schema.KindSecret {
			continue
		}
		var spec schema.SecretSpec
		// The check has said what is wrong with a spec that can't be read.
		if json.Unmarshal(d.Spec, &spec) != nil || spec.ValueFrom == nil {
			continue
		}
		value, field, err := resolve(env, d.File, spec.ValueFrom)
		if err != nil {
			s.Findings = append(s.Findings, schema.Diagnostic{
				Severity: schema.SeverityError, Code: "secret-source", Message: err.Error(),
				Resource: d.Ref().String(), Field: "spec.valueFrom." + field,
				File: d.File, Line: d.Line, Column: d.Column, Source: s.line(d.File, d.Line),
			})
			continue
		}
		values[d.Metadata.Name] = value
	}
	return values
}

// resolve reads one secret. Its errors never hold the value.
func resolve(env *command.Env, file string, from *schema.SecretSource) (value, field string, err error) {
	if from.Env != "" {
		if value = env.Getenv(from.Env); value == "" {
			return "", "env", fmt.Errorf("the variable %s of the environment is not set", from.Env)
		}
		return value, "env", nil
	}
	if from.Age != "" {
		value, err = decrypt(env, from.Age)
		return value, "age", err
	}
	path := filepath.FromSlash(from.File)
	if !filepath.IsAbs(path) && file != Stdin {
		path = filepath.Join(filepath.Dir(filepath.FromSlash(file)), path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		var pathErr *os.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		return "", "file", fmt.Errorf("the file %s can't be read: %w", path, err)
	}
	value = strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if value == "" {
		return "", "file", fmt.Errorf("the file %s is empty", path)
	}
	return value, "file", nil
}

// line is the text of a line of a file.
func (s *Set) line(file string, number int) string {
	for _, f := range s.Files {
		if f.Name != file {
			continue
		}
		n := 0
		for line := range strings.Lines(f.Content) {
			if n++; n == number {
				return strings.TrimRight(line, "\r\n")
			}
		}
	}
	return ""
}

// Invalid is the error of a set that does not pass: all its findings, as the
// server would give them.
func (s *Set) Invalid() error {
	n, _ := s.Errors()
	detail := "1 error"
	if n != 1 {
		detail = fmt.Sprintf("%d errors", n)
	}
	return &schema.Problem{Type: schema.ProblemInvalid, Title: "Invalid input", Detail: detail, Errors: s.Findings}
}
