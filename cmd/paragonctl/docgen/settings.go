package main

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"paragon/schema/api/contexts"
)

// manyCommands is from how many commands on a flag's row counts them.
const manyCommands = 5

// setting is a row of docs/configure.md: flags of the same name and meaning are
// one.
type setting struct {
	short, otherwise, usage string
	commands                []string
}

var named = regexp.MustCompile(`\bPARAGON(?:CTL)?_[A-Z_]+\b`)

// flagTable lists the flags of all commands.
func flagTable(root *cobra.Command) (string, error) {
	settings := map[string]*setting{}
	var order []string
	take := func(f *pflag.Flag, of string) {
		if f.Name == "help" || f.Hidden {
			return
		}
		key := f.Name + "\x00" + f.Usage
		if settings[key] == nil {
			settings[key] = &setting{short: f.Shorthand, otherwise: f.DefValue, usage: f.Usage}
			order = append(order, key)
		}
		settings[key].commands = append(settings[key].commands, of)
	}
	root.PersistentFlags().VisitAll(func(f *pflag.Flag) { take(f, "all") })
	err := walk(root, func(cmd *cobra.Command) error {
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			take(f, "`"+strings.TrimPrefix(cmd.CommandPath(), root.Name()+" ")+"`")
		})
		return nil
	})
	slices.Sort(order)
	var b strings.Builder
	b.WriteString("| flag | variable | default | of | |\n|---|---|---|---|---|\n")
	for _, key := range order {
		name, _, _ := strings.Cut(key, "\x00")
		s := settings[key]
		flag := "`--" + name + "`"
		if s.short != "" {
			flag += ", `-" + s.short + "`"
		}
		var variables []string
		for _, v := range named.FindAllString(s.usage, -1) {
			variables = append(variables, "`"+v+"`")
		}
		otherwise := ""
		if s.otherwise != "" && s.otherwise != "[]" {
			otherwise = "`" + s.otherwise + "`"
		}
		of := strings.Join(s.commands, ", ")
		if len(s.commands) > manyCommands {
			of = fmt.Sprintf("%d commands", len(s.commands))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", flag, strings.Join(variables, ", "), otherwise, of, cell(s.usage))
	}
	return b.String(), err
}

// keys says what the keys of the file of contexts are for.
var keys = map[string]string{
	"current":               "the name of the context in use",
	"contexts.NAME.server":  "the API's URL",
	"contexts.NAME.project": "the project; `default` without it",
	"contexts.NAME.token":   "the key's token",
}

// fileTable lists the keys of the file of contexts.
func fileTable() (string, error) {
	var b strings.Builder
	b.WriteString("| key | |\n|---|---|\n")
	written := 0
	var list func(of reflect.Type, before string) error
	list = func(of reflect.Type, before string) error {
		for f := range fields(of) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if f.Type.Kind() == reflect.Map {
				if err := list(f.Type.Elem(), before+name+".NAME."); err != nil {
					return err
				}
				continue
			}
			what, ok := keys[before+name]
			if !ok {
				return fmt.Errorf("cmd/paragonctl/docgen does not say what %s%s of the file of contexts is", before, name)
			}
			written++
			fmt.Fprintf(&b, "| `%s%s` | %s |\n", before, name, what)
		}
		return nil
	}
	if err := list(reflect.TypeFor[contexts.File](), ""); err != nil {
		return "", err
	}
	if written != len(keys) {
		return "", fmt.Errorf("the file of contexts has %d keys, cmd/paragonctl/docgen knows %d", written, len(keys))
	}
	return b.String(), nil
}

func fields(of reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range of.NumField() {
			if !yield(of.Field(i)) {
				return
			}
		}
	}
}

// configure fills the tables of docs/configure.md that are of paragonctl.
func configure(page string, root *cobra.Command) (string, error) {
	flags, err := flagTable(root)
	if err != nil {
		return "", err
	}
	file, err := fileTable()
	if err != nil {
		return "", err
	}
	for mark, table := range map[string]string{"flags of paragonctl": flags, "the file of contexts": file} {
		begin := "<!-- made by: make generate, " + mark + " -->\n"
		before, rest, ok := strings.Cut(page, begin)
		_, after, ended := strings.Cut(rest, "<!-- end -->")
		if !ok || !ended {
			return "", fmt.Errorf("docs/configure.md has no place for %s", mark)
		}
		page = before + begin + table + "<!-- end -->" + after
	}
	return page, nil
}

// cell makes a text fit for a cell of a table.
func cell(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}
