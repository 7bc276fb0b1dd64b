package chaos_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"paragon/engine/servicetest"
)

var (
	chaosFor  = flag.Duration("chaos.for", time.Minute, "how long TestChaos breaks things")
	chaosSeed = flag.Uint64("chaos.seed", 0, "what TestChaos' schedule is made from; 0 takes one from the clock")
)

func TestMain(m *testing.M) { servicetest.Main(m) }

// long tells whether the tests may take their time, as `make chaos` does.
func long() bool { return *chaosFor >= 5*time.Minute }

// binary builds paragond, once a test process, with the race detector when the
// tests have it, and returns its path.
var binary = sync.OnceValues(func() (string, error) {
	guard, err := theGuard()
	if err != nil {
		return "", err
	}
	path := filepath.Join(guard.dir, "paragond")
	args := []string{"build", "-o", path}
	if raceEnabled {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "paragon/cmd/paragond")...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return path, cmd.Run()
})
