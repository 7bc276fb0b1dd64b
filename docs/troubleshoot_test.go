package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// named finds names in sources, by expressions with one group.
func named(t *testing.T, files []string, by ...string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range by {
			for _, m := range regexp.MustCompile(e).FindAllSubmatch(text, -1) {
				out[string(m[1])] = true
			}
		}
	}
	return out
}

// Every type of problem and every check of the doctors is in a table of
// troubleshoot.md, and every command there exists.
func TestTroubleshootIsComplete(t *testing.T) {
	text, err := os.ReadFile("troubleshoot.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| (`[^|]*) \\|").FindAllStringSubmatch(string(text), -1) {
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(m[1], -1) {
			rows[name[1]] = true
		}
	}
	problems := named(t, []string{"../schema/problem.go"}, `ProblemType = "([^"]+)"`)
	checks := named(t, []string{"../cmd/paragond/doctorchecks.go", "../cmd/paragonctl/cli/doctor.go"},
		`d\.(?:ok|failed|unknown)\("([a-z ]+)"`, `const name = "([a-z ]+)"`, `\{"(redis [a-z]+)", "`, `ClockCheck\("([a-z ]+)"`, `Name: "([a-z ]+)"`)
	if len(problems) < 15 || len(checks) < 17 {
		t.Fatalf("only %d types of problem and %d checks were found: %v %v", len(problems), len(checks), problems, checks)
	}
	for _, names := range []map[string]bool{problems, checks} {
		for name := range names {
			if !rows[name] {
				t.Errorf("troubleshoot.md does not say what to do about %s", name)
			}
		}
	}
	for name := range rows {
		if strings.HasPrefix(name, "/problems/") && !problems[name] {
			t.Errorf("troubleshoot.md has %s, which is no problem", name)
		}
	}
	for _, m := range regexp.MustCompile("`paragonctl ([a-z-]+)(?: ([a-z-]+))?").FindAllStringSubmatch(string(text), -1) {
		if _, err := os.Stat("cli/paragonctl_" + m[1] + ".md"); err != nil {
			t.Errorf("troubleshoot.md has `paragonctl %s`, which is no command", m[1])
			continue
		}
		if m[2] == "" {
			continue
		}
		page, err := os.ReadFile("cli/paragonctl_" + m[1] + ".md")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat("cli/paragonctl_" + m[1] + "_" + m[2] + ".md"); err != nil && strings.Contains(string(page), "paragonctl_"+m[1]+"_") {
			t.Errorf("troubleshoot.md has `paragonctl %s %s`, which is no command", m[1], m[2])
		}
	}
}

// Every type of error that a run can end with is in the table of language.md.
func TestErrorTypesAreDescribed(t *testing.T) {
	page, err := os.ReadFile("language.md")
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, top := range []string{"../workflows", "../engine"} {
		err := filepath.WalkDir(top, func(path string, _ fs.DirEntry, err error) error {
			if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	types := named(t, files, `RunError\{Type: "([a-zA-Z]+)"`)
	for name := range named(t, []string{"../workflows/exchange/errors.go"}, `Kind\w* +Kind = "(\w+)"`) {
		types[name] = true
	}
	if len(types) < 15 {
		t.Fatalf("only %v were found", types)
	}
	for name := range types {
		if !regexp.MustCompile("(?m)^\\| [^|]*`" + name + "`[^|]*\\|").Match(page) {
			t.Errorf("language.md does not say what the error type %s means", name)
		}
	}
}
