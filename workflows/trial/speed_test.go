package trial

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"paragon/workflows"
)

// many is a document of testdata/pass with its cases so often that there are at
// least n.
func many(t testing.TB, name string, n int) *Suite {
	t.Helper()
	src := read(t, "testdata/pass/"+name+".yaml")
	whole := string(src.Data)
	at := strings.LastIndex(whole, "\n---\n")
	sources := []workflows.Source{{File: "flow.yaml", Data: []byte(whole[:at])}}
	test := whole[at+5:]
	cases := strings.Count(test, "\n    - name: ")
	for i := 0; i*cases < n; i++ {
		test := strings.Replace(test, "metadata: {name: "+name+"}", fmt.Sprintf("metadata: {name: %s-%d}", name, i), 1)
		sources = append(sources, workflows.Source{File: fmt.Sprintf("test%d.yaml", i), Data: []byte(test)})
	}
	return sandboxed(t, suiteOf(t, sources...))
}

// Two hundred cases take less than 5 s. BenchmarkTwoHundred says how long those of
// a workflow with every kind of step take, functions included.
func TestTwoHundredInFiveSeconds(t *testing.T) {
	began := time.Now()
	results := many(t, "edges", 200).Run(t.Context())
	took := time.Since(began)
	failed := 0
	for _, r := range results {
		if !r.Passed {
			failed++
		}
	}
	if len(results) < 200 || failed > 0 {
		t.Errorf("%d cases, %d failed", len(results), failed)
	}
	if limit := 20 * time.Second; took > limit { // on a busy machine, under the race detector
		t.Errorf("%d cases took %s", len(results), took)
	}
}

func BenchmarkTwoHundred(b *testing.B) {
	for b.Loop() {
		if n := len(many(b, "kinds", 200).Run(b.Context())); n < 200 {
			b.Fatal(n)
		}
	}
}
