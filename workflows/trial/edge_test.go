package trial

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"paragon/workflows"
)

// findings runs documents and returns what is said, one finding a line.
func findings(t *testing.T, text string) string {
	t.Helper()
	var out []string
	for _, r := range suiteOf(t, workflows.Source{File: "t.yaml", Data: []byte(text)}).Run(t.Context()) {
		for _, f := range r.Failures {
			out = append(out, f.Code+": "+f.Message)
		}
	}
	return strings.Join(out, "\n")
}

const head = "apiVersion: paragon/v1\nkind: Workflow\nmetadata: {name: w}\nspec:\n  input: {}\n  steps:\n"

const test = "---\napiVersion: paragon/v1\nkind: WorkflowTest\nmetadata: {name: t}\nspec:\n  workflow: w\n"

func TestWhatKeepsACaseFromRunning(t *testing.T) {
	request := head + "    - {id: a, request: {url: \"https://example.com/${{ input }}\"}}\n" + test
	for name, tc := range map[string]struct{ text, want string }{
		"another workflow":  {head + "    - {id: a, set: {x: 1}}\n" + strings.Replace(test, "workflow: w", "workflow: v", 1) + "  expect: {status: succeeded}\n", `unknown-workflow: workflow "v" is in none of the documents`},
		"a step":            {request + "  expect: {steps: {b: {status: none}}}\n", `unknown-step: workflow w has no step "b"`},
		"a step of a mock":  {request + "  given: {requests: [{match: {step: b}, respond: {}}]}\n  expect: {status: succeeded}\n", `unknown-step: workflow w has no step "b"`},
		"a trigger":         {request + "  given: {trigger: {id: b}}\n  expect: {status: succeeded}\n", `unknown-trigger: workflow w has no trigger "b"`},
		"a secret":          {request + "  given: {secrets: {B: x}}\n  expect: {status: succeeded}\n", `unknown-secret: workflow w does not use secret B`},
		"a condition":       {request + "  given: {requests: [{match: {if: request.body.x}, respond: {}}]}\n  expect: {status: succeeded}\n", `expression: can't read "x" of null`},
		"an answer":         {request + "  given: {requests: [{respond: {body: \"${{ request.body.x }}\"}}]}\n  expect: {status: succeeded}\n", `expression: can't read "x" of null`},
		"an input":          {request + "  given: {input: \"${{ case.x.y }}\"}\n  expect: {status: succeeded}\n", `expression: can't read "y" of null`},
		"a run without end": {head + "    - {id: a, call: {workflow: w}}\n" + test + "  expect: {status: succeeded}\n", "endless: more than 1000 runs were started: does w call itself?"},
		"nothing is wanted": {request + "  given: {requests: [{respond: {}}]}\n  expect: {response: {status: 200}, steps: {a: {at: [1s], started: {min: 1s}}}}\n", "expect: response: wanted status: 200, got null\nexpect: step a began after 0s, wanted at least 1s\nexpect: step a: its attempts' times: wanted [\"1s\"], got [\"0s\"]"},
		"a length of time":  {request + "  given: {requests: [{respond: {delay: 2s}}]}\n  expect: {duration: {max: 1s}, requests: [{at: \"${{ actual < 0 }}\"}]}\n", "expect: the run took 2s, wanted at most 1s\nexpect: request 1 (GET https://example.com/) left after: wanted ${{ actual < 0 }}, got 0"},
		"another call":      {head + "    - {id: a, call: {workflow: v}}\n" + test + "  given: {calls: [{workflow: v}]}\n  expect: {calls: [{workflow: x, input: {a: 1}}]}\n", "expect: call 1: workflow: wanted x, got v\nexpect: call 1 (v): input: wanted a: 1, got null"},
		"a mock of a call":  {head + "    - {id: a, call: {workflow: v}}\n" + test + "  given: {calls: [{workflow: v, if: call.input.x.y}]}\n  expect: {status: succeeded}\n", `expression: can't read "x" of null`},
	} {
		got := findings(t, tc.text)
		if !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, tc.want)
		}
	}
}

func TestCheckSaysItOnce(t *testing.T) {
	s := suiteOf(t, workflows.Source{File: "t.yaml", Data: []byte(head + "    - {id: a, set: {x: 1}}\n" + test +
		"  expect: {skipped: [b]}\n  cases: [{name: one}, {name: two}, {name: three, expect: {ran: [c]}}]\n")})
	if found := Check(s.Tests[0], s.Workflows); len(found) != 2 {
		t.Errorf("%v", found)
	}
	if found := Check(s.Tests[0], nil); found != nil {
		t.Errorf("of a workflow that is not there: %v", found)
	}
}

func TestOnlySome(t *testing.T) {
	s := sandboxed(t, suiteOf(t, read(t, "testdata/pass/kinds.yaml")))
	s.Only = regexp.MustCompile(`^kinds/(happy|re)`)
	var names []string
	for _, r := range s.Run(t.Context()) {
		names = append(names, r.Name())
	}
	if want := []string{"kinds/happy", "kinds/retries", "kinds/refused"}; !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
}

func TestCoverage(t *testing.T) {
	s := sandboxed(t, suiteOf(t, read(t, "testdata/pass/kinds.yaml")))
	s.Only = regexp.MustCompile(`^kinds/(happy|refused)$`)
	all := s.Cover(s.Run(t.Context()))
	if len(all) != 2 || all[0].Workflow != "enrich" || Percent(all[0]) != 100 {
		t.Fatalf("%+v", all)
	}
	want := []string{
		"step unknown", "step stop", "step tell",
		"route: else", "each: without items", "approval: the event does not come", "approval: it fails and the run goes on", "stop: its condition is true",
	}
	if got := all[1].Missing(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if c := all[1]; c.Steps.All != 17 || c.Branches.All != 9 || c.Steps.Ran != 14 || c.Branches.Ran != 4 {
		t.Errorf("%+v", c)
	}
	s.Only = nil
	if all = s.Cover(s.Run(t.Context())); Percent(all...) != 100 {
		t.Errorf("%+v", all)
	}
}
