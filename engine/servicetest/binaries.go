package servicetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// RequiredEnv names the environment variable that, set to "required", makes a
// test fail instead of being skipped when a server's binary is missing.
const RequiredEnv = "PARAGON_TEST_SERVICES"

// places are where distributions put server binaries outside of PATH.
var places = []string{
	"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
	"/usr/pgsql-*/bin",          // RPM packages of the Postgres project
	"/opt/homebrew/opt/postgresql*/bin",
	"/usr/local/opt/postgresql*/bin",
}

// find returns the path of a binary, or "".
func find(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, place := range places {
		found, _ := filepath.Glob(filepath.Join(place, name))
		// The newest version last; 9 and 10 never meet in practice.
		slices.Sort(found)
		if len(found) > 0 {
			return found[len(found)-1]
		}
	}
	return ""
}

// need returns the paths of the binaries, or ends the test.
func need(t testing.TB, names ...string) []string {
	t.Helper()
	paths := make([]string, len(names))
	for i, name := range names {
		if paths[i] = find(name); paths[i] != "" {
			continue
		}
		if os.Getenv(RequiredEnv) == "required" {
			t.Fatalf("%s is not installed, and %s=required: run `make services`", name, RequiredEnv)
		}
		t.Skipf("%s is not installed: run `make services` to test with real servers", name)
	}
	return paths
}
