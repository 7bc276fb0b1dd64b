package httpapi

import "testing"

// A body is refused for what the document says of it, each place at once, and
// without its values.
func TestBodiesAreAsTheDocumentSays(t *testing.T) {
	r := newRig(t)
	p := wantProblem(t, r.do("owner", "POST", base+"/keys", `{"role":"king","scope":["runs.trigger",null]}`), 422, "OpenAPI document")
	fields := map[string]bool{}
	for _, e := range p.Errors {
		fields[e.Field] = true
	}
	if len(p.Errors) != 3 || !fields["role"] || !fields["scope[1]"] {
		t.Errorf("%+v", p.Errors)
	}
	wantProblem(t, r.do("owner", "POST", base+"/keys", ""), 400, "with name, role")
	wantProblem(t, r.do("owner", "POST", base+"/keys/none/rotate", `{"overlapSeconds":-1}`), 422, "overlapSeconds")
	wantProblem(t, r.do("", "POST", "/v1/auth/login", `{"password":"hunter2hunter2"}`), 422, "email")
	wantProblem(t, r.do("owner", "PUT", base+"/members/a@example.org", `null`), 422, "")
}

// What checking costs a body of some fields.
func BenchmarkBodyCheck(b *testing.B) {
	r := newRig(b)
	for i := range r.server.routes {
		if rt := &r.server.routes[i]; rt.id == "createKey" {
			body := []byte(`{"name":"ci","role":"viewer","scope":["runs.trigger"]}`)
			for b.Loop() {
				if err := rt.schema.check(body); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
}
