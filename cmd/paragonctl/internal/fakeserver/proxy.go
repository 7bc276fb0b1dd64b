package fakeserver

import (
	"fmt"
	"io"
	"net/http"

	"paragon/schema"
)

// proxy answers for the API of integration crm with what it was asked; /gone is
// not there.
func (s *Server) proxy(w http.ResponseWriter, r *http.Request) error {
	if r.PathValue("name") != "crm" {
		w.Header().Set("Paragon-Error", string(schema.ProblemNotFound))
		return &schema.Problem{Type: schema.ProblemNotFound, Title: "Not found", Status: http.StatusNotFound, Detail: "there is no integration " + r.PathValue("name")}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	w.Header().Set("X-Far", "side")
	if r.PathValue("path") == "gone" {
		w.WriteHeader(http.StatusGone)
	}
	fmt.Fprintf(w, "%s /%s?%s for %s %s: %s %q\n", r.Method, r.PathValue("path"), r.URL.RawQuery,
		r.Header.Get("Paragon-User"), r.Header.Get("Paragon-Account"), r.Header.Get("X-Own"), body)
	return nil
}
