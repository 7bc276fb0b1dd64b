package workflows

import (
	"reflect"
	"testing"

	"paragon/schema"
)

// What people write by mistake, and what they meant.
func TestNearest(t *testing.T) {
	step := infoOf(reflect.TypeFor[schema.StepSpec]()).names
	retry := infoOf(reflect.TypeFor[schema.RetrySpec]()).names
	request := infoOf(reflect.TypeFor[schema.RequestStep]()).names
	for _, tt := range []struct {
		written    string
		candidates []string
		want       string
	}{
		{"rekwest", step, "request"},
		{"requst", step, "request"},
		{"reqeust", step, "request"}, // a swap is one edit
		{"REQUEST", step, "request"},
		{"fonction", step, "function"},
		{"func", step, "function"},
		{"foreach", step, "forEach"},
		{"for_each", step, "forEach"},
		{"waitfor", step, "waitFor"},
		{"wait", step, "waitFor"}, // and not emit
		{"dealy", step, "delay"},
		{"cal", step, "call"},
		{"calls", step, "call"},
		{"paralel", step, "parallel"},
		{"swich", step, "switch"},
		{"sett", step, "set"},
		{"fi", step, "if"},
		{"http", step, ""},
		{"x", step, ""},
		{"", step, ""},
		{"on_error", step, "onError"},
		{"retires", step, "retry"},
		{"max", retry, ""}, // three begin so
		{"maxAttempt", retry, "maxAttempts"},
		{"attempts", retry, "maxAttempts"},
		{"retryon", retry, "retryOn"},
		{"header", request, "headers"},
		{"followRedirect", request, "followRedirects"},
		{"lowercase", library.names, "lower"},
		{"uppper", library.names, "upper"},
		{"bat", []string{"cat", "bad"}, "bad"}, // the first letter decides
		{"ab", []string{"ba"}, "ba"},
	} {
		if got := nearest(tt.written, tt.candidates); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.written, got, tt.want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "acb", 1},
		{"request", "rekwest", 2}, {"kitten", "sitting", 3}, {"ca", "abc", 3}, {"delay", "call", 4},
	} {
		if got := distance(tt.a, tt.b, 99); got != tt.want {
			t.Errorf("%q to %q: %d, want %d", tt.a, tt.b, got, tt.want)
		}
		if got := distance(tt.b, tt.a, 99); got != tt.want {
			t.Errorf("%q to %q: %d, want %d", tt.b, tt.a, got, tt.want)
		}
		if got := distance(tt.a, tt.b, 2); got != min(tt.want, 2) {
			t.Errorf("%q to %q, limited: %d", tt.a, tt.b, got)
		}
	}
}
