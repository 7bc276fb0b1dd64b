package chaos_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"paragon/schema"
	"paragon/schema/api"
)

// TestDevIsKilledUnderLoad kills `paragond dev`, whose Redis lives in its
// memory: started again, it has every run that it acknowledged.
func TestDevIsKilledUnderLoad(t *testing.T) {
	far := newFarSide(t)
	far.treats(func(o observation) answer { return answer{after: time.Duration(len(o.key)%2) * 100 * time.Millisecond} })
	p := &process{t: t, name: "dev", dir: t.TempDir(), args: []string{"dev", "--far-side", "", "--write-context", ""}}
	t.Cleanup(p.cleanup)
	open := map[string]bool{}    // keys whose answer was lost
	acked := map[string]string{} // key to run
	var mu sync.Mutex
	trigger := func(client *api.Client, key string) error {
		run, err := client.Trigger(t.Context(), chain.name, request(key, key), 0)
		mu.Lock()
		defer mu.Unlock()
		switch before := acked[key]; {
		case err != nil:
			open[key] = true
		case before != "" && before != run.ID:
			t.Errorf("the key %s had run %s, now it has %s", key, before, run.ID)
		default:
			acked[key] = run.ID
			delete(open, key)
		}
		return err
	}
	for life := range 3 {
		p.start()
		client := api.New(p.url(), p.log.token, api.WithAttempts(1), api.WithTimeout(10*time.Second))
		defer client.Close()
		if life == 0 {
			_, err := client.Apply(t.Context(), api.ApplyRequest{Files: []api.File{{Name: "chaos.yaml", Content: yamlOf(far, chain)}}}, api.ApplyOptions{})
			if err != nil {
				t.Fatal(err)
			}
		}
		for key := range open {
			if err := trigger(client, key); err != nil {
				t.Errorf("the trigger %s, sent again: %v", key, err)
			}
		}
		for key := range acked { // the same key, the same run
			if err := trigger(client, key); err != nil {
				t.Errorf("the trigger %s, sent once more: %v", key, err)
			}
			break
		}
		if life == 2 {
			checkDev(t, client, far, acked)
			break
		}
		var wg sync.WaitGroup
		enough := make(chan struct{}, 1000)
		for caller := range 4 {
			wg.Go(func() {
				for i := range 200 {
					if trigger(client, fmt.Sprintf("run-%d-%d-%d", life, caller, i)) != nil {
						return
					}
					enough <- struct{}{}
				}
			})
		}
		for range 60 {
			<-enough
		}
		p.kill()
		wg.Wait()
	}
}

// checkDev waits until all the runs have ended, and compares them with what
// the far side saw.
func checkDev(t *testing.T, client *api.Client, far *farSide, acked map[string]string) {
	t.Helper()
	for key, id := range acked {
		run, err := client.Run(t.Context(), id, time.Minute)
		if err != nil {
			t.Fatalf("%s: run %s: %v", key, id, err)
		}
		if run.Status != schema.RunSucceeded {
			t.Errorf("%s: run %s is %s", key, id, run.Status)
		}
		steps, err := client.Steps(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if len(steps) != 3 {
			t.Errorf("%s: run %s has %d steps in its history; want 3", key, id, len(steps))
		}
		for _, step := range []string{"a", "b", "c"} {
			if len(far.of(id+"/"+step)) == 0 {
				t.Errorf("%s: run %s: the far side never saw %s", key, id, step)
			}
		}
	}
	if err := far.oneRunEach(); err != nil {
		t.Error(err)
	}
	t.Logf("%d runs were acknowledged in two lives that were cut short, and have ended", len(acked))
}
