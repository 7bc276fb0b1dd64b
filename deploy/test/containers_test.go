package test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// load reads the compose file with an .env of those variables.
func load(t *testing.T, env ...string) (*types.Project, error) {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"../compose.yaml"}, cli.WithEnv(env), cli.WithProfiles([]string{"setup"}), cli.WithResolvedPaths(true))
	if err != nil {
		t.Fatal(err)
	}
	return options.LoadProject(t.Context())
}

var secrets = []string{"POSTGRES_PASSWORD=p4ss", "PARAGON_MASTER_KEY=a2V5"}

func TestCompose(t *testing.T) {
	p, err := load(t, secrets...)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(slices.Sorted(maps.Keys(p.Services)), " "); got != "bootstrap migrate paragond postgres redis" {
		t.Errorf("services: %s", got)
	}
	of := func(service, name string) string {
		if v := p.Services[service].Environment[name]; v != nil {
			return *v
		}
		return ""
	}
	for _, service := range []string{"migrate", "paragond", "bootstrap"} {
		if got := of(service, "PARAGON_POSTGRES"); got != "postgres://paragon:p4ss@postgres:5432/paragon" {
			t.Errorf("%s: Postgres is at %q", service, got)
		}
		if of(service, "PARAGON_MASTER_KEY") != "a2V5" {
			t.Errorf("%s has no master key", service)
		}
	}
	if got := of("paragond", "PARAGON_PAYLOADS"); got != "dir:/var/lib/paragon/payloads" {
		t.Errorf("large values are at %q", got)
	}
	if v := p.Services["paragond"].Volumes; len(v) != 1 || v[0].Type != "volume" || v[0].Target != "/var/lib/paragon/payloads" {
		t.Errorf("paragond's volumes: %+v", v)
	}
	if p.Services["paragond"].Ports[0].HostIP != "127.0.0.1" {
		t.Errorf("the API is open to the network: %+v", p.Services["paragond"].Ports)
	}
	build := p.Services["migrate"].Build
	if _, err := os.Stat(filepath.Join(build.Context, build.Dockerfile)); err != nil {
		t.Errorf("the image is built from %+v: %v", build, err)
	}
}

// What is written to .env arrives, and what must be there is asked for.
func TestComposeEnvironment(t *testing.T) {
	p, err := load(t, append(secrets, "PARAGON_SMTP=smtp://mail", "PARAGON_PAYLOADS=s3://bucket", "IMAGE_TAG=v1.2.3")...)
	if err != nil {
		t.Fatal(err)
	}
	if s := p.Services["migrate"]; s.Image != "paragon:v1.2.3" || *s.Build.Args["VERSION"] != "v1.2.3" {
		t.Errorf("the image %s is built as version %v", s.Image, s.Build.Args)
	}
	e := p.Services["paragond"].Environment
	if *e["PARAGON_SMTP"] != "smtp://mail" || *e["PARAGON_PAYLOADS"] != "s3://bucket" {
		t.Errorf("the environment: %v", e)
	}
	for i, name := range []string{"POSTGRES_PASSWORD", "PARAGON_MASTER_KEY"} {
		if _, err := load(t, secrets[1-i]); err == nil || !strings.Contains(err.Error(), "write it to .env") {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

// What is secret, and what is large, is not sent to the builder.
func TestDockerignore(t *testing.T) {
	f, err := os.Open("../../.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	patterns, err := ignorefile.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	m, err := patternmatcher.New(patterns)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		".paragon/master.key": true, "deploy/.env": true, ".git/HEAD": true, "bin/paragond": true, "examples/ci/.paragon/dev.token": true,
		"go.mod": false, "Makefile": false, "cmd/paragond/main.go": false, "schema/migrations/postgres/0031_payloads.sql": false, "deploy/Dockerfile": false,
	} {
		if got, err := m.MatchesOrParentMatches(path); err != nil || got != want {
			t.Errorf("%s is left out: %v, %v; want %v", path, got, err, want)
		}
	}
}

// The Dockerfile has no instruction that BuildKit would refuse or warn of, and
// its last stage is the programs, for a user that is not root.
func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range file.Warnings {
		t.Errorf("%s (%+v)", w.Short, w.Location)
	}
	lint := linter.New(&linter.Config{Warn: func(rule, _, _, message string, at []parser.Range) { t.Errorf("%s: %s (%+v)", rule, message, at) }})
	stages, _, err := instructions.Parse(file.AST, lint)
	if err != nil {
		t.Fatal(err)
	}
	if len(stages) != 2 || stages[0].Name != "build" {
		t.Fatalf("stages: %+v", stages)
	}
	found := map[string]bool{}
	for _, command := range stages[1].Commands {
		switch c := command.(type) {
		case *instructions.CopyCommand:
			if c.From != "build" {
				t.Errorf("%s: there is no stage %q", c, c.From)
			}
			found[c.DestPath] = true
		case *instructions.UserCommand:
			found[c.User] = true
		case *instructions.EntrypointCommand:
			found[strings.Join(c.CmdLine, " ")] = !c.PrependShell
		case *instructions.RunCommand:
			t.Errorf("%s: the base has no shell", c)
		}
	}
	for _, want := range []string{"/usr/local/bin/", "65532:65532", "paragond"} {
		if !found[want] {
			t.Errorf("the image has no %s: %v", want, found)
		}
	}
}
