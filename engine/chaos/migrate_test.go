package chaos_test

import (
	"bytes"
	"os/exec"
	"testing"

	"paragon/engine/servicetest"
	"paragon/engine/store/postgres"
)

// Several processes bring one empty Postgres to the schema at once, as a
// deployment of replicas does: each ends well, and the schema is whole.
func TestProcessesMigrateAtOnce(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	url := servicetest.Postgres(t)
	cmds := make([]*exec.Cmd, 4)
	said := make([]bytes.Buffer, len(cmds))
	for i := range cmds {
		cmds[i] = exec.CommandContext(t.Context(), path, "migrate", "--postgres", url)
		cmds[i].Stdout, cmds[i].Stderr = &said[i], &said[i]
		if err := cmds[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v: %s", i, err, said[i].String())
		}
	}
	db, err := postgres.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.CheckSchema(t.Context()); err != nil {
		t.Error(err)
	}
	again, err := exec.CommandContext(t.Context(), path, "migrate", "--postgres", url).CombinedOutput()
	if err != nil {
		t.Errorf("once more: %v: %s", err, again)
	}
}
