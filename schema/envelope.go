package schema

import (
	"encoding/json"
	"slices"
)

// APIVersion is the only apiVersion that this release reads and writes.
const APIVersion = "paragon/v1"

// DefaultProject is the project that exists from the first start on.
const DefaultProject = "default"

// Kind names a type of resource, spelled as in YAML ("Workflow").
type Kind string

// The kinds of resource.
const (
	KindWorkflow Kind = "Workflow"
	KindSecret   Kind = "Secret"
	// KindIntegration is a third-party API.
	KindIntegration Kind = "Integration"
	// KindDestination is where failure events go.
	KindDestination Kind = "Destination"
	// KindWorkflowTest is a kind of documents that the server does not keep.
	KindWorkflowTest Kind = "WorkflowTest"
)

// Kinds lists every kind in the order in which apply writes them: what others
// refer to comes first.
var Kinds = []Kind{KindSecret, KindIntegration, KindWorkflow, KindDestination}

// DocumentKinds lists every kind that a document may be of: those that the
// server keeps, and the tests of them.
var DocumentKinds = append(slices.Clone(Kinds), KindWorkflowTest)

// Local tells whether documents of the kind are for paragonctl alone: the server
// neither keeps nor wants them.
func (k Kind) Local() bool { return k == KindWorkflowTest }

// Path is the kind as URL segment and command-line word, in the plural
// ("workflows"). It is empty for an unknown kind.
func (k Kind) Path() string {
	switch k {
	case KindWorkflow:
		return "workflows"
	case KindSecret:
		return "secrets"
	case KindIntegration:
		return "integrations"
	case KindDestination:
		return "destinations"
	case KindWorkflowTest:
		return "workflowtests"
	}
	return ""
}

// Singular is the kind as the command line prints it ("workflow").
func (k Kind) Singular() string {
	switch k {
	case KindWorkflow:
		return "workflow"
	case KindSecret:
		return "secret"
	case KindIntegration:
		return "integration"
	case KindDestination:
		return "destination"
	case KindWorkflowTest:
		return "workflowtest"
	}
	return string(k)
}

// Metadata identifies a resource in its project.
type Metadata struct {
	// Name is a DNS label (RFC 1123 section 2.1: lower-case letters, digits and
	// hyphens, 63 characters at most), unique for the kind in the project. The
	// name of a Secret may also be written as an environment variable is
	// (upper-case letters, digits and underscores).
	Name string `json:"name"`
	// Labels are free key and value pairs for selection.
	Labels map[string]string `json:"labels,omitempty"`
	// Annotations are free key and value pairs that nothing selects by.
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Resource is one document: the envelope, with its spec as canonical JSON
// (object keys sorted, no insignificant space).
type Resource struct {
	APIVersion string          `json:"apiVersion"`
	Kind       Kind            `json:"kind"`
	Metadata   Metadata        `json:"metadata"`
	Spec       json.RawMessage `json:"spec"`
}

// Ref names a resource of a project.
type Ref struct {
	Kind Kind   `json:"kind"`
	Name string `json:"name"`
}

// String is the reference as the command line prints it ("workflow/lead-sync").
func (r Ref) String() string { return r.Kind.Singular() + "/" + r.Name }
