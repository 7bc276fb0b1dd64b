package trial

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"paragon/workflows"
	"paragon/workflows/exchange"
	"paragon/workflows/steps"
)

// integrations are those of a test: the documents that it was given, and for any
// other name an API of which only the name is known. None has a credential: the
// mocks answer.
type integrations map[string]*workflows.Integration

// Target implements steps.Integrations.
func (i integrations) Target(_ context.Context, who steps.Caller) (steps.Target, error) {
	t := &mocked{document: i[who.Integration], base: &url.URL{Scheme: "https", Host: who.Integration + ".integration.test"}}
	if t.document == nil {
		return t, nil
	}
	// What a credential's settings decide is not known here; defaults are.
	settings, _ := t.document.Settings(nil)
	if base, err := t.document.BaseURL(settings); err == nil {
		t.base = base
	}
	if headers, err := t.document.Headers(settings); err == nil {
		t.headers = headers
	}
	return t, nil
}

// mocked is an integration in a test.
type mocked struct {
	document *workflows.Integration
	base     *url.URL
	headers  map[string]string
}

// URL implements steps.Target.
func (m *mocked) URL(path string) (*url.URL, error) { return exchange.Under(m.base, path) }

// Authorize implements steps.Target.
func (m *mocked) Authorize(r *http.Request) error {
	if !exchange.SameOrigin(m.base, r.URL) {
		return errors.New("the credential of the integration is for " + m.base.Host + " alone")
	}
	for name, value := range m.headers {
		if _, set := r.Header[http.CanonicalHeaderKey(name)]; !set {
			r.Header.Set(name, value)
		}
	}
	return nil
}

// Secrets implements steps.Target.
func (m *mocked) Secrets() []string { return nil }

// Hide implements steps.Target.
func (m *mocked) Hide(result []byte) []byte { return result }

// Timeout implements steps.Target.
func (m *mocked) Timeout() time.Duration {
	if m.document == nil {
		return 0
	}
	return m.document.Timeout
}

// Pages implements steps.Target.
func (m *mocked) Pages() *workflows.Pages {
	if m.document == nil {
		return nil
	}
	return m.document.Pages
}

// Refused implements steps.Target.
func (m *mocked) Refused(context.Context) (steps.Target, error) {
	return nil, errors.New("a test has no other credential")
}
