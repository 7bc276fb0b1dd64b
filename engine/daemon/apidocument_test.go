package daemon_test

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"paragon/schema"
)

// object is a JSON object.
type object = map[string]any

// apiDocument is what a generator of requests needs of an OpenAPI document.
type apiDocument struct {
	schemas    object
	operations []apiOperation
	problem    *jsonschema.Schema
}

type apiOperation struct {
	method, path, id string
	params           []object
	// bodies has the schema of the request's body by media type.
	bodies map[string]object
	// answers has the schemas by status and media type; a status without a body
	// has none.
	answers map[int]map[string]*jsonschema.Schema
}

// readAPIDocument reads the document that a server shows.
func readAPIDocument(t testing.TB, server string) *apiDocument {
	t.Helper()
	resp, err := http.Get(server + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	parsed, err := jsonschema.UnmarshalJSON(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	root := parsed.(object)
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("api.json", root); err != nil {
		t.Fatal(err)
	}
	compile := func(place ...string) *jsonschema.Schema {
		pointer := ""
		for _, p := range place {
			pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(p)
		}
		s, err := compiler.Compile("api.json#" + pointer)
		if err != nil {
			t.Fatalf("%s: %v", pointer, err)
		}
		return s
	}
	d := &apiDocument{schemas: at(root, "components", "schemas"), problem: compile("components", "schemas", "Problem")}
	for _, path := range slices.Sorted(maps.Keys(at(root, "paths"))) {
		for _, method := range slices.Sorted(maps.Keys(at(root, "paths", path))) {
			op := at(root, "paths", path, method)
			out := apiOperation{method: strings.ToUpper(method), path: path, id: fmt.Sprint(op["operationId"]),
				bodies: map[string]object{}, answers: map[int]map[string]*jsonschema.Schema{}}
			params, _ := op["parameters"].([]any)
			for _, p := range params {
				out.params = append(out.params, p.(object))
			}
			for media := range at(op, "requestBody", "content") {
				out.bodies[media] = at(op, "requestBody", "content", media, "schema")
			}
			for code := range at(op, "responses") {
				status, err := strconv.Atoi(code)
				if err != nil {
					continue // default: a problem
				}
				out.answers[status] = map[string]*jsonschema.Schema{}
				for media := range at(op, "responses", code, "content") {
					out.answers[status][media] = compile("paths", path, method, "responses", code, "content", media, "schema")
				}
			}
			d.operations = append(d.operations, out)
		}
	}
	if len(d.operations) < 40 {
		t.Fatalf("the document has %d operations only", len(d.operations))
	}
	return d
}

// at goes down an object; what is not there is empty.
func at(o object, place ...string) object {
	for _, name := range place {
		o, _ = o[name].(object)
	}
	return o
}

// check tells what of an answer is not as the document says.
func (d *apiDocument) check(op *apiOperation, status int, contentType string, body []byte) error {
	media, _, _ := strings.Cut(contentType, ";")
	if status >= 500 {
		return fmt.Errorf("a fault of the server")
	}
	if status >= 400 {
		if media != schema.ProblemContentType {
			return fmt.Errorf("a refusal as %q", contentType)
		}
		return validate(d.problem, body)
	}
	documented, ok := op.answers[status]
	if !ok {
		return fmt.Errorf("this status is not in the document")
	}
	if len(documented) == 0 {
		return nil // none, or any: a webhook's
	}
	s, ok := documented[media]
	if !ok {
		return fmt.Errorf("media type %q is not in the document", contentType)
	}
	if media == "application/x-ndjson" {
		for line := range bytes.Lines(body) {
			if err := validate(s, line); err != nil {
				return err
			}
		}
		return nil
	}
	if !strings.HasSuffix(media, "json") {
		return nil
	}
	return validate(s, body)
}

func validate(s *jsonschema.Schema, body []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("no JSON: %w", err)
	}
	return s.Validate(v)
}
