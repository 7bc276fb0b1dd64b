package workflows

import (
	"encoding/json"
	"sync"
	"testing"
)

// A process loads many workflows at once; the race detector watches.
func TestWorkflowsCompileConcurrently(t *testing.T) {
	spec := json.RawMessage(`{"steps":[{"id":"a","set":{"v":"${{ upper(trim(string(input.x))) + formatDate(now(), \"2006\") }}"}}]}`)
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if _, err := CompileSpec("w", spec); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
}
