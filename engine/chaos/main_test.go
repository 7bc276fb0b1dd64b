package chaos_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"paragon/engine/servicetest"
)

var (
	chaosFor  = flag.Duration("chaos.for", time.Minute, "how long TestChaos breaks things")
	chaosFrom = flag.String("chaos.from", "", "the paragond that TestRollingUpgrade begins with; none takes this one under another version")
	chaosSeed = flag.Uint64("chaos.seed", 1, "what TestChaos' schedule is made from; 0 takes one from the clock")
)

// The goroutines of a toxiproxy whose link was cut in the middle end when their
// buffers do, which nobody can wait for.
func TestMain(m *testing.M) {
	if of := os.Getenv(clockedEnv); of != "" {
		os.Exit(runClocked(of))
	}
	servicetest.Main(m,
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/stream.(*ChanWriter).Write"))
}

// longFrom is how long TestChaos must last for outages to last minutes. Those of
// `make chaos` do, unless CHAOS is less.
const longFrom = 5 * time.Minute

// binary builds paragond, once a test process, as the tests are built, and
// returns its path.
var binary = sync.OnceValues(func() (string, error) { return buildAs("paragond") })

// buildAs builds paragond under a name, with more flags of the linker.
func buildAs(name string, flags ...string) (string, error) {
	guard, err := theGuard()
	if err != nil {
		return "", err
	}
	path := filepath.Join(guard.dir, name)
	args := append([]string{"build", "-o", path, "-ldflags", strings.Join(flags, " ")}, built()...)
	cmd := exec.Command("go", append(args, "paragon/cmd/paragond")...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return path, cmd.Run()
}

// built are the flags of the compiler that this test was built with: the race
// detector, and what it leaves out.
func built() []string {
	var flags []string
	info, _ := debug.ReadBuildInfo() // of a test there is always one
	for _, s := range info.Settings {
		if s.Key == "-race" || s.Key == "-gcflags" {
			flags = append(flags, s.Key+"="+s.Value)
		}
	}
	return flags
}
