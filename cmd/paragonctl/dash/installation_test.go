package dash_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"paragon/engine/servicetest"
	"paragon/schema/api"
	"paragon/tui/screentest"
)

func TestMain(m *testing.M) { servicetest.Main(m) }

// binaries builds both programs.
func binaries(t testing.TB) (paragond, paragonctl string) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "build", "-o", dir, "paragon/cmd/paragond", "paragon/cmd/paragonctl")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return filepath.Join(dir, "paragond"), filepath.Join(dir, "paragonctl")
}

// installation is a real Postgres, a real Redis, and the processes of a server.
type installation struct {
	t        testing.TB
	paragond string
	address  string
	token    string
	env      []string
	client   *api.Client
	far      *farSide
}

func newInstallation(t testing.TB, paragond string) *installation {
	in := &installation{t: t, paragond: paragond, address: freeAddress(t), far: newFarSide(t)}
	in.env = append(os.Environ(), "PARAGON_POSTGRES="+servicetest.Postgres(t), "PARAGON_REDIS=redis://"+servicetest.Redis(t),
		"PARAGON_MASTER_KEY=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "PARAGON_CONFIG="+filepath.Join(t.TempDir(), "config.json"))
	in.once("migrate")
	in.token = strings.TrimSpace(in.once("bootstrap"))
	in.client = api.New("http://"+in.address, in.token, api.WithAttempts(1))
	t.Cleanup(in.client.Close)
	return in
}

func (in *installation) once(args ...string) string {
	in.t.Helper()
	cmd := exec.Command(in.paragond, args...)
	cmd.Env = in.env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		in.t.Fatalf("paragond %s: %v\n%s", args[0], err, stderr.String())
	}
	return string(out)
}

// process is one paragond.
type process struct {
	cmd  *exec.Cmd
	gone sync.Once
}

func (p *process) kill() {
	p.gone.Do(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
}

// serve starts a process of the roles at the address.
func (in *installation) serve(roles, address string) *process {
	in.t.Helper()
	cmd := exec.Command(in.paragond, "serve", "--roles", roles, "--listen", address, "--allow-loopback", "--lanes", "2", "--log-level", "warn")
	cmd.Env = in.env
	cmd.Stdout, cmd.Stderr = in.t.Output(), in.t.Output()
	if err := cmd.Start(); err != nil {
		in.t.Fatal(err)
	}
	p := &process{cmd: cmd}
	in.t.Cleanup(p.kill)
	return p
}

// ready waits until the API answers.
func (in *installation) ready(ctx context.Context) {
	in.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := in.client.WhoAmI(ctx)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			in.t.Fatalf("the API never answered: %v", err)
		}
	}
}

// apply brings workflows whose requests go to the far side for FAR.
func (in *installation) apply(ctx context.Context, yaml string) {
	in.t.Helper()
	_, err := in.client.Apply(ctx, api.ApplyRequest{Files: []api.File{{Name: "w.yaml", Content: strings.ReplaceAll(yaml, "FAR", in.far.URL)}}}, api.ApplyOptions{})
	in.must(err)
}

// dash opens the dashboard on a terminal of such a size.
func (in *installation) dash(paragonctl string, columns, lines int) *screentest.Screen {
	in.t.Helper()
	cmd := exec.Command(paragonctl, "dash")
	cmd.Env = append(in.env, "PARAGON_SERVER=http://"+in.address, "PARAGON_TOKEN="+in.token, "TERM=xterm-256color", "NO_COLOR=")
	s, err := screentest.Start(cmd, columns, lines)
	in.must(err)
	in.t.Cleanup(func() { _ = s.Close() })
	return s
}

// worker starts a worker.
func (in *installation) worker() *process { return in.serve("worker", freeAddress(in.t)) }

func (in *installation) must(err error) {
	in.t.Helper()
	if err != nil {
		in.t.Fatal(err)
	}
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// farSide is the API that the workflows call: /gate answers once it is open,
// /moody with 503 until it is well.
type farSide struct {
	*httptest.Server
	open chan struct{}
	well atomic.Bool
	// entered has one entry for each request that came to the gate.
	entered chan struct{}
}

func newFarSide(t testing.TB) *farSide {
	f := &farSide{open: make(chan struct{}), entered: make(chan struct{}, 100)}
	mux := http.NewServeMux()
	mux.HandleFunc("/gate", func(w http.ResponseWriter, r *http.Request) {
		f.entered <- struct{}{}
		select {
		case <-f.open:
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/moody", func(w http.ResponseWriter, _ *http.Request) {
		if !f.well.Load() {
			http.Error(w, "the far side is down", http.StatusServiceUnavailable)
		}
	})
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}
