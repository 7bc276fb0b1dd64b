package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paragon/engine/store"
	"paragon/engine/store/sqlite"
	"paragon/engine/store/storetest"
	"paragon/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, path string) store.Store {
	t.Helper()
	s, err := sqlite.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		return open(t, filepath.Join(t.TempDir(), "a store? 100%#.db"))
	})
}

// crashEnv makes the test binary a process that accepts runs in the database
// that it names, until it is killed.
const crashEnv = "SQLITE_CRASH"

func TestAcceptedSurvivesAKill(t *testing.T) {
	if path := os.Getenv(crashEnv); path != "" {
		acceptForever(t, path)
	}
	for round := range 3 {
		path := filepath.Join(t.TempDir(), "paragon.db")
		child := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
		child.Env = append(os.Environ(), crashEnv+"="+path)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		// Kill it after so many acknowledgements, and read what else it said.
		var acknowledged []string
		for lines := bufio.NewScanner(out); lines.Scan(); {
			id, ok := strings.CutPrefix(lines.Text(), "accepted ")
			if !ok {
				continue
			}
			if acknowledged = append(acknowledged, id); len(acknowledged) == 50+100*round {
				child.Process.Kill()
			}
		}
		child.Wait()
		if len(acknowledged) < 50 {
			t.Fatalf("the child accepted only %d runs", len(acknowledged))
		}
		s := open(t, path)
		runs, err := s.Accepted(t.Context(), "", 0)
		if err != nil {
			t.Fatal(err)
		}
		there := map[string]bool{}
		for _, r := range runs {
			there[r.ID] = true
		}
		for _, id := range acknowledged {
			if !there[id] {
				t.Errorf("round %d: run %s was acknowledged and is lost", round, id)
			}
		}
	}
}

func acceptForever(t *testing.T, path string) {
	s := open(t, path)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("%s%016d", schema.RunIDBound(time.Now()), n*4+w)
				if err := s.Accept(t.Context(), []store.AcceptedRun{{ID: id, Project: "p", Workflow: "w", CreatedAt: time.Now(), Meta: []byte(`{}`)}}); err != nil {
					t.Error(err)
					return
				}
				fmt.Printf("accepted %s\n", id)
			}
		})
	}
	wg.Wait()
}

func TestTwoProcessesMayMigrateAndWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "paragon.db")
	// Two stores share nothing but the file, as two processes do.
	stores := []store.Store{open(t, path), open(t, path)}
	var wg sync.WaitGroup
	for i, s := range stores {
		wg.Go(func() {
			if err := s.Migrate(t.Context()); err != nil {
				t.Error(err)
			}
			for n := range 20 {
				if _, err := s.Update(t.Context(), "p", func(tx store.ConfigTx) error {
					_, err := tx.Put(t.Context(), store.Resource{Kind: schema.KindWorkflow, Metadata: schema.Metadata{Name: fmt.Sprint(i, "-", n)}})
					return err
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if v, err := stores[0].ConfigVersion(t.Context()); v != 40 || err != nil {
		t.Errorf("version %d, %v; want 40", v, err)
	}
}

func TestOpenOfWhatIsNoDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "paragon.db")
	if _, err := sqlite.Open(t.Context(), path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a directory that is missing: %v", err)
	}
	path = filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(path, []byte(strings.Repeat("no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), path); err == nil {
		t.Error("a text was opened as a database")
	}
}

func TestTheClockDecidesWhenAKeyExpires(t *testing.T) {
	created := time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)
	now := created
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "paragon.db"), sqlite.WithClock(func() time.Time { return now }))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Accept(t.Context(), []store.AcceptedRun{{ID: "r1", Project: "p", Workflow: "w", IdempotencyKey: "k", CreatedAt: created}}); err != nil {
		t.Fatal(err)
	}
	now = created.Add(store.KeyLife - time.Microsecond)
	if id, err := s.AcceptedByKey(t.Context(), "p", "w", "k"); id != "r1" || err != nil {
		t.Errorf("in its last moment the key stands for %q, %v", id, err)
	}
	now = created.Add(store.KeyLife)
	if id, err := s.AcceptedByKey(t.Context(), "p", "w", "k"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an expired key stands for %q, %v", id, err)
	}
}
