package interpret_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"paragon/schema"
	"paragon/workflows"
)

// author writes random workflows that are valid.
type author struct {
	t    *rapid.T
	left int // steps that may still be written
	ids  int
	// events makes steps that wait for events.
	events bool
}

type object = map[string]any

// drawWorkflow draws a workflow through its canonical JSON.
func drawWorkflow(t *rapid.T) *workflows.Workflow {
	a := &author{t: t, left: rapid.IntRange(1, 14).Draw(t, "steps"), events: true}
	steps, visible := a.steps(nil, nil, 0)
	spec := object{"steps": steps}
	if a.chance(3, "has onFailure") {
		a.left = rapid.IntRange(1, 4).Draw(t, "onFailure steps")
		spec["onFailure"], _ = a.steps(visible, []string{"run.error"}, 1)
	}
	if a.chance(2, "has output") {
		spec["output"] = object{"all": a.values(visible, nil)}
	}
	if a.chance(4, "has timeout") {
		spec["timeout"] = (time.Duration(rapid.IntRange(1, 120).Draw(t, "timeout"))*time.Second + 77*time.Microsecond).String()
	}
	if a.chance(3, "has default retry") {
		spec["defaults"] = object{"retry": a.retry()}
	}
	raw, err := json.Marshal(spec)
	if err != nil {
		t.Fatalf("%v", err)
	}
	wf, err := workflows.CompileSpec("drawn", raw)
	if err != nil {
		t.Fatalf("the drawn workflow is not valid: %v\n%s", err, raw)
	}
	t.Logf("%s", raw)
	return wf
}

func (a *author) chance(n int, label string) bool { return rapid.IntRange(1, n).Draw(a.t, label) == 1 }

// steps writes a block, and says which steps can be read behind it.
func (a *author) steps(visible, vars []string, depth int) ([]any, []string) {
	visible = slices.Clone(visible)
	var out []any
	for n := rapid.IntRange(1, 4).Draw(a.t, "length"); n > 0 && (a.left > 0 || len(out) == 0); n-- {
		step, inner := a.step(visible, vars, depth)
		out = append(out, step)
		visible = append(append(visible, inner...), step["id"].(string))
	}
	return out, visible
}

// step writes one step, and says which steps inside can be read behind it.
func (a *author) step(visible, vars []string, depth int) (object, []string) {
	a.left--
	a.ids++
	s := object{"id": fmt.Sprintf("s%d", a.ids)}
	if a.chance(5, "has if") {
		s["if"] = rapid.SampledFrom([]string{"true", "false", "${{ input.n > 2 }}", "input.none", "input.n", a.value(visible, vars) + " != nil"}).Draw(a.t, "if")
	}
	if a.chance(4, "continues") {
		s["onError"] = "continue"
	}
	kinds := []string{"request", "request", "function", "set", "emit", "delay", "respond", "call"}
	if depth > 0 || a.chance(3, "may fail") {
		kinds = append(kinds, "fail")
	}
	if a.events {
		kinds = append(kinds, "waitFor")
	}
	if depth < 3 && a.left > 0 {
		kinds = append(kinds, "switch", "parallel", "forEach", "parallel", "forEach")
	}
	switch kind := rapid.SampledFrom(kinds).Draw(a.t, "kind"); kind {
	case "switch":
		return s, a.switchStep(s, visible, vars, depth)
	case "parallel":
		return s, a.parallel(s, visible, vars, depth)
	case "forEach":
		a.forEach(s, visible, vars, depth)
		return s, nil
	default:
		a.plain(s, kind, visible, vars)
		return s, nil
	}
}

func (a *author) plain(s object, kind string, visible, vars []string) {
	switch kind {
	case "request":
		s[kind] = object{"url": "https://far.test/", "body": a.values(visible, vars)}
	case "function":
		s[kind] = object{"source": "return 1"}
	case "set":
		s[kind] = object{"v": a.values(visible, vars), "now": "${{ now() }}", "id": "${{ uuid() }}"}
	case "emit":
		s[kind] = object{"event": "x", "data": a.values(visible, vars)}
	case "delay":
		s[kind] = object{"for": rapid.SampledFrom([]string{"0s", "1s", "7s", "1m", "${{ input.n }}s", "${{ input.none }}"}).Draw(a.t, "for")}
	case "respond":
		s[kind] = object{"body": a.values(visible, vars), "status": rapid.SampledFrom([]any{200, 404, "${{ input.n + 200 }}", "${{ input.n }}"}).Draw(a.t, "status")}
	case "call":
		s[kind] = object{"workflow": "other", "input": a.value(visible, vars), "wait": a.chance(2, "waits")}
		if a.chance(2, "has timeout") {
			s["timeout"] = "10s"
		}
	case "fail":
		s[kind] = object{"message": "no ${{ input.n }}"}
	case "waitFor":
		w := object{"event": rapid.SampledFrom([]string{"e1", "e2", "e${{ input.n - 2 }}"}).Draw(a.t, "event"), "timeout": "40s"}
		if a.chance(2, "has condition") {
			w["if"] = "${{ event.data.n > " + fmt.Sprint(rapid.IntRange(0, 3).Draw(a.t, "more than")) + " }}"
		}
		s[kind] = w
	}
	if slices.Contains([]string{"request", "function", "emit", "call"}, kind) && a.chance(2, "has retry") {
		s["retry"] = a.retry()
	}
}

func (a *author) retry() object {
	return object{
		"maxAttempts":     rapid.IntRange(1, 5).Draw(a.t, "maxAttempts"),
		"jitter":          rapid.SampledFrom([]string{"full", "equal", "none"}).Draw(a.t, "jitter"),
		"initialInterval": rapid.SampledFrom([]string{"1s", "10s"}).Draw(a.t, "initialInterval"),
		"maxInterval":     rapid.SampledFrom([]string{"10s", "1m"}).Draw(a.t, "maxInterval"),
		"retryOn":         rapid.SampledFrom([][]any{{"any"}, {"5xx"}, {503, "network", "timeout"}}).Draw(a.t, "retryOn"),
	}
}

func (a *author) switchStep(s object, visible, vars []string, depth int) []string {
	var branches []any
	var inside []string
	n := rapid.IntRange(1, 3).Draw(a.t, "branches")
	for i := range n {
		steps, after := a.steps(visible, vars, depth+1)
		branch := object{"steps": steps}
		if i == n-1 && a.chance(2, "has else") {
			branch["else"] = true
		} else {
			branch["if"] = rapid.SampledFrom([]string{"true", "input.n == 3", "input.n > 5", a.value(visible, vars) + " == nil"}).Draw(a.t, "branch if")
		}
		branches = append(branches, branch)
		inside = append(inside, after[len(visible):]...)
	}
	s["switch"] = branches
	return inside
}

func (a *author) parallel(s object, visible, vars []string, depth int) []string {
	branches := object{}
	var inside []string
	for i := range rapid.IntRange(1, 4).Draw(a.t, "branches") {
		steps, after := a.steps(visible, vars, depth+1)
		branches[fmt.Sprintf("b%d", i)] = object{"steps": steps}
		inside = append(inside, after[len(visible):]...)
	}
	p := object{"branches": branches}
	if a.chance(2, "bounded") {
		p["parallelism"] = rapid.IntRange(1, 3).Draw(a.t, "parallelism")
	}
	if a.chance(2, "collects") {
		p["onError"] = "collect"
	}
	s["parallel"] = p
	return inside
}

func (a *author) forEach(s object, visible, vars []string, depth int) {
	as := fmt.Sprintf("item%d", depth)
	f := object{
		"as":          as,
		"items":       rapid.SampledFrom([]any{[]any{}, []any{1}, []any{1, "two", nil, object{"n": 4}}, "${{ input.list }}", "${{ input.none }}", "${{ input.n }}", "${{ [now(), uuid()] }}"}).Draw(a.t, "items"),
		"parallelism": rapid.IntRange(1, 4).Draw(a.t, "parallelism"),
	}
	if a.chance(2, "collects") {
		f["onError"] = "collect"
	}
	s["forEach"] = f
	s["steps"], _ = a.steps(visible, append(slices.Clone(vars), as, as+"_index"), depth+1)
}

// value is an expression without its marks.
func (a *author) value(visible, vars []string) string {
	names := append([]string{"input.n", "run.id", "input.list"}, vars...)
	for _, id := range visible {
		names = append(names, "steps."+id)
	}
	return rapid.SampledFrom(names).Draw(a.t, "value")
}

func (a *author) values(visible, vars []string) []any {
	list := make([]any, rapid.IntRange(1, 4).Draw(a.t, "values"))
	for i := range list {
		list[i] = "${{ " + a.value(visible, vars) + " }}"
	}
	return list
}

// drawMail draws what is sent to the run: events, and now and then a cancel.
// The times are odd, so that nothing else happens then.
func drawMail(t *rapid.T) []letter {
	var mail []letter
	at := func() schema.Duration {
		return schema.Duration(time.Duration(rapid.IntRange(0, 60_000).Draw(t, "at"))*time.Millisecond + time.Duration(13+len(mail))*time.Nanosecond)
	}
	for range rapid.IntRange(0, 6).Draw(t, "events") {
		mail = append(mail, letter{At: at(), Event: object{
			"name": rapid.SampledFrom([]string{"e1", "e2"}).Draw(t, "event"),
			"data": object{"n": rapid.IntRange(0, 4).Draw(t, "n")},
		}})
	}
	if rapid.IntRange(1, 6).Draw(t, "is canceled") == 1 {
		mail = append(mail, letter{At: at(), Cancel: "enough"})
	}
	return mail
}
