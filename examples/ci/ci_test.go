// Package ci_test runs the pipelines of this directory from end to end, against a
// real `paragond serve` with Postgres and Redis.
package ci_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"paragon/engine/servicetest"
	"paragon/schema/api"
)

func TestMain(m *testing.M) { servicetest.Main(m) }

// pipeline is a repository with the files of this directory, and an installation
// that it deploys to.
type pipeline struct {
	t    *testing.T
	repo string
	env  []string
}

func newPipeline(t *testing.T) *pipeline {
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", bin, "paragon/cmd/paragond", "paragon/cmd/paragonctl").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	p := &pipeline{t: t, repo: filepath.Join(t.TempDir(), "shop-workflows")}
	p.env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+t.TempDir(),
		"PARAGON_POSTGRES="+servicetest.Postgres(t), "PARAGON_REDIS=redis://"+servicetest.Redis(t),
		"PARAGON_MASTER_KEY=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"PARAGON_SERVER=http://"+address, "HELLO_TOKEN=hunter1")
	p.does(0, "paragond", "migrate")
	token := strings.TrimSpace(p.does(0, "paragond", "bootstrap"))
	p.env = append(p.env, "PARAGON_TOKEN="+token)
	server := exec.Command(filepath.Join(bin, "paragond"), "serve", "--listen", address, "--lanes", "1", "--linger", "0s", "--log-level", "warn")
	server.Env, server.Stdout, server.Stderr = p.env, t.Output(), t.Output()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	client := api.New("http://"+address, token, api.WithAttempts(1))
	t.Cleanup(client.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		if _, err = client.WhoAmI(ctx); err == nil {
			tick.Stop()
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the server never answered: %v", err)
		}
	}
	p.does(0, "paragonctl", "init", p.repo)
	return p
}

// does runs a program and wants its exit code; it returns its output.
func (p *pipeline) does(code int, program string, args ...string) string {
	p.t.Helper()
	// The program is looked for where the pipeline's own PATH says.
	cmd := exec.Command("/bin/sh", append([]string{"-c", `exec "$0" "$@"`, program}, args...)...)
	cmd.Env = p.env
	if _, err := os.Stat(p.repo); err == nil {
		cmd.Dir = p.repo
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	got := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		p.t.Fatalf("%s: %v", program, err)
	}
	if got != code {
		p.t.Fatalf("%s %s ended with %d, want %d\n%s%s", program, strings.Join(args, " "), got, code, stdout.String(), stderr.String())
	}
	return stdout.String()
}

func (p *pipeline) edit(file, from, to string) {
	p.t.Helper()
	path := filepath.Join(p.repo, file)
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), from) {
		p.t.Fatalf("%s does not hold %q (%v)", file, from, err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), from, to, 1)), 0o666); err != nil {
		p.t.Fatal(err)
	}
}

func contains(t *testing.T, what, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%s does not hold %q:\n%s", what, want, text)
		}
	}
	if strings.Contains(text, "hunter") {
		t.Errorf("%s shows a secret:\n%s", what, text)
	}
}

func TestPipelines(t *testing.T) {
	p := newPipeline(t)
	t.Run("shell", func(t *testing.T) { p.t = t; shell(p) })
	t.Run("action", func(t *testing.T) { p.t = t; action(p) })
}

// shell is the life of a repository whose pipeline is ci/paragon.sh.
func shell(p *pipeline) {
	const script = "ci/paragon.sh"
	contains(p.t, "the check", p.does(0, script, "check"), "3 documents", "✓ hello 2 cases, tests/hello.yaml", "100.0 %  hello")
	plan := p.does(0, script, "plan")
	contains(p.t, "the first plan", plan, "### Paragon plan: 2 to create", "workflow/hello</code> would be created", "secret/HELLO_TOKEN")
	contains(p.t, "the first release", p.does(0, script, "deploy", "v1"), "workflow/hello created", "secret/HELLO_TOKEN created")
	contains(p.t, "a plan without a change", p.does(0, script, "plan"), "### Paragon plan: no changes")

	p.edit("workflows/hello.yaml", "Hello, ", "Welcome, ")
	contains(p.t, "a test that fails", p.does(1, script, "check"), "✗ hello/greets by name", "Welcome, Ada!")
	p.edit("tests/hello.yaml", "Hello, ", "Welcome, ")
	p.does(0, script, "check")
	p.does(0, "rm", "secrets/hello-token.yaml")
	p.does(0, script, "plan", "plan.md")
	text, err := os.ReadFile(filepath.Join(p.repo, "plan.md"))
	if err != nil {
		p.t.Fatal(err)
	}
	contains(p.t, "plan.md", string(text), "1 to change, 1 to delete", "Welcome, ", "<details open><summary><code>secret/HELLO_TOKEN</code> would be deleted")
	p.does(0, "cp", "workflows/hello.yaml", "secrets/second.yaml")
	p.edit("secrets/second.yaml", "name: hello", "name: second")
	contains(p.t, "the second release", p.does(0, script, "deploy", "v2"), "workflow/hello configured", "workflow/second created", "secret/HELLO_TOKEN deleted")
	contains(p.t, "a run", p.does(0, "paragonctl", "trigger", "hello", "--input", `{"name": "Ada"}`, "--wait"), "Welcome, Ada!")

	p.edit("workflows/hello.yaml", "respond:", "respnd:")
	p.does(6, script, "check")
	p.does(6, script, "plan")
	p.does(6, script, "deploy", "v3")
	p.does(2, script, "deploy")
	p.does(2, script)
	p.edit("workflows/hello.yaml", "respnd:", "respond:")
	contains(p.t, "what a broken release left", p.does(0, script, "plan"), "### Paragon plan: no changes")
	contains(p.t, "the releases", p.does(0, "paragonctl", "release", "list", "-o", "name"), "v1", "v2")
}

// action runs the script of the composite action, as a runner of GitHub would.
func action(p *pipeline) {
	text, err := os.ReadFile("../../.github/actions/paragon/action.yml")
	if err != nil {
		p.t.Fatal(err)
	}
	var a struct {
		Runs struct{ Steps []struct{ Name, Run string } }
	}
	if err := yaml.Unmarshal(text, &a); err != nil || len(a.Runs.Steps) == 0 {
		p.t.Fatalf("%v", err)
	}
	script := a.Runs.Steps[len(a.Runs.Steps)-1].Run
	summary := filepath.Join(p.t.TempDir(), "summary.md")
	base := p.env
	defer func() { p.env = base }()
	run := func(code int, inputs ...string) string {
		p.t.Helper()
		p.env = append(append(base[:len(base):len(base)], "GITHUB_STEP_SUMMARY="+summary, "FILES=workflows secrets", "TESTS=tests nothing", "COVERAGE_MIN=100", "JUNIT=report.xml",
			"SET=action", "PLAN_FILE=plan.md", "RELEASE="), inputs...)
		return p.does(code, "bash", "-e", "-c", script)
	}
	run(0, "COMMAND=check")
	p.edit("tests/hello.yaml", "Welcome, Ada", "Goodbye, Ada")
	contains(p.t, "annotations of a test", run(1, "COMMAND=check"), "::error file=tests/hello.yaml,line=", "hello/greets by name: output: wanted greeting: Goodbye, Ada!")
	p.does(0, "grep", "-q", "<failure message", "report.xml")
	run(0, "COMMAND=check", "TESTS=")
	p.edit("workflows/hello.yaml", "name: hello", "name: from-action")
	run(0, "COMMAND=plan")
	run(2, "COMMAND=deploy")
	contains(p.t, "deploy", run(0, "COMMAND=deploy", "RELEASE=main-1"), "workflow/from-action created")
	p.edit("workflows/hello.yaml", "respond:", "respnd:")
	contains(p.t, "annotations", run(6, "COMMAND=check"), "::error file=workflows/hello.yaml,line=")
	run(2, "COMMAND=destroy")
	written, err := os.ReadFile(summary)
	if err != nil {
		p.t.Fatal(err)
	}
	contains(p.t, "the summary", string(written), "### Paragon plan: 1 to create", "### Applied: ", "`workflow/from-action` created, revision 1", "respnd")
}

// What lies here is what init writes, but for the schemas; and the files for other
// programs are YAML.
func TestTheseAreTheFilesOfInit(t *testing.T) {
	const scaffold = "../../cmd/paragonctl/manifest/scaffold"
	seen := 0
	err := filepath.WalkDir(scaffold, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		seen++
		want, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(scaffold, path)
		if err != nil {
			return err
		}
		if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what init writes (%v): copy it from %s", name, err, path)
		}
		if ext := filepath.Ext(path); ext == ".yml" || ext == ".yaml" {
			var any map[string]any
			if err := yaml.Unmarshal(want, &any); err != nil || len(any) < 3 {
				t.Errorf("%s: %v", name, err)
			}
		}
		return nil
	})
	if err != nil || seen < 5 {
		t.Fatalf("%d files, %v", seen, err)
	}
}
