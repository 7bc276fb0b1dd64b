package trial

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"paragon/workflows"
)

// many is the document of kinds.yaml with its cases so often that there are at
// least n.
func many(t testing.TB, n int) *Suite {
	t.Helper()
	src := read(t, "testdata/pass/kinds.yaml")
	whole := string(src.Data)
	at := strings.LastIndex(whole, "\n---\n")
	sources := []workflows.Source{{File: "flow.yaml", Data: []byte(whole[:at])}}
	for i := 0; i*12 < n; i++ {
		test := strings.Replace(whole[at+5:], "metadata: {name: kinds}", fmt.Sprintf("metadata: {name: kinds-%d}", i), 1)
		sources = append(sources, workflows.Source{File: fmt.Sprintf("test%d.yaml", i), Data: []byte(test)})
	}
	return sandboxed(t, suiteOf(t, sources...))
}

// Two hundred cases of a workflow with every kind of step, functions included,
// take less than 5 s. BenchmarkTwoHundred says how long they take.
func TestTwoHundredInFiveSeconds(t *testing.T) {
	began := time.Now()
	results := many(t, 200).Run(t.Context())
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
		if n := len(many(b, 200).Run(b.Context())); n < 200 {
			b.Fatal(n)
		}
	}
}
