package chaos_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"paragon/schema/api"
)

// shape is a workflow together with what its run does outside.
type shape struct {
	name, yaml string
	// stages are the paths of its requests: all of one stage happen before any
	// of the next.
	stages [][]string
	// durable says that its runs outlive Redis.
	durable bool
	// listens says that its runs wait for the word of a speaker.
	listens bool
	// drops says that a trigger beyond its rate limit is refused for good.
	drops bool
	// merges says that a run that still waits may give way to a later one.
	merges bool
	// alone says that of those of its runs that have a place together one is
	// under way.
	alone bool
	// canceled says that its runs are canceled: at once, when they may just as
	// well have ended, or after a while, without which they would not end.
	canceled cancelation
	// replayed names the steps from which its runs are replayed; "": the start.
	replayed []string
	// pad is how many bytes the input of its runs has besides.
	pad int
}

// stepTimeout is how long a request of a workflow here may take.
const stepTimeout = 10 * time.Second

// cancelation is when the runs of a shape are canceled.
type cancelation int

const (
	never cancelation = iota
	atOnce
	inTheEnd
)

// head begins every workflow; its requests are tried again and again.
const head = `
apiVersion: paragon/v1
kind: Workflow
metadata: {name: %s}
spec:
  durability: %s
  timeout: 20m
  defaults:
    timeout: %s
    retry: {maxAttempts: 50, initialInterval: 40ms, maxInterval: 400ms, jitter: full}
  steps:
`

// post is a step that calls the far side FAR.
func post(id string) string {
	return fmt.Sprintf("    - {id: %s, request: {method: POST, url: FAR, body: {n: \"${{ input.n }}\", run: \"${{ run.id }}\"}}}\n", id)
}

func shapeOf(name string, durable bool, stages [][]string, steps ...string) shape {
	durability := "queue"
	if durable {
		durability = "store"
	}
	return shape{name: name, durable: durable, stages: stages, yaml: fmt.Sprintf(head, name, durability, stepTimeout) + strings.Join(steps, "")}
}

var (
	abc = [][]string{{"a"}, {"b"}, {"c"}}
	// chain is three requests, one after the other.
	chain = shapeOf("chain", false, abc, post("a"), post("b"), post("c"))
	// kept is chain, but its runs outlive Redis.
	kept = shapeOf("kept", true, abc, post("a"), post("b"), post("c"))
	// keptRest parks between its requests, and keptCaller waits for a run that
	// is not durable; both outlive Redis.
	keptRest   = shapeOf("kept-rest", true, restStages, restSteps...)
	keptCaller = shapeOf("kept-caller", true, callerStages, callerSteps...)
	// rest parks between its requests.
	rest       = shapeOf("rest", false, restStages, restSteps...)
	restStages = [][]string{{"a"}, {"b"}}
	restSteps  = []string{post("a"), "    - {id: pause, delay: {for: 700ms}}\n", post("b")}
	// fan makes its requests in the middle at the same time.
	fan = shapeOf("fan", false,
		[][]string{{"a"}, {"each[0]/item", "each[1]/item", "each[2]/item", "each[3]/item", "left", "right"}, {"z"}},
		post("a"),
		"    - id: both\n      parallel:\n        branches:\n"+
			"          l: {steps: [{id: left, request: {method: POST, url: FAR, body: {n: \"${{ input.n }}\", run: \"${{ run.id }}\"}}}]}\n"+
			"          r: {steps: [{id: right, request: {method: POST, url: FAR, body: {n: \"${{ input.n }}\", run: \"${{ run.id }}\"}}}]}\n",
		"    - id: each\n      forEach: {items: \"${{ [1, 2, 3, 4] }}\", as: part, parallelism: 2}\n      steps:\n    "+post("item"),
		post("z"))
	// caller calls chain and waits for it.
	caller       = shapeOf("caller", false, callerStages, callerSteps...)
	callerStages = [][]string{{"a"}, {"z"}}
	callerSteps  = []string{post("a"), "    - {id: sub, call: {workflow: chain, input: {n: \"${{ input.n + '/sub' }}\"}, wait: true}}\n", post("z")}
	// listener waits for the event that a speaker emits for it.
	listener = func() shape {
		s := shapeOf("listener", false, [][]string{{"a"}, {"b"}},
			post("a"), "    - {id: word, waitFor: {event: word, if: \"${{ event.data.n == input.n }}\", timeout: 15m}}\n", post("b"))
		s.listens = true
		return s
	}()
	// single has one run at a time under way for the even callers, and one for
	// the odd ones.
	single = func() shape {
		s := shapeOf("single", false, restStages, post("a"), "    - {id: pause, delay: {for: 100ms}}\n", post("b"))
		s.alone = true
		return s.limited("concurrency: {limit: 1, key: \"${{ int(split(input.n, '-')[2]) % 2 }}\"}")
	}()
	// paced waits for its turn, also when Redis was empty meanwhile.
	paced = shapeOf("paced", true, abc, post("a"), post("b"), post("c")).limited("throttle: {limit: 3, per: 500ms}")
	// rated drops what is too much.
	rated = func() shape {
		s := shapeOf("rated", false, restStages, post("a"), post("b")).limited(fmt.Sprintf("rateLimit: {limit: %d, per: %v}", ratedLimit, ratedPer))
		s.drops = true
		return s
	}()
	// settled begins once its triggers have been quiet.
	settled = func() shape {
		s := shapeOf("settled", false, restStages, post("a"), post("b")).limited("debounce: {period: 250ms, maxWait: 1s}")
		s.merges = true
		return s
	}()
	// hurried is canceled while it runs, and endless while it rests.
	hurried = func() shape {
		s := shapeOf("hurried", false, abc, post("a"), post("b"), post("c"))
		s.canceled = atOnce
		return s
	}()
	endless = func() shape {
		s := shapeOf("endless", false, [][]string{{"a"}}, post("a"), "    - {id: pause, delay: {for: 15m}}\n", post("b"))
		s.canceled = inTheEnd
		return s.limited("concurrency: {limit: 50}")
	}()
	// again is replayed, from its start and from its middle.
	again = func() shape {
		s := shapeOf("again", true, abc, post("a"), post("b"), post("c"))
		s.replayed = []string{"", "b"}
		return s
	}()
	speaker = shapeOf("speaker", false, nil, "    - {id: say, emit: {event: word, data: {n: \"${{ input.n }}\"}}}\n")
)

// wakeSuffix is what the key of a speaker's run adds to that of the run that
// listens to it.
const wakeSuffix = "/word"

// ratedLimit is how many runs of rated begin in ratedPer.
const (
	ratedLimit = 2
	ratedPer   = time.Second
)

// limited is the shape with a limit more.
func (s shape) limited(limit string) shape {
	s.yaml = strings.Replace(s.yaml, "  steps:\n", "  "+limit+"\n  steps:\n", 1)
	return s
}

// from is the shape of a replay from one of its steps; "": the start.
func (s shape) from(step string) shape {
	s.replayed = nil
	if step != "" {
		i := slices.IndexFunc(s.stages, func(paths []string) bool { return slices.Contains(paths, step) })
		s.stages = s.stages[i:]
	}
	return s
}

// place names those runs of a shape, by their n, that share a limit with a key.
func place(n string) string {
	caller, _ := strconv.Atoi(strings.Split(n, "-")[2])
	return strconv.Itoa(caller % 2)
}

// yamlOf is the source of workflows that call a far side.
func yamlOf(far *farSide, shapes ...shape) string {
	var docs []string
	for _, s := range shapes {
		docs = append(docs, strings.ReplaceAll(s.yaml, "FAR", far.url()))
	}
	return strings.Join(docs, "\n---\n")
}

// request asks for a run with an n that the far side sees.
func request(n, key string) api.TriggerRequest {
	return api.TriggerRequest{Input: fmt.Appendf(nil, `{"n":%q}`, n), IdempotencyKey: key}
}

// request asks for a run of the shape.
func (s shape) request(n, key string) api.TriggerRequest {
	if s.pad == 0 {
		return request(n, key)
	}
	return api.TriggerRequest{Input: fmt.Appendf(nil, `{"n":%q,"pad":%q}`, n, padding(n, s.pad)), IdempotencyKey: key}
}

// padding is so many bytes that no other n has.
func padding(n string, bytes int) string { return strings.Repeat(n+".", bytes/(len(n)+1)+1)[:bytes] }
