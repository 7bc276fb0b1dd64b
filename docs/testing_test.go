package docs_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	fileLine = regexp.MustCompile(`^# file: (\S+)\n`)
	exitLine = regexp.MustCompile(` # exit (\d+)$`)
)

// What testing.md shows is run as it stands there: its files are written, its
// command lines end as they say, and what it shows of an output is in it.
func TestTestingRuns(t *testing.T) {
	text, err := os.ReadFile("testing.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	bin := filepath.Join(t.TempDir(), "paragonctl")
	if out, err := exec.Command("go", "build", "-o", bin, "paragon/cmd/paragonctl").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	var output string
	ran, compared := 0, 0
	for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
		language, block := m[1], m[2]
		switch language {
		case "yaml":
			name := fileLine.FindStringSubmatch(block)
			if name == nil {
				t.Errorf("a block does not say its file:\n%s", block)
				continue
			}
			path := filepath.Join(dir, filepath.FromSlash(name[1]))
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(block), 0o666); err != nil {
				t.Fatal(err)
			}
		case "sh":
			for line := range strings.Lines(block) {
				ran++
				output = paragonctl(t, bin, dir, strings.TrimSpace(line))
			}
		case "text":
			compared++
			if !strings.Contains(output, block) {
				t.Errorf("the page shows\n%s\nbut the command says\n%s", block, output)
			}
		}
	}
	if ran < 5 || compared < 1 {
		t.Errorf("%d lines ran, %d outputs were compared", ran, compared)
	}
}

// paragonctl runs a command line and wants the exit code that it says.
func paragonctl(t *testing.T, bin, dir, line string) string {
	t.Helper()
	want := "0"
	if m := exitLine.FindStringSubmatch(line); m != nil {
		want = m[1]
	}
	cmd := exec.Command("sh", "-c", strings.Replace(line, "paragonctl", bin, 1))
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	got := "0"
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = strings.TrimPrefix(exit.String(), "exit status ")
	} else if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("%s ended with %s, want %s\n%s", line, got, want, out)
	}
	return string(out)
}
