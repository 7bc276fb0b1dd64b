package cli_test

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"paragon/cmd/paragonctl/cli"
	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/fakeserver"
	"paragon/cmd/paragonctl/internal/terminal"
)

var update = flag.Bool("update", false, "rewrite the expected output in the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"paragonctl": func() {
		os.Exit(cli.Main(&command.Env{
			Streams: terminal.System(os.Getenv),
			Getenv:  os.Getenv,
			// Five minutes after what the fake server says that happened.
			Now:     func() time.Time { return fakeserver.Now.Add(5 * time.Minute) },
			Version: "v0.0.0-test",
		}, os.Args[1:]))
	}})
}

// TestScripts runs each command as a process against a fake server.
//
// Besides testscript's own commands there are: exits CODE ARGS..., which runs
// paragonctl and wants that exit code; await TEXT, which waits for a request
// to the server whose method and path contain the text; requested TEXT, and
// its negation, which look for one; modeof MODE FILE.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			server := fakeserver.Start()
			env.Defer(server.Close)
			env.Values[serverKey{}] = server
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("PARAGON_SERVER", server.URL)
			env.Setenv("PARAGON_TOKEN", fakeserver.OwnerToken)
			env.Setenv("VIEWER_TOKEN", fakeserver.ViewerToken)
			env.Setenv("TERM", "xterm-256color")
			// Under the race detector each process would sleep for a second
			// before it ends.
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			return nil
		},
		Cmds: commands,
	})
}

var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"exits":     exits,
	"await":     await,
	"requested": requested,
	"modeof":    modeOf,
}

// environment is what processes of the script see.
func environment(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{"HOME", "PATH", "PWD", "TERM", "NO_COLOR", "TMPDIR", "PARAGON_SERVER", "PARAGON_TOKEN", "PARAGON_PROJECT", "PARAGON_CONTEXT", "PARAGON_CONFIG", "GORACE", "EDITOR", "VISUAL"} {
		if value := ts.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

type serverKey struct{}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec("paragonctl", args[1:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await TEXT")
	}
	ts.Value(serverKey{}).(*fakeserver.Server).Await(args[0])
}

func requested(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] requested TEXT")
	}
	for _, r := range ts.Value(serverKey{}).(*fakeserver.Server).Requests() {
		if strings.Contains(r, args[0]) {
			if neg {
				ts.Fatalf("there was the request %s", r)
			}
			return
		}
	}
	if !neg {
		ts.Fatalf("there was no request %s", args[0])
	}
}

func modeOf(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: modeof MODE FILE")
	}
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := strconv.FormatUint(uint64(info.Mode().Perm()), 8); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}
