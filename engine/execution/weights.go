package execution

import (
	"sync/atomic"

	"paragon/engine/cache"
	"paragon/schema"
)

// weights are the projects' weights as claim.lua takes them, made anew when the
// configuration changes.
type weights struct {
	words atomic.Pointer[[]any]
}

// follow keeps the weights up to date until the returned function is called.
func (w *weights) follow(c *cache.Cache) (leave func()) {
	leave = c.Subscribe(func() { w.read(c) })
	w.read(c)
	return leave
}

func (w *weights) read(c *cache.Cache) {
	var words []any
	for _, p := range c.Projects() {
		if p.Settings.Weight > schema.DefaultWeight {
			words = append(words, p.Name, p.Settings.Weight)
		}
	}
	w.words.Store(&words)
}

// args returns name and weight of each project whose weight is not 1.
func (w *weights) args() []any {
	if words := w.words.Load(); words != nil {
		return *words
	}
	return nil
}
