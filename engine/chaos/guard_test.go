package chaos_test

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// guard is a shell that outlives the test process by a moment: when its input
// ends it kills the processes that are still named to it and removes the
// directory of the binary. So nothing is left behind, however the tests end.
type guard struct {
	dir string

	mu    sync.Mutex
	input *os.File
}

const guardScript = `
pids=
while read -r what pid; do
	case $what in
	add) pids="$pids $pid" ;;
	del)
		left=
		for p in $pids; do [ "$p" = "$pid" ] || left="$left $p"; done
		pids=$left
		;;
	esac
done
[ -z "$pids" ] || kill -s KILL $pids 2>/dev/null
rm -rf -- "$1"
`

var theGuard = sync.OnceValues(func() (*guard, error) {
	dir, err := os.MkdirTemp("", "paragon-chaos-*")
	if err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	cmd := exec.Command("/bin/sh", "-c", guardScript, "guard", dir)
	cmd.Stdin = read
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // a Ctrl-C must not end it first
	if err := cmd.Start(); err != nil {
		write.Close()
		return nil, err
	}
	return &guard{dir: dir, input: write}, nil
})

// add and remove say which processes die with this one.
func (g *guard) add(pid int) error    { return g.say("add", pid) }
func (g *guard) remove(pid int) error { return g.say("del", pid) }

func (g *guard) say(what string, pid int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, err := fmt.Fprintf(g.input, "%s %d\n", what, pid)
	return err
}
