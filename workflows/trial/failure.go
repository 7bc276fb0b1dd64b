package trial

import (
	"errors"

	"paragon/schema"
	"paragon/workflows"
)

// Failure is one thing that is not as expected.
type Failure struct {
	schema.Diagnostic
	// Want and Got are the two sides as YAML, where a value differs.
	Want string `json:"want,omitempty"`
	Got  string `json:"got,omitempty"`
}

// failureOf is an expression of the test that can't be evaluated.
func failureOf(p workflows.Place, err error) Failure {
	var eval *workflows.EvalError
	if errors.As(err, &eval) {
		bare := *eval
		bare.At = "" // the finding says where
		err = &bare
	}
	return Failure{Diagnostic: p.Finding("expression", "", "%s", err)}
}

// broken is what keeps a case from going on. It gets the place of its case.
func broken(code, message, suggestion string) Failure {
	return Failure{Diagnostic: schema.Diagnostic{Severity: schema.SeverityError, Code: code, Message: message, Suggestion: suggestion}}
}
