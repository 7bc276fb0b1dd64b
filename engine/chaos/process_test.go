package chaos_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a paragond that can be broken and started again. Its methods that
// change it are for the test's own goroutine.
type process struct {
	t    testing.TB
	name string
	// path is the program when it is not paragond itself.
	path string
	args []string
	env  []string
	dir  string
	// redis and postgres are its connections; nil where it has none.
	redis, postgres *link
	// struck records what hits it, if it executes runs, and drains is how long it
	// lets what is under way go on at SIGTERM.
	struck *strikes
	drains time.Duration

	cmd    *exec.Cmd
	log    *processLog
	exited chan struct{} // closed once cmd was waited for
	err    error         // of cmd.Wait; read after exited

	mu      sync.Mutex
	address string // where it listens; kept over restarts
	ending  bool   // it was told to end
	hit     *strike
}

// startWithin bounds how long a process may take until it is ready: a loaded
// machine and the race detector make it slow.
const startWithin = time.Minute

// start starts the process and waits until it is ready.
func (p *process) start() {
	p.t.Helper()
	if err := p.startIn(startWithin); err != nil {
		p.t.Fatalf("start %s: %v", p.name, err)
	}
}

// startIn starts the process again and again until it is ready.
func (p *process) startIn(within time.Duration) error {
	began := time.Now()
	err := p.tryStart(within)
	// As a service manager does: what it needs may be away, or slow to answer.
	for err != nil && time.Since(began) < within && !p.running() {
		time.Sleep(time.Second) // RestartSec
		err = p.tryStart(within)
	}
	return err
}

// tryStart is start for times at which what the process needs may be away.
func (p *process) tryStart(within time.Duration) error {
	path, err := p.path, error(nil)
	if path == "" {
		if path, err = binary(); err != nil {
			return fmt.Errorf("build paragond: %w", err)
		}
	}
	g, err := theGuard()
	if err != nil {
		return err
	}
	p.mu.Lock()
	listen := p.address
	p.ending = false
	p.mu.Unlock()
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	p.log = newProcessLog(p.dir, p.name)
	cmd := exec.Command(path, append(p.args, "--listen", listen)...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stdout, cmd.Stderr = p.log, p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := g.add(cmd.Process.Pid); err != nil {
		_ = cmd.Process.Kill()
	}
	exited := make(chan struct{})
	p.cmd, p.exited = cmd, exited
	go p.watch(cmd, exited)
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case address := <-p.log.ready:
		p.mu.Lock()
		p.address = address
		p.mu.Unlock()
		return nil
	case <-exited:
		return fmt.Errorf("it exited: %w: %s", p.err, p.log.tail())
	case <-timer.C:
		p.kill()
		return fmt.Errorf("it was not ready in %v: %s", within, p.log.tail())
	}
}

// watch waits for the process. One that exits without having been told to has
// failed the test, unless it had not come up yet.
func (p *process) watch(cmd *exec.Cmd, exited chan struct{}) {
	p.err = cmd.Wait()
	if g, err := theGuard(); err == nil {
		_ = g.remove(cmd.Process.Pid)
	}
	p.mu.Lock()
	ending := p.ending
	p.mu.Unlock()
	if !ending && p.log.wasReady() {
		p.t.Errorf("%s exited by itself (%v): %s", p.name, p.err, p.log.tail())
	}
	if fault := p.log.fault(); fault != "" {
		p.t.Errorf("%s: %s", p.name, fault)
	}
	p.over()
	close(exited)
}

func (p *process) running() bool {
	if p.exited == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// kill ends the process at once (SIGKILL).
func (p *process) kill() { p.end(syscall.SIGKILL); <-p.exited }

// end tells the process to end, and does not wait.
func (p *process) end(sig syscall.Signal) {
	p.mu.Lock()
	p.ending = true
	p.mu.Unlock()
	p.signal(sig)
}

// stop lets the process drain (SIGTERM) and returns how it exited.
func (p *process) stop(within time.Duration) error {
	p.end(syscall.SIGTERM)
	return p.ended(within)
}

// ended waits until the process has, and returns how it exited.
func (p *process) ended(within time.Duration) error {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-p.exited:
		if p.err != nil {
			return fmt.Errorf("%w: %s", p.err, p.log.tail())
		}
		return nil
	case <-timer.C:
		p.signal(syscall.SIGQUIT) // its goroutines go to its log
		<-p.exited
		return fmt.Errorf("%w in %v: %s", errStuck, within, p.log.tail())
	}
}

// errStuck says that a process did not end.
var errStuck = errors.New("it did not end")

// pause and resume hold the process in its tracks and let it go on.
func (p *process) pause()  { p.signal(syscall.SIGSTOP) }
func (p *process) resume() { p.signal(syscall.SIGCONT) }

func (p *process) signal(sig syscall.Signal) {
	p.t.Helper()
	p.strike(sig)
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("signal %s: %v", p.name, err)
	}
}

// strike records a signal that breaks what the process does, or ends that.
func (p *process) strike(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch sig {
	case syscall.SIGKILL, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGSTOP:
		p.struck.end(p.hit)
		p.hit = p.struck.begin(strike{loses: true, froze: sig == syscall.SIGSTOP, signal: sig})
	case syscall.SIGCONT:
		p.struck.end(p.hit)
	}
}

// over records that the process has exited. One that did so by itself and in
// good time after SIGTERM has given everything back.
func (p *process) over() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hit != nil && p.hit.signal == syscall.SIGTERM && p.err == nil && time.Since(p.hit.from) < p.drains {
		p.struck.forget(p.hit)
	}
	p.struck.end(p.hit)
	p.hit = nil
}

// cleanup ends whatever is left of the process.
func (p *process) cleanup() {
	if p.running() {
		p.kill()
	}
}

func (p *process) url() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return "http://" + p.address
}

// ready asks /readyz; nil says yes.
func (p *process) ready() error {
	client := http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	resp, err := client.Get(p.url() + "/readyz")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("/readyz: %s", resp.Status)
	}
	return nil
}

// processLog keeps what a process says in a file, and hears what matters.
type processLog struct {
	ready chan string // gets the address, once

	mu      sync.Mutex
	file    *os.File
	line    bytes.Buffer
	last    []string
	came    bool
	token   string // of dev
	trouble []string
}

func newProcessLog(dir, name string) *processLog {
	l := &processLog{ready: make(chan string, 1)}
	// Without a file the last lines still are in memory.
	l.file, _ = os.OpenFile(filepath.Join(dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return l
}

func (l *processLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		_, _ = l.file.Write(b)
	}
	for part := range bytes.Lines(b) {
		l.line.Write(part)
		if part[len(part)-1] == '\n' {
			l.hear(strings.TrimRight(l.line.String(), "\n"))
			l.line.Reset()
		}
	}
	return len(b), nil
}

const lastLines = 60

func (l *processLog) hear(line string) {
	l.last = append(l.last, line)
	if len(l.last) > lastLines {
		l.last = l.last[1:]
	}
	switch {
	case strings.Contains(line, "DATA RACE"), strings.HasPrefix(line, "panic: "), strings.HasPrefix(line, "fatal error: "),
		strings.Contains(line, `"msg":"panic in `), len(l.trouble) > 0:
		if len(l.trouble) < 80 {
			l.trouble = append(l.trouble, line)
		}
	case !l.came && strings.Contains(line, `"msg":"ready"`):
		var said struct{ Address string }
		if json.Unmarshal([]byte(line), &said) == nil && said.Address != "" {
			l.came = true
			l.ready <- said.Address
		}
	case !l.came && strings.HasPrefix(line, "export PARAGON_SERVER=http://"):
		// What dev says once it is ready.
		address, token, _ := strings.Cut(strings.TrimPrefix(line, "export PARAGON_SERVER=http://"), " PARAGON_TOKEN=")
		l.came, l.token = true, token
		l.ready <- address
	}
}

func (l *processLog) wasReady() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.came
}

// fault is what no process may say: a data race, a panic.
func (l *processLog) fault() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.trouble, "\n")
}

func (l *processLog) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return "\n\t" + strings.Join(l.last, "\n\t")
}
