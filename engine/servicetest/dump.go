package servicetest

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// Dump writes a database to a file as an operator's back-up does (pg_dump
// --format custom), and returns the file's path.
func Dump(t testing.TB, url string) string {
	t.Helper()
	path := need(t, "pg_dump")[0]
	file := filepath.Join(t.TempDir(), "paragon.dump")
	if out, err := exec.CommandContext(t.Context(), path, "--format", "custom", "--file", file, url).CombinedOutput(); err != nil {
		t.Fatalf("pg_dump: %v: %s", err, out)
	}
	return file
}

// RestoreDump brings a Dump back into a database (pg_restore --no-owner).
func RestoreDump(t testing.TB, url, file string) {
	t.Helper()
	path := need(t, "pg_restore")[0]
	if out, err := exec.CommandContext(t.Context(), path, "--no-owner", "--exit-on-error", "--dbname", url, file).CombinedOutput(); err != nil {
		t.Fatalf("pg_restore: %v: %s", err, out)
	}
}
