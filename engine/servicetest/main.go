package servicetest

import (
	"fmt"
	"os"

	"go.uber.org/goleak"
)

// Main is the TestMain of a package that uses servers: it runs the tests (m is
// the *testing.M, or wraps it),
// stops the shared server, and fails the package when a goroutine was left
// behind. It does not return. The servers end without it too, a moment after
// the process.
func Main(m interface{ Run() int }, options ...goleak.Option) {
	code := m.Run()
	stopShared()
	if code == 0 {
		if err := goleak.Find(options...); err != nil {
			fmt.Fprintf(os.Stderr, "goroutines were left behind: %v\n", err)
			code = 1
		}
	}
	os.Exit(code)
}
