package config

import (
	"strings"
	"testing"

	"paragon/schema"
)

// A set that is promoted tells what only the target lacks: who calls a workflow
// there, and the events that start it there, do not know its new input.
func TestPromotionTellsOfAnotherInput(t *testing.T) {
	r := newRig(t)
	lead := func(input, trigger string) string {
		return "apiVersion: paragon/v1\nkind: Workflow\nmetadata: {name: lead}\nspec:\n  triggers: [" + trigger + "]\n  input: " + input +
			"\n  steps:\n    - {id: stop, fail: {message: no}}\n"
	}
	const (
		event  = "{id: created, event: {name: lead.created}}"
		mapped = "{id: created, event: {name: lead.created}, input: {email: \"${{ event.data.mail }}\"}}"
		loose  = "{type: object, properties: {email: {type: string}}}"
		strict = "{type: object, required: [email], properties: {email: {type: string, maxLength: 200}}}"
	)
	caller := strings.Replace(workflow("caller", ""), `fail: {message: ""}`, "call: {workflow: lead}", 1)
	r.mustApply("set", lead(loose, event))

	codes := func(warnings []schema.Diagnostic) string {
		var out []string
		for _, w := range warnings {
			out = append(out, w.Code+" "+w.Resource)
		}
		return strings.Join(out, ", ")
	}
	plan := func(docs ...string) []schema.Diagnostic {
		t.Helper()
		res, err := r.apply(ApplyOptions{DryRun: true}, "set", docs...)
		if err != nil {
			t.Fatal(explain(err))
		}
		return res.Warnings
	}
	if got := plan(lead(loose, event)); len(got) != 0 {
		t.Errorf("unchanged: %+v", got)
	}
	got := plan(lead(strict, event))
	if codes(got) != "event-schema workflow/lead" || !strings.Contains(got[0].Message, "lead.created") ||
		!strings.Contains(got[0].Message, "email became required; email has maxLength 200") || got[0].File != "a.yaml" {
		t.Errorf("an event: %+v", got)
	}
	if got := plan(lead(strict, mapped)); codes(got) != "input-schema workflow/lead" {
		t.Errorf("an event whose data is mapped: %+v", got)
	}

	// A workflow of the target calls it, which is not of the set.
	r.mustApply("", caller)
	got = plan(lead(strict, event))
	if codes(got) != "event-schema workflow/lead, input-schema workflow/lead" || !strings.Contains(got[1].Suggestion, "workflow caller") {
		t.Errorf("with a caller: %+v", got)
	}
	// One that is applied with it is its author's to see to.
	if got := plan(lead(strict, event), caller); codes(got) != "event-schema workflow/lead" {
		t.Errorf("with its caller: %+v", got)
	}
	r.mustApply("set", lead(strict, event))
	if got := plan(lead(strict, event)); len(got) != 0 {
		t.Errorf("once it is there: %+v", got)
	}
	if got := plan(lead(loose, event)); len(got) != 0 {
		t.Errorf("back to what asks less: %+v", got)
	}
}

// A setting that became required is one that the users and the credentials of
// the target may lack.
func TestPromotionTellsOfAnotherSetting(t *testing.T) {
	r := newRig(t)
	docs := func(settings string) []string {
		return []string{
			"apiVersion: paragon/v1\nkind: Workflow\nmetadata: {name: digest}\nspec:\n  users: {settings: " + settings + "}\n  steps:\n    - {id: stop, fail: {message: no}}\n",
			"apiVersion: paragon/v1\nkind: Integration\nmetadata: {name: crm}\nspec:\n  baseUrl: https://api.example.com\n  auth: {bearer: {}}\n  settings: " + settings + "\n",
		}
	}
	const loose, strict = "{type: object, properties: {shop: {type: string}}}", "{type: object, required: [shop], properties: {shop: {type: string}}}"
	plan := func(settings string) []schema.Diagnostic {
		t.Helper()
		res, err := r.apply(ApplyOptions{DryRun: true}, "", docs(settings)...)
		if err != nil {
			t.Fatal(explain(err))
		}
		return res.Warnings
	}
	if got := plan(strict); len(got) != 0 {
		t.Errorf("where nobody has it yet: %+v", got)
	}
	r.mustApply("", docs(loose)...)
	got := plan(strict)
	if len(got) != 2 || got[0].Code != "settings-schema" || got[0].Resource != "workflow/digest" || got[1].Code != "settings-schema" ||
		got[1].Resource != "integration/crm" || !strings.Contains(got[0].Message, "shop became required") || !strings.Contains(got[1].Message, "shop became required") {
		t.Errorf("became required: %+v", got)
	}
	if got := plan(loose); len(got) != 0 {
		t.Errorf("unchanged: %+v", got)
	}
}
