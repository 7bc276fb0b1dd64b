package httpapi

import (
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"paragon/schema"
	"paragon/schema/api"
)

var pathParam = regexp.MustCompile(`\{(\w+)(\.\.\.)?\}`)

// describe makes the OpenAPI 3.1 document of the routes.
//
// It gives each route the schema that its bodies are checked with.
func describe(routes []route, version string) ([]byte, error) {
	if version == "" {
		version = "dev"
	}
	reg := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	doc := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{Title: "Paragon", Version: version,
			Description: "Runs workflows and third-party API calls. Errors are problem details (RFC 9457)."},
		Components: &huma.Components{Schemas: reg, SecuritySchemes: map[string]*huma.SecurityScheme{
			"key": {Type: "http", Scheme: "bearer", Description: "An API key"}}},
	}
	fault := &huma.Response{Description: "A problem", Content: map[string]*huma.MediaType{
		schema.ProblemContentType: {Schema: reg.Schema(typeOf[schema.Problem](), true, "Problem")}}}
	for i := range routes {
		rt := &routes[i]
		if rt.checked() {
			rt.schema = &bodySchema{reg, reg.Schema(rt.body, true, rt.body.Name())}
		}
		methods := []string{rt.method}
		if rt.method == "" {
			methods = []string{http.MethodPost, http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete}
		}
		for n, method := range methods {
			op := rt.operation(reg)
			op.Method = method
			if n > 0 {
				op.OperationID += strings.ToUpper(method[:1]) + strings.ToLower(method[1:])
			}
			op.Responses["default"] = fault
			doc.AddOperation(op)
		}
	}
	text, err := doc.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("describe the API: %w", err)
	}
	return text, nil
}

// operation is the route as OpenAPI has it.
func (rt *route) operation(reg huma.Registry) *huma.Operation {
	// The rest of a path has no form of its own in OpenAPI 3.1.
	op := &huma.Operation{OperationID: rt.id, Path: strings.ReplaceAll(rt.path, "...}", "}"), Summary: rt.summary, Tags: []string{rt.tag}, Responses: map[string]*huma.Response{}}
	if rt.access != public {
		op.Security = []map[string][]string{{"key": {}}}
	}
	if rt.action != "" {
		op.Description = "Needs a role that allows " + string(rt.action) + "."
	}
	for _, m := range pathParam.FindAllStringSubmatch(rt.path, -1) {
		op.Parameters = append(op.Parameters, &huma.Param{Name: m[1], In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}})
	}
	for _, p := range rt.params {
		sch := &huma.Schema{Type: huma.TypeString}
		switch p.kind {
		case "integer":
			sch.Type = huma.TypeInteger
		case "boolean":
			sch.Type = huma.TypeBoolean
		}
		op.Parameters = append(op.Parameters, &huma.Param{Name: p.name, In: p.in, Description: p.doc, Schema: sch})
	}
	if rt.body != nil {
		op.RequestBody = &huma.RequestBody{Required: !rt.optional, Content: map[string]*huma.MediaType{}}
		media := rt.media
		if len(media) == 0 {
			media = []string{api.ContentTypeJSON}
		}
		for _, mt := range media {
			op.RequestBody.Content[mt] = content(reg, rt.body, mt)
		}
	}
	for _, a := range rt.answers {
		code := strconv.Itoa(a.status)
		res := op.Responses[code]
		if res == nil {
			res = &huma.Response{Description: nameOr(a.doc, http.StatusText(a.status)), Content: map[string]*huma.MediaType{}}
			op.Responses[code] = res
		}
		if a.body != nil || a.media != "" {
			mt := nameOr(a.media, api.ContentTypeJSON)
			res.Content[mt] = content(reg, a.body, mt)
		}
	}
	return op
}

func content(reg huma.Registry, body reflect.Type, mt string) *huma.MediaType {
	if body == nil || mt == api.ContentTypeYAML {
		return &huma.MediaType{Schema: &huma.Schema{}}
	}
	return &huma.MediaType{Schema: reg.Schema(body, true, body.Name())}
}
