// Package deploy_test checks the files with which Paragon is installed against
// the program that they start.
package deploy_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

var files = []string{"Dockerfile", "compose.yaml", "systemd/paragond.service", "systemd/paragond@.service", "helm/paragon/templates/deployment.yaml"}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The files set variables and start commands that paragond has.
func TestFilesNameWhatParagondKnows(t *testing.T) {
	bin := t.TempDir() + "/paragond"
	if out, err := exec.Command("go", "build", "-o", bin, "../cmd/paragond").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	help := func(args ...string) string {
		out, err := exec.Command(bin, append(args, "--help")...).CombinedOutput()
		if err != nil {
			t.Fatalf("paragond %v --help: %v", args, err)
		}
		return string(out)
	}
	serve := help("serve")
	variable := regexp.MustCompile(`\bPARAGON_[A-Z_]+\b`)
	for _, file := range files {
		for _, name := range variable.FindAllString(read(t, file), -1) {
			if !strings.Contains(serve, name) {
				t.Errorf("%s sets %s, which `paragond serve` does not know", file, name)
			}
		}
	}
	for _, flag := range regexp.MustCompile(`(?m)^ +- (--[a-z-]+)`).FindAllStringSubmatch(read(t, "helm/paragon/templates/deployment.yaml"), -1) {
		if !strings.Contains(serve, flag[1]+" ") {
			t.Errorf("the chart gives %s, which `paragond serve` does not know", flag[1])
		}
	}
	for name, s := range load(t).Services {
		if len(s.Command) == 0 || !strings.HasPrefix(s.Image, "paragon:") {
			continue
		}
		text := help(s.Command[0])
		if !strings.Contains(text, "paragond "+s.Command[0]) {
			t.Errorf("compose.yaml: service %s starts `paragond %s`, which does not exist", name, s.Command[0])
		}
		for _, flag := range s.Command[1:] {
			if !strings.Contains(text, flag) {
				t.Errorf("compose.yaml: service %s gives %s, which `paragond %s` does not know", name, flag, s.Command[0])
			}
		}
	}
}

type compose struct {
	Services map[string]struct {
		Image       string   `yaml:"image"`
		Command     []string `yaml:"command"`
		ReadOnly    bool     `yaml:"read_only"`
		CapDrop     []string `yaml:"cap_drop"`
		StopGrace   string   `yaml:"stop_grace_period"`
		Environment map[string]string
		Volumes     []string
		DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	}
}

func load(t *testing.T) compose {
	t.Helper()
	var c compose
	if err := yaml.Unmarshal([]byte(read(t, "compose.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// Mail and object storage can be set in .env, and the directory that large values
// go to without it is a volume, which the image has for its user.
func TestComposeHasMailAndPayloads(t *testing.T) {
	s := load(t).Services["paragond"]
	const dir = "/var/lib/paragon/payloads"
	for name, want := range map[string]string{
		"PARAGON_SMTP": "${PARAGON_SMTP:-}", "PARAGON_SMTP_FROM": "${PARAGON_SMTP_FROM:-}", "PARAGON_PAYLOADS": "${PARAGON_PAYLOADS:-dir:" + dir + "}",
		"AWS_ACCESS_KEY_ID": "${AWS_ACCESS_KEY_ID:-}", "AWS_SECRET_ACCESS_KEY": "${AWS_SECRET_ACCESS_KEY:-}",
	} {
		if got := s.Environment[name]; got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if !slices.Contains(s.Volumes, "payloads:"+dir) || !strings.Contains(read(t, "Dockerfile"), "--chown=65532:65532 /payloads "+dir) {
		t.Errorf("the directory of large values is no volume, or not the user's: %v", s.Volumes)
	}
}

func TestComposeKeepsJobsAndDropsRights(t *testing.T) {
	c := load(t)
	redis := strings.Join(c.Services["redis"].Command, " ")
	for _, setting := range []string{"--appendonly yes", "--appendfsync everysec", "--maxmemory-policy noeviction", "--hash-max-listpack-value 1024"} {
		if !strings.Contains(redis, setting) {
			t.Errorf("redis is started without %s: %s", setting, redis)
		}
	}
	for _, name := range []string{"migrate", "paragond", "bootstrap"} {
		s := c.Services[name]
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || s.StopGrace != "45s" {
			t.Errorf("%s: read_only %v, cap_drop %v, stop_grace_period %s", name, s.ReadOnly, s.CapDrop, s.StopGrace)
		}
	}
	if got := c.Services["paragond"].DependsOn["migrate"].Condition; got != "service_completed_successfully" {
		t.Errorf("paragond waits for migrate: %q", got)
	}
}

// The file of variables that docs/install.md makes is read by systemd and by a
// shell, which has its own mind about spaces and <.
func TestVariablesOfInstallPage(t *testing.T) {
	_, rest, found := strings.Cut(read(t, "../docs/install.md"), "paragond.env <<'END'\n")
	text, _, ended := strings.Cut(rest, "END\n")
	if !found || !ended {
		t.Fatal("docs/install.md makes no file of variables")
	}
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/paragond.env", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sh := exec.Command("sh", "-c", "set -ea; . ./paragond.env; env")
	sh.Dir, sh.Env = dir, []string{"PATH=" + os.Getenv("PATH")}
	out, err := sh.CombinedOutput()
	if err != nil {
		t.Fatalf("sh reads it: %v\n%s", err, out)
	}
	for line := range strings.Lines(text) {
		if unquoted := strings.ReplaceAll(line, `"`, ""); !strings.Contains(string(out), unquoted) {
			t.Errorf("a shell does not take %s: %s", line, out)
		}
	}
}

// Both units run the daemon with the same rights, which are few, and give it
// the time that a shutdown takes.
func TestUnitsAreHardened(t *testing.T) {
	settings := func(path string) []string {
		var out []string
		for line := range strings.Lines(read(t, path)) {
			line = strings.TrimSpace(line)
			if key, _, ok := strings.Cut(line, "="); ok && line[0] != '#' &&
				!slices.Contains([]string{"Description", "ExecStart", "EnvironmentFile"}, key) {
				out = append(out, line)
			}
		}
		return out
	}
	all, one := settings(files[2]), settings(files[3])
	if !slices.Equal(all, one) {
		t.Errorf("the units differ:\n%v\n%v", all, one)
	}
	for _, want := range []string{"DynamicUser=yes", "User=paragon", "StateDirectory=paragon", "NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=",
		"SystemCallFilter=@system-service", "MemoryDenyWriteExecute=yes", "TimeoutStopSec=45"} {
		if !slices.Contains(all, want) {
			t.Errorf("the units lack %s", want)
		}
	}
}
