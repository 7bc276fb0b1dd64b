package servicetest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stopTimeout bounds how long a server may take to end after a signal.
const stopTimeout = 30 * time.Second

// startTimeout bounds how long a server may take until it answers. It is long
// because test machines are busy; a server that exits is noticed at once.
const startTimeout = 60 * time.Second

// process is a running server with its children.
type process struct {
	cmd *exec.Cmd
	// lifeline is the read end of a pipe whose write end the server and its
	// children hold: it reports EOF when the last of them is gone. Unlike a
	// goroutine in Wait it leaves nothing for a leak check to find.
	lifeline *os.File
	log      string
	watchdog *watchdog
}

// start runs a server in dir, with its output in the file log.
func start(dir, log string, cred *syscall.Credential, orphaned syscall.Signal, path string, args ...string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	lifeline, held, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer held.Close()
	cmd := exec.Command(path, args...)
	cmd.Dir = dir // the test's own directory may be closed to the server's user
	cmd.Stdout, cmd.Stderr = out, out
	cmd.ExtraFiles = []*os.File{held}
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	// A group of its own keeps a Ctrl-C on the terminal from stopping it
	// before the test's cleanup does, and lets a signal reach its children.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: cred}
	if err := cmd.Start(); err != nil {
		lifeline.Close()
		return nil, err
	}
	p := &process{cmd: cmd, lifeline: lifeline, log: log}
	if p.watchdog, err = watch(cmd.Process.Pid, orphaned, dir); err != nil {
		p.end(syscall.SIGKILL)
		return nil, err
	}
	return p, nil
}

// ready waits until ping succeeds. It fails early when the server exits.
func (p *process) ready(ping func() error) error {
	deadline := time.Now().Add(startTimeout)
	for {
		err := ping()
		if err == nil {
			return nil
		}
		if p.gone(10 * time.Millisecond) {
			return fmt.Errorf("the server exited: %s", p.lastLog())
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the server did not answer in %v: %w: %s", startTimeout, err, p.lastLog())
		}
	}
}

// gone waits at most d for the server and all its children to be gone.
func (p *process) gone(d time.Duration) bool {
	p.lifeline.SetReadDeadline(time.Now().Add(d))
	_, err := p.lifeline.Read(make([]byte, 1))
	return errors.Is(err, io.EOF)
}

// signal sends a signal to the server and those children that share its group.
func (p *process) signal(sig syscall.Signal) error {
	return syscall.Kill(-p.cmd.Process.Pid, sig)
}

// end sends the signal to the server alone, waits until it and its children
// are gone, and reaps it.
func (p *process) end(sig syscall.Signal) error {
	if sig == syscall.SIGKILL {
		orphans := children(p.cmd.Process.Pid)
		p.signal(sig)
		for _, pid := range orphans {
			syscall.Kill(pid, sig)
		}
	} else {
		p.cmd.Process.Signal(sig)
		// A stopped process gets the signal only when it goes on.
		p.signal(syscall.SIGCONT)
	}
	var err error
	if !p.gone(stopTimeout) {
		err = fmt.Errorf("the server did not end in %v after %v: %s", stopTimeout, sig, p.lastLog())
		p.signal(syscall.SIGKILL)
	}
	p.cmd.Wait()
	p.lifeline.Close()
	if p.watchdog != nil {
		p.watchdog.dismiss()
	}
	return err
}

// lastLog is the end of what the server wrote.
func (p *process) lastLog() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text[max(0, len(text)-2000):]))
}

// children lists the processes whose parent is pid. Postgres puts each of its
// children in a session of its own, out of reach of a signal to the group.
func children(pid int) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	var found []int
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		// pid (command) state parent …; a command may hold spaces.
		_, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == strconv.Itoa(pid) {
			if child, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil {
				found = append(found, child)
			}
		}
	}
	return found
}

// watchdog is a shell that outlives the test process by a moment: when its
// input ends without a word, it ends the server and removes the directory.
// Unlike a parent-death signal it does not depend on the thread that started
// the server, and it cleans up.
type watchdog struct {
	cmd   *exec.Cmd
	input *os.File
}

const watchdogScript = `
if read -r word; then exit 0; fi
kill -s "$1" "$2" 2>/dev/null
sleep 1
kill -s KILL -- "-$2" 2>/dev/null
rm -rf -- "$3"
`

// watch starts the watchdog of a server with that pid.
func watch(pid int, orphaned syscall.Signal, dir string) (*watchdog, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	cmd := exec.Command("/bin/sh", "-c", watchdogScript, "watchdog",
		strconv.Itoa(int(orphaned)), strconv.Itoa(pid), dir)
	cmd.Stdin = read
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		write.Close()
		return nil, err
	}
	return &watchdog{cmd: cmd, input: write}, nil
}

// dismiss sends the watchdog home.
func (w *watchdog) dismiss() {
	io.WriteString(w.input, "home\n")
	w.input.Close()
	w.cmd.Wait()
}

// freePort returns a TCP port of the loopback that is free at the moment.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// serverDir makes a directory for a server, owned by the user that it runs as.
func serverDir(pattern string, cred *syscall.Credential) (string, error) {
	dir, err := os.MkdirTemp("", pattern)
	if err != nil {
		return "", err
	}
	if cred == nil {
		return dir, nil
	}
	if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
		os.RemoveAll(dir)
		return "", err
	}
	return dir, nil
}

// unprivileged is the user that a server runs as which refuses root. It is nil
// when the test itself does not run as root.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("Postgres refuses to run as root, and there is no user postgres or nobody")
}
