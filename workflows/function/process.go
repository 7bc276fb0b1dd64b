package function

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"time"
)

// startTimeout bounds how long a worker process takes to be ready.
const startTimeout = 20 * time.Second

// process is a worker process. It belongs to one goroutine at a time.
type process struct {
	cmd    *exec.Cmd
	in     *os.File // to the process
	out    *os.File // from the process
	life   *os.File // what the process lives as long as
	read   *bufio.Reader
	stderr *lastWords
	// served counts the calls that it answered.
	served int
}

// executable is this binary. On Linux it is the file that runs, even when
// another one was put in its place since.
func executable() (string, error) {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe", nil
	}
	return os.Executable()
}

// startProcess starts a worker process and waits until it is ready.
func startProcess(ctx context.Context) (*process, error) {
	path, err := executable()
	if err != nil {
		return nil, err
	}
	childIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, childOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, childIn.Close(), in.Close())
	}
	childLife, life, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, childIn.Close(), in.Close(), out.Close(), childOut.Close())
	}
	p := &process{in: in, out: out, life: life, read: bufio.NewReaderSize(out, 64<<10), stderr: &lastWords{}}
	// Nothing of our environment goes along: it may hold the master key.
	p.cmd = exec.Command(path)
	p.cmd.Args = []string{"paragon-function"}
	p.cmd.Env = []string{workerEnv + "=1", "TZ=UTC0", "GOTRACEBACK=none"}
	p.cmd.Dir = "/"
	p.cmd.Stderr = p.stderr
	p.cmd.ExtraFiles = []*os.File{childIn, childOut, childLife}
	detach(p.cmd)
	err = p.cmd.Start()
	if closeErr := errors.Join(childIn.Close(), childOut.Close(), childLife.Close()); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, errors.Join(err, in.Close(), out.Close(), life.Close())
	}
	if _, err := p.exchange(ctx, nil, startTimeout); err != nil {
		reason := p.kill()
		return nil, fmt.Errorf("the process did not become ready: %w%s", err, reason)
	}
	return p, nil
}

// exchange sends a frame (nil for none) and reads one.
func (p *process) exchange(ctx context.Context, frame []byte, timeout time.Duration) ([]byte, error) {
	deadline := time.Now().Add(timeout)
	if err := errors.Join(p.in.SetWriteDeadline(deadline), p.out.SetReadDeadline(deadline)); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() {
		// A deadline in the past wakes whoever reads or writes.
		_ = p.in.SetWriteDeadline(time.Unix(1, 0))
		_ = p.out.SetReadDeadline(time.Unix(1, 0))
	})
	defer stop()
	if frame != nil {
		if _, err := p.in.Write(frame); err != nil {
			return nil, err
		}
	}
	return readFrame(p.read)
}

// kill ends the process and says what it said last.
func (p *process) kill() string {
	_ = p.cmd.Process.Kill()
	err := p.cmd.Wait()
	_ = p.in.Close()
	_ = p.out.Close()
	_ = p.life.Close()
	if said := p.stderr.text(); said != "" {
		return ": " + said
	}
	if err != nil && !strings.Contains(err.Error(), "killed") {
		return ": " + err.Error()
	}
	return ""
}

// lastWords keeps the beginning of what a process writes to its stderr: the reason of
// a crash stands there before the goroutines.
type lastWords struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (t *lastWords) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if room := 2048 - t.buf.Len(); room > 0 {
		t.buf.Write(b[:min(len(b), room)])
	}
	return len(b), nil
}

func (t *lastWords) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	line, _, _ := strings.Cut(strings.TrimSpace(t.buf.String()), "\n")
	return line
}
