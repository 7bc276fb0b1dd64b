package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"paragon/schema/api"
	"paragon/schema/api/contexts"
	"paragon/tui/screentest"
)

const workflows = `apiVersion: paragon/v1
kind: Workflow
metadata: {name: lead-sync}
spec:
  steps:
    - id: lookup
      request: {method: GET, url: "http://FAR/anything/crm/${{ input.n }}"}
    - id: push
      request: {method: POST, url: "http://FAR/status/${{ input.n % 5 == 0 ? 503 : 200 }}", body: {lead: "${{ input.n }}"}}
      retry: {maxAttempts: 3, initialInterval: 300ms, maxInterval: 1s, jitter: none}
    - id: note
      set: {done: true}
---
apiVersion: paragon/v1
kind: Workflow
metadata: {name: nightly-report}
spec:
  steps:
    - id: prepare
      set: {rows: 120}
    - id: pause
      delay: {for: 2m}
    - id: send
      request: {method: POST, url: "http://FAR/anything/mail"}
---
apiVersion: paragon/v1
kind: Workflow
metadata: {name: invoice}
spec:
  steps:
    - id: total
      function: {source: "return {total: input.n * 119 / 100}"}
    - id: check
      if: "${{ input.n % 7 == 0 }}"
      fail: {message: "no account for customer ${{ input.n }}"}
`

// shot is one picture.
type shot struct {
	name           string
	columns, lines int
	// steps are keys to type and then what to wait for.
	steps [][2]string
}

// loadSeconds is how long runs are started before the pictures are taken.
const loadSeconds = 45

var shots = []shot{
	{"overview-80", 80, 24, [][2]string{{"", "Throughput"}}},
	{"overview-120", 120, 32, [][2]string{{"", "Throughput"}}},
	{"overview-200", 200, 44, [][2]string{{"", "Throughput"}}},
	{"runs-120", 120, 32, [][2]string{{":runs\r", "lead-sync"}}},
	{"runs-80", 80, 24, [][2]string{{":runs\r", "lead-sync"}}},
	{"queues-120", 120, 22, [][2]string{{":queues\r", "0/normal"}, {"jP", "Pause queue 0/normal"}}},
	{"workers-120", 120, 18, [][2]string{{":workers\r", "alive"}}},
	{"failures-120", 120, 24, [][2]string{{":failures\r", "lead-sync"}}},
	{"run-120", 120, 36, [][2]string{{":runs\r", "lead-sync"}, {"/workflow:lead-sync status:failed\r", "1 of "}, {"\r", "timeline"}, {"jjj", "Attempt 1"}}},
	{"run-80", 80, 30, [][2]string{{":runs\r", "lead-sync"}, {"/workflow:lead-sync status:failed\r", "1 of "}, {"\r", "timeline"}, {"jj", "Attempt 1"}}},
	{"run-200", 200, 40, [][2]string{{":runs\r", "lead-sync"}, {"/workflow:lead-sync status:failed\r", "1 of "}, {"\r", "timeline"}, {"jj", "Attempt 1"}}},
	{"dialog-120", 120, 28, [][2]string{{":runs\r", "lead-sync"}, {"/status:failed\r", "1 of "}, {"ar", "Retry all"}}},
}

func main() {
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Minute)
	defer stop()
	if err := run(ctx, filepath.Join("docs", "dashboard")); err != nil {
		fmt.Fprintln(os.Stderr, "screens:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, into string) (err error) {
	dir, err := os.MkdirTemp("", "paragon-screens-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	build := exec.CommandContext(ctx, "go", "build", "-o", dir, "./cmd/paragond", "./cmd/paragonctl")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build: %w", err)
	}
	address, err := free()
	if err != nil {
		return err
	}
	far, err := free()
	if err != nil {
		return err
	}
	env := append(os.Environ(), "PARAGON_CONFIG="+filepath.Join(dir, "config.json"), "TERM=xterm-256color", "COLORTERM=truecolor")
	server := exec.CommandContext(ctx, filepath.Join(dir, "paragond"), "dev", "--listen", address, "--far-side", far, "--data", filepath.Join(dir, "data"), "--log-level", "error")
	server.Env = env
	server.Stderr = os.Stderr
	if err := server.Start(); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, server.Process.Signal(os.Interrupt))
		_ = server.Wait()
	}()
	if err := load(ctx, filepath.Join(dir, "config.json"), far); err != nil {
		return err
	}
	if err := os.MkdirAll(into, 0o777); err != nil {
		return err
	}
	for _, s := range shots {
		cmd := exec.CommandContext(ctx, filepath.Join(dir, "paragonctl"), "dash", "--context", "dev")
		cmd.Env = env
		if err := take(ctx, cmd, s, filepath.Join(into, s.name+".svg")); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// take makes one picture.
func take(ctx context.Context, cmd *exec.Cmd, s shot, path string) (err error) {
	screen, err := screentest.Start(cmd, s.columns, s.lines)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, screen.Close()) }()
	if err := screen.AwaitText(ctx, "? help"); err != nil {
		return err
	}
	for _, step := range s.steps {
		if err := screen.Type(step[0]); err != nil {
			return err
		}
		// A few redraws later, what the keys asked the server for is there, too.
		select {
		case <-time.After(1500 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := screen.AwaitText(ctx, step[1]); err != nil {
			return err
		}
	}
	return os.WriteFile(path, []byte(screen.SVG()), 0o666)
}

// load applies the workflows and starts runs of them.
func load(ctx context.Context, config, far string) error {
	client, err := connect(ctx, config)
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := client.Apply(ctx, api.ApplyRequest{Files: []api.File{{Name: "screens.yaml", Content: strings.ReplaceAll(workflows, "FAR", far)}}}, api.ApplyOptions{}); err != nil {
		return err
	}
	start := func(workflow string, runs int) error {
		return client.TriggerMany(ctx, workflow, inputs(runs), func(int, api.TriggerLine) error { return nil })
	}
	if err := start("nightly-report", 2); err != nil {
		return err
	}
	// Waves of runs, so that the plots have something to show.
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for second := range loadSeconds {
		if err := errors.Join(start("invoice", 20+10*(second/8%3)), start("lead-sync", 5+second/4)); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errors.Join(start("invoice", 60), start("lead-sync", 40))
}

func inputs(n int) iter.Seq2[api.TriggerRequest, error] {
	return func(yield func(api.TriggerRequest, error) bool) {
		for i := range n {
			if !yield(api.TriggerRequest{Input: json.RawMessage(fmt.Sprintf(`{"n":%d}`, i+1))}, nil) {
				return
			}
		}
	}
}

// connect waits until paragond dev has written its context and answers.
func connect(ctx context.Context, config string) (*api.Client, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		file, err := contexts.Load(config)
		if dev, ok := file.Contexts["dev"]; err == nil && ok {
			client := api.New(dev.Server, dev.Token)
			if _, err := client.WhoAmI(ctx); err == nil {
				return client, nil
			}
			client.Close()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func free() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
