package interpret_test

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// drawRun draws a workflow with all that happens around one run of it, and
// returns what makes that run anew.
func drawRun(t *rapid.T) func() *engine {
	wf := drawWorkflow(t)
	mail := drawMail(t)
	seed := rapid.Uint64().Draw(t, "far side")
	input := map[string]any{"n": 3.0, "list": []any{1.0, "b", 3.0}}
	return func() *engine { return newEngine(t, wf, input, random(seed), mail) }
}

// dying lets a worker die by chance, up to a number of times: one that always
// dies before it has written anything gets nowhere.
func dying(seed uint64, often int) func(moment) bool {
	r := rand.New(rand.NewPCG(seed, 1))
	left := 100
	return func(moment) bool {
		if left == 0 || r.IntN(often) != 0 {
			return false
		}
		left--
		return true
	}
}

// Whenever workers die, what remains of the run is what would have remained.
func TestCrashesChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fresh := drawRun(t)
		whole := fresh()
		whole.eager = true
		want := whole.run().remains()
		seed := rapid.Uint64().Draw(t, "deaths")
		for _, often := range []int{3, 10, 40} {
			e := fresh()
			e.eager = true
			e.dies = dying(seed, often)
			if got := e.run().remains(); got != want {
				t.Fatalf("after %d deaths what remains is other:\n%s", e.deaths, difference(want, got))
			}
		}
	})
}

// Written as a worker writes them, the records keep what is promised: the
// checks of the engine hold, and the run ends.
func TestCrashesOfLazyWorkers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawRun(t)()
		e.dies = dying(rapid.Uint64().Draw(t, "deaths"), 6)
		e.run()
	})
}

// The same run, told twice, is the same byte for byte.
func TestDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fresh := drawRun(t)
		seed := rapid.Uint64().Draw(t, "deaths")
		a, b := fresh(), fresh()
		a.dies, b.dies = dying(seed, 12), dying(seed, 12)
		a.run()
		b.run()
		if a.trace.String() != b.trace.String() {
			t.Fatalf("two decisions on the same:\n%s", difference(a.trace.String(), b.trace.String()))
		}
	})
}

// A restored machine knows all that the one before it knew: at each moment at
// which all is written, both decide the same.
func TestRestoredDecidesTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fresh := drawRun(t)
		a, b := fresh(), fresh()
		a.eager, b.eager = true, true
		b.dies = func(m moment) bool { return m == parked }
		a.run()
		b.run()
		if a.trace.String() != b.trace.String() {
			t.Fatalf("a restored machine decides otherwise:\n%s", difference(a.trace.String(), b.trace.String()))
		}
	})
}
