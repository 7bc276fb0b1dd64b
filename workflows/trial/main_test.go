package trial

import (
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"paragon/schema"
	"paragon/workflows"
	"paragon/workflows/function"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// suiteOf compiles documents.
func suiteOf(t testing.TB, sources ...workflows.Source) *Suite {
	t.Helper()
	docs, diags := workflows.Parse(sources...)
	s := &Suite{Workflows: map[string]*workflows.Workflow{}, Integrations: map[string]*workflows.Integration{}}
	for i := range docs {
		switch docs[i].Resource.Kind {
		case schema.KindWorkflow:
			wf, more := docs[i].Compile()
			diags = append(diags, more...)
			if wf != nil {
				s.Workflows[wf.Name] = wf
			}
		case schema.KindIntegration:
			s.Integrations[docs[i].Resource.Metadata.Name] = docs[i].Integration
		case schema.KindWorkflowTest:
			test, more := docs[i].CompileTest()
			diags = append(diags, more...)
			if test != nil {
				s.Tests = append(s.Tests, test)
			}
		}
	}
	if diags.HasErrors() {
		diags.Render(os.Stderr)
		t.Fatalf("the documents are not valid: %v", diags)
	}
	return s
}

// sandboxed gives the suite a sandbox for the time of the test.
func sandboxed(t testing.TB, s *Suite) *Suite {
	t.Helper()
	s.Sandbox = function.NewSandbox(2)
	t.Cleanup(s.Sandbox.Close)
	return s
}

func read(t testing.TB, path string) workflows.Source {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return workflows.Source{File: filepath.ToSlash(path), Data: data}
}
