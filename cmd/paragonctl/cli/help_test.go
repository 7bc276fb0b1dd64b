package cli_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/cli"
	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/terminal"
)

// newRoot makes the commands as they are in an empty environment.
func newRoot() *cobra.Command {
	return cli.New(&command.Env{Streams: &terminal.Streams{}, Getenv: func(string) string { return "" }})
}

func visit(cmd *cobra.Command, do func(*cobra.Command)) {
	do(cmd)
	for _, child := range cmd.Commands() {
		visit(child, do)
	}
}

// Every command says what it does, and shows how it is called.
func TestEveryCommandIsExplained(t *testing.T) {
	seen := 0
	visit(newRoot(), func(cmd *cobra.Command) {
		seen++
		path := cmd.CommandPath()
		if short := cmd.Short; short == "" || strings.HasSuffix(short, ".") || len(short) > 80 {
			t.Errorf("%s: its line in the help is %q: a line of at most 80 characters without a stop is wanted", path, short)
		}
		if cmd.HasSubCommands() && cmd.HasParent() {
			return
		}
		if cmd.Example == "" {
			t.Errorf("%s: the help has no example", path)
		}
		shown := false
		for line := range strings.Lines(cmd.Example) {
			line = strings.TrimRight(line, "\n")
			if !strings.HasPrefix(line, "  ") {
				t.Errorf("%s: the example %q is not indented by two spaces", path, line)
			}
			shown = shown || strings.Contains(line, path)
		}
		if !shown {
			t.Errorf("%s: no example calls it", path)
		}
	})
	if seen < 40 {
		t.Errorf("only %d commands were seen", seen)
	}
}

// Every example can be parsed: its commands and flags are there.
func TestExamplesOfTheHelpParse(t *testing.T) {
	visit(newRoot(), func(cmd *cobra.Command) {
		for line := range strings.Lines(cmd.Example) {
			for _, part := range strings.FieldsFunc(line, func(r rune) bool { return r == '|' || r == '>' || r == '(' || r == ')' }) {
				_, call, found := strings.Cut(" "+part, " paragonctl ")
				if !found {
					continue
				}
				words := strings.Fields(call)
				target, rest, err := newRoot().Find(words)
				if err != nil || !target.Runnable() || target.HasSubCommands() {
					t.Errorf("%s: %q calls a command that is not there (%v)", cmd.CommandPath(), part, err)
					continue
				}
				for _, word := range rest {
					name, isFlag := strings.CutPrefix(word, "--")
					if name, _, _ = strings.Cut(name, "="); isFlag && target.Flag(name) == nil {
						t.Errorf("%s: %q has a flag --%s that is not there", cmd.CommandPath(), part, name)
					}
				}
			}
		}
	})
}

// What asks must be answerable without a person.
func TestWhatAsksTakesYes(t *testing.T) {
	for _, words := range []string{"apply", "edit", "delete", "rollback", "secret delete", "key delete"} {
		cmd, _, err := newRoot().Find(strings.Fields(words))
		if err != nil || cmd.Flags().Lookup("yes") == nil {
			t.Errorf("%s has no --yes (%v)", words, err)
		}
	}
}

// What has no -o, and why.
var withoutOutput = map[string]string{
	"paragonctl audit export": "it prints JSON lines",
	"paragonctl auth accept":  "it talks with a person; auth status says who is logged in",
	"paragonctl auth login":   "it talks with a person; auth status says who is logged in",
	"paragonctl auth logout":  "there is nothing to say of it",
	"paragonctl completion":   "it prints a script",
	"paragonctl dash":         "it is a screen",
	"paragonctl fmt":          "it prints the names of files, one a line",
	"paragonctl init":         "it prints the names of files, one a line",
	"paragonctl runs watch":   "it is a screen; runs logs has the data",
	"paragonctl schema print": "it prints a schema",
}

// Every other command answers in all forms.
func TestEveryCommandHasOutputForms(t *testing.T) {
	visit(newRoot(), func(cmd *cobra.Command) {
		path := cmd.CommandPath()
		if cmd.HasSubCommands() || cmd.Name() == "help" {
			return
		}
		o := cmd.Flags().Lookup("output")
		if (o == nil) != (withoutOutput[path] != "") {
			t.Errorf("%s: -o is there: %v; the reason to have none: %q", path, o != nil, withoutOutput[path])
		}
		for _, name := range []string{"jq", "template"} {
			if (cmd.Flags().Lookup(name) == nil) != (o == nil) {
				t.Errorf("%s has one of -o and --%s without the other", path, name)
			}
		}
	})
}

// Every command is run by a script in a pipe, and by one on a terminal.
func TestEveryCommandHasScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var lines []string
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.Split(string(text), "\n")...)
	}
	pipe := regexp.MustCompile(`^(?:!|\?)? ?(?:stdin \S+ )?(?:exec paragonctl|exits \d+) `)
	terminal := regexp.MustCompile(`^pty \d+ (?:<\S+ )?`)
	visit(newRoot(), func(cmd *cobra.Command) {
		if cmd.HasSubCommands() || cmd.Name() == "help" {
			return
		}
		words := strings.TrimPrefix(cmd.CommandPath(), "paragonctl ")
		for what, start := range map[string]*regexp.Regexp{"a pipe": pipe, "a terminal": terminal} {
			call := regexp.MustCompile(start.String() + regexp.QuoteMeta(words) + `( |$)`)
			if !slices.ContainsFunc(lines, call.MatchString) {
				t.Errorf("no script calls %s in %s", cmd.CommandPath(), what)
			}
		}
	})
}
