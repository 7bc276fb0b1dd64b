package output

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"github.com/itchyny/gojq"
	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
)

// The formats of -o. Text is what a person reads, a table where there are
// many things.
const (
	Table = "table"
	Wide  = "wide"
	JSON  = "json"
	JSONL = "jsonl"
	YAML  = "yaml"
	Name  = "name"
)

var formats = []string{Table, Wide, JSON, JSONL, YAML, Name}

// Flags are -o, --jq and --template of a command.
type Flags struct {
	Format   string
	JQ       string
	Template string

	jq   *gojq.Code
	tmpl *template.Template
}

// Register adds the flags to a command.
func (f *Flags) Register(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.Format, "output", "o", "", "output format: "+strings.Join(formats, "|"))
	cmd.Flags().StringVar(&f.JQ, "jq", "", "print what a jq expression makes of the JSON")
	cmd.Flags().StringVar(&f.Template, "template", "", "print what a Go template makes of the JSON")
	// The name is a constant, so registering can't fail.
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

// Check reads the flags. Its errors are usage errors. It is called before a
// command does anything, so that a mistake in an expression changes nothing.
func (f *Flags) Check() error {
	if f.Format != "" && !slices.Contains(formats, f.Format) {
		return command.Usage("-o %s: no such format; the formats are %s", f.Format, strings.Join(formats, ", "))
	}
	if f.JQ != "" && f.Template != "" {
		return command.Usage("--jq and --template exclude each other")
	}
	if (f.JQ != "" || f.Template != "") && f.Format != "" && f.Format != JSON {
		return command.Usage("--jq and --template work on -o json, not on -o %s", f.Format)
	}
	if f.JQ != "" {
		query, err := gojq.Parse(f.JQ)
		if err != nil {
			return command.Usage("--jq: %s", jqError(err))
		}
		// Neither the environment nor modules: an expression from elsewhere
		// reads nothing but its input.
		f.jq, err = gojq.Compile(query)
		if err != nil {
			return command.Usage("--jq: %s", jqError(err))
		}
	}
	if f.Template != "" {
		var err error
		f.tmpl, err = template.New("template").Option("missingkey=error").Funcs(functions).Parse(f.Template)
		if err != nil {
			return command.Usage("--template: %s", strings.TrimPrefix(err.Error(), "template: "))
		}
	}
	return nil
}

// ForPeople tells whether the output is read by a person: no format for
// programs was asked for.
func (f *Flags) ForPeople() bool {
	return f.jq == nil && f.tmpl == nil && (f.Format == "" || f.Format == Table || f.Format == Wide)
}

func jqError(err error) string {
	var parse *gojq.ParseError
	if errors.As(err, &parse) {
		return fmt.Sprintf("at character %d: %s", parse.Offset, err)
	}
	return err.Error()
}
