package main

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

//go:generate go test . -run TestConfigurePage -update

var update = flag.Bool("update", false, "write the tables of docs/configure.md anew")

const configurePage = "../../docs/configure.md"

// The table of docs/configure.md is what the commands are.
func TestConfigurePage(t *testing.T) {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "PARAGON_") {
			t.Setenv(name, "") // the defaults are those of an empty environment
		}
	}
	page, err := os.ReadFile(configurePage)
	if err != nil {
		t.Fatal(err)
	}
	between := regexp.MustCompile(`(?s)(<!-- made by: make generate -->\n).*?(<!-- end -->)`)
	if len(between.FindAll(page, -1)) != 1 {
		t.Fatal("docs/configure.md has no place for the table, or several")
	}
	made := between.ReplaceAllString(string(page), "${1}"+strings.ReplaceAll(settingsTable(), "$", "$$")+"${2}")
	if made == string(page) {
		return
	}
	if !*update {
		t.Fatal("docs/configure.md is not what the flags are now: run make generate")
	}
	if err := os.WriteFile(configurePage, []byte(made), 0o644); err != nil {
		t.Fatal(err)
	}
}

// setting is a row of the table: flags of the same name and meaning are one.
type setting struct {
	variable, otherwise, usage string
	commands                   []string
}

var named = regexp.MustCompile(`\bPARAGON_[A-Z_]+\b`)

func settingsTable() string {
	settings := map[string]*setting{}
	var order []string
	for _, cmd := range newRoot().Commands() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Name == "help" {
				return
			}
			usage := strings.TrimSpace(regexp.MustCompile(`\s*\(PARAGON_[A-Z_]+\)`).ReplaceAllString(f.Usage, ""))
			key := f.Name + "\x00" + usage
			if settings[key] == nil {
				settings[key] = &setting{variable: variableOf(f), otherwise: defaultOf(f), usage: usage}
				order = append(order, key)
			}
			settings[key].commands = append(settings[key].commands, commandName(cmd))
		})
	}
	slices.Sort(order)
	var b strings.Builder
	b.WriteString("| flag | variable | default | of | |\n|---|---|---|---|---|\n")
	for _, key := range order {
		name, _, _ := strings.Cut(key, "\x00")
		s := settings[key]
		slices.Sort(s.commands)
		fmt.Fprintf(&b, "| `--%s` | %s | %s | %s | %s |\n", name, s.variable, s.otherwise,
			strings.Join(s.commands, ", "), strings.ReplaceAll(s.usage, "|", "\\|"))
	}
	return b.String()
}

func commandName(cmd *cobra.Command) string { return "`" + cmd.Name() + "`" }

// variableOf are the variables that a flag's usage names.
func variableOf(f *pflag.Flag) string {
	names := named.FindAllString(f.Usage, -1)
	for i, n := range names {
		names[i] = "`" + n + "`"
	}
	return strings.Join(names, ", ")
}

func defaultOf(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "[]":
		return ""
	}
	return "`" + f.DefValue + "`"
}

// Every flag that has a variable takes its value from there.
func TestVariablesAreTaken(t *testing.T) {
	for _, cmd := range newRoot().Commands() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			m := regexp.MustCompile(`\((PARAGON_[A-Z_]+)\)`).FindStringSubmatch(f.Usage)
			if m == nil {
				return
			}
			t.Setenv(m[1], "from-the-environment")
			for _, again := range newRoot().Commands() {
				if again.Name() == cmd.Name() && again.Flags().Lookup(f.Name).Value.String() != "from-the-environment" {
					t.Errorf("%s --%s does not take %s", cmd.Name(), f.Name, m[1])
				}
			}
			t.Setenv(m[1], "")
		})
	}
}

// Every variable that the programs read is on the page.
func TestVariablesAreDescribed(t *testing.T) {
	page, err := os.ReadFile(configurePage)
	if err != nil {
		t.Fatal(err)
	}
	read := regexp.MustCompile(`"(PARAGON(?:CTL)?_[A-Z_]+)"`)
	found := 0
	for _, room := range []string{"..", "../../engine/seal", "../../schema/api"} {
		err := filepath.WalkDir(room, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range read.FindAllSubmatch(text, -1) {
				found++
				if !strings.Contains(string(page), "`"+string(m[1])+"`") {
					t.Errorf("%s reads %s, which docs/configure.md does not name", path, m[1])
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 10 {
		t.Errorf("only %d variables were found: are they read otherwise now?", found)
	}
}

// What the environment holds is in no help, and a password of an address in no
// complaint about it.
func TestPasswordsAreNotShown(t *testing.T) {
	t.Setenv("PARAGON_MASTER_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	set := func(variables map[string]string) {
		for name, value := range variables {
			t.Setenv(name, value)
		}
	}
	set(map[string]string{
		"PARAGON_SMTP": "smtp://user:hunter2@mail", "PARAGON_POSTGRES": "host=db user=paragon password=hunter2",
		"PARAGON_REDIS": "redis://:hunter2@a:1,redis://:hunter2@b:1", "PARAGON_OTLP_ENDPOINT": "https://user:hunter2@collector",
	})
	for _, cmd := range newRoot().Commands() {
		out, code := runCommand(t, t.Context(), cmd.Name(), "--help")
		if code != 0 || strings.Contains(out, "hunter2") {
			t.Errorf("%s --help: exit %d and\n%s", cmd.Name(), code, out)
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if m := byVariable.FindStringSubmatch(f.Usage); m != nil && os.Getenv(m[1]) != "" && !strings.Contains(out, `(default "$`+m[1]+`")`) {
				t.Errorf("%s --help does not say that --%s has what %s holds", cmd.Name(), f.Name, m[1])
			}
		})
	}
	for _, variables := range []map[string]string{
		{"PARAGON_REDIS": "redis://:hunter2@cache:port"}, {"PARAGON_REDIS": "redis://:hunter2@cache/none"}, {"PARAGON_REDIS": "http://:hunter2@cache"},
		{"PARAGON_REDIS": "redis://:hunter2@127.0.0.1:1"},
		{"PARAGON_REDIS": "redis://127.0.0.1:1", "PARAGON_POSTGRES": "postgres://paragon:hunter2@db:port/x"},
		{"PARAGON_REDIS": "redis://127.0.0.1:1", "PARAGON_POSTGRES": "postgres://paragon:hunter2@127.0.0.1:1/x?connect_timeout=2"},
		{"PARAGON_SMTP": "smtp://user:hunter2@mail:port"}, {"PARAGON_SMTP": "http://user:hunter2@mail"},
		{"PARAGON_SMTP": "", "PARAGON_OTLP_ENDPOINT": "ftp://user:hunter2@collector"},
		{"PARAGON_OTLP_ENDPOINT": "", "PARAGON_PAYLOADS": "s3://key:hunter2@bucket"}, {"PARAGON_PAYLOADS": "s3://key:hunter2@bucket:port"},
	} {
		set(variables)
		for _, args := range [][]string{{"serve", "--listen", "127.0.0.1:0"}, {"doctor", "--listen", "127.0.0.1:0"}, {"migrate"}, {"bootstrap"}} {
			if out, code := runCommand(t, t.Context(), args...); code == 0 || strings.Contains(out, "hunter2") {
				t.Errorf("%v: %v: exit %d, %q", variables, args, code, out)
			}
		}
	}
}
