package trial

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"paragon/schema"
	"paragon/workflows"
)

// Whatever documents say, a case ends, with a result for each and without a panic.
func FuzzSuite(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*.yaml", "../../examples/tests/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(data))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		docs, _ := workflows.Parse(workflows.Source{File: "f.yaml", Data: []byte(text)})
		s := &Suite{Workflows: map[string]*workflows.Workflow{}, Parallel: 1}
		for i := range docs {
			switch docs[i].Resource.Kind {
			case schema.KindWorkflow:
				wf, _ := docs[i].Compile()
				if wf == nil || hasFunction(wf) {
					return // functions need processes
				}
				s.Workflows[wf.Name] = wf
			case schema.KindWorkflowTest:
				if test, _ := docs[i].CompileTest(); test != nil {
					s.Tests = append(s.Tests, test)
				}
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		for _, r := range s.Run(ctx) {
			for _, failed := range r.Failures {
				if failed.Code == "internal" {
					t.Errorf("%s: %s", r.Name(), failed.Message)
				}
			}
		}
		s.Cover(nil)
	})
}

func hasFunction(wf *workflows.Workflow) bool {
	found := false
	eachStep(wf, func(s *workflows.Step) { found = found || s.Kind == workflows.StepFunction })
	return found
}
