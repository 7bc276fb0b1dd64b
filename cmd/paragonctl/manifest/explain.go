package manifest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
)

// ExplainOptions are what `explain` takes.
type ExplainOptions struct {
	env  *command.Env
	path string
	out  output.Flags
}

// NewExplain makes the explain command.
func NewExplain(env *command.Env) *cobra.Command {
	o := &ExplainOptions{env: env}
	cmd := &cobra.Command{
		Use:   "explain KIND[.FIELD...]",
		Short: "Tell what a field of a document is for",
		Example: `  paragonctl explain workflow
  paragonctl explain workflow.spec.steps.request`,
		Args:              command.Args(1, 1, "a kind, or a field like workflow.spec.steps"),
		ValidArgsFunction: completePath,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.path = args[0]
			if err := o.out.Check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	o.out.Register(cmd)
	return cmd
}

func (o *ExplainOptions) run(ctx context.Context) error {
	e, err := schema.Explain(o.path)
	if err != nil {
		return &command.Failure{Code: command.ExitNotFound, Err: fmt.Errorf("explain: %w", err), Try: "`paragonctl explain workflow.spec` lists the fields there"}
	}
	var names []string
	for _, f := range e.Fields {
		names = append(names, f.Name)
	}
	return o.out.Print(ctx, o.env.Streams, output.View{Value: e, Names: names, Text: func(w io.Writer, style terminal.Style) error {
		width := 80
		if o.env.OutTTY {
			width, _ = o.env.Size()
		}
		_, err := io.WriteString(w, explanation(style, e, width))
		return err
	}})
}

func explanation(style terminal.Style, e *schema.Explanation, width int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s%s\n", style.Bold(e.Path), style.Dim(e.Type), required(style, e.Required))
	for _, text := range []string{e.Doc, e.TypeDoc} {
		b.WriteString(paragraph(text, "  ", width))
	}
	if len(e.Values) > 0 {
		b.WriteString(paragraph("One of "+strings.Join(e.Values, ", ")+".", "  ", width))
	}
	for _, f := range e.Fields {
		fmt.Fprintf(&b, "\n  %s  %s%s\n", style.Bold(f.Name), style.Dim(f.Type), required(style, f.Required))
		b.WriteString(paragraph(f.Doc, "    ", width))
		if len(f.Values) > 0 {
			b.WriteString(paragraph("One of "+strings.Join(f.Values, ", ")+".", "    ", width))
		}
	}
	return b.String()
}

func required(style terminal.Style, yes bool) string {
	if !yes {
		return ""
	}
	return "  " + style.Notice("required")
}

// paragraph breaks a text into lines of a width.
func paragraph(text, indent string, width int) string {
	var b strings.Builder
	line := indent
	for _, word := range strings.Fields(text) {
		if line != indent && terminal.Width(line)+1+terminal.Width(word) > width {
			b.WriteString(line + "\n")
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	if line != indent {
		b.WriteString(line + "\n")
	}
	return b.String()
}

// completePath completes a path by its next field.
func completePath(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	at := strings.LastIndexByte(typed, '.')
	var out []cobra.Completion
	if at < 0 {
		for _, kind := range schema.DocumentKinds {
			out = append(out, kind.Singular())
		}
		return out, directive
	}
	e, err := schema.Explain(typed[:at])
	if err != nil {
		return nil, directive
	}
	for _, f := range e.Fields {
		out = append(out, typed[:at+1]+f.Name)
	}
	return out, directive
}

// NewSchema makes the schema group.
func NewSchema(env *command.Env) *cobra.Command {
	print := &cobra.Command{
		Use:   "print [KIND]",
		Short: "Print the JSON Schema of a kind, for editors",
		Long: `Print the JSON Schema (draft-07) of a kind's documents. An editor with a YAML
language server checks and completes by it after a first line like

  # yaml-language-server: $schema=workflow.json`,
		Example: `  paragonctl schema print workflow > workflow.json`,
		Args:    command.Args(0, 1, "a kind"),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return completePath(nil, nil, "")
		},
		RunE: func(_ *cobra.Command, args []string) error {
			kind := schema.KindWorkflow
			if len(args) > 0 {
				kind = ""
				for _, k := range schema.DocumentKinds {
					if word := strings.ToLower(args[0]); word == k.Singular() || word == k.Path() {
						kind = k
					}
				}
			}
			text, ok := schema.JSONSchema(kind)
			if !ok {
				return &command.Failure{Code: command.ExitUsage, Err: errors.New("schema print: there is no schema of " + args[0]), Try: "`paragonctl schema print workflow`, `paragonctl schema print secret`"}
			}
			_, err := env.Out.Write(text)
			return err
		},
	}
	return command.NewGroup("schema", "Print the schemas of documents", print)
}
