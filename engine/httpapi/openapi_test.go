package httpapi

import (
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
)

// The document is one of OpenAPI 3.1, as a validator of others says that
// checks it against the published schema of that version.
func TestOpenAPIDocumentIsValid(t *testing.T) {
	text := newRig(t).do("", "GET", "/openapi.json", "").Body.Bytes()
	check := func(text []byte) (bool, string) {
		t.Helper()
		doc, err := libopenapi.NewDocument(text)
		if err != nil {
			t.Fatal(err)
		}
		v, errs := validator.NewValidator(doc)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		ok, faults := v.ValidateDocument()
		why := ""
		for _, f := range faults {
			why += f.Error() + "\n"
			for _, s := range f.SchemaValidationErrors {
				why += "  " + s.Reason + " at " + s.FieldPath + "\n"
			}
		}
		return ok, why
	}
	if ok, why := check(text); !ok {
		t.Error(why)
	}
	// It does find what is wrong.
	if ok, _ := check([]byte(`{"openapi":"3.1.0","info":{"title":"no version"},"paths":{}}`)); ok {
		t.Error("a document without its version is valid")
	}
}
