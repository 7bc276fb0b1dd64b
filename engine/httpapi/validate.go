package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"paragon/schema"
	"paragon/schema/api"
)

// bodySchema is what the OpenAPI document says of the JSON body of a route.
type bodySchema struct {
	registry huma.Registry
	schema   *huma.Schema
}

// checked tells whether bodies of the route are checked against the document
// once they are decoded. Those that start runs are not, for the time that it
// costs: all that the document says of them their types say, too. Documents
// are checked by the language, which knows lines and columns.
func (rt *route) checked() bool { return rt.body != nil && len(rt.media) == 0 && !rt.ownKeys }

// missing says what a request without a body lacks.
func (b *bodySchema) missing() error {
	s := b.schema
	for s.Ref != "" {
		s = b.registry.SchemaFromRef(s.Ref)
	}
	with := ""
	if len(s.Required) > 0 {
		with = " with " + strings.Join(s.Required, ", ")
	}
	return badRequest("the body is missing: send %s%s", api.ContentTypeJSON, with)
}

// check checks a JSON body, which is one already, and says all that is wrong.
func (b *bodySchema) check(body []byte) error {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return badRequest("the body is not JSON: %v", err)
	}
	var found huma.ValidateResult
	huma.Validate(b.registry, b.schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, v, &found)
	if len(found.Errors) == 0 {
		return nil
	}
	p := problem(http.StatusUnprocessableEntity, schema.ProblemInvalid, "Invalid request", "")
	for _, err := range found.Errors {
		d := schema.Diagnostic{Severity: schema.SeverityError, Code: "invalid", Message: err.Error()}
		// Of the detail not the value, which may be a password.
		if detail := (*huma.ErrorDetail)(nil); errors.As(err, &detail) {
			d.Field, d.Message = detail.Location, detail.Message
		}
		if d.Field != "" {
			d.Message = d.Field + ": " + d.Message
		}
		p.Errors = append(p.Errors, d)
	}
	p.Detail = "the body is not as the OpenAPI document says: " + p.Errors[0].Message
	return p
}
