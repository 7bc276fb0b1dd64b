package manifest

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/source"
	"paragon/schema"
)

// ValidateOptions are what `validate` takes.
type ValidateOptions struct {
	env    *command.Env
	source source.Flags
	format findingsFormat
	out    output.Flags
}

// NewValidate makes the validate command.
func NewValidate(env *command.Env) *cobra.Command {
	o := &ValidateOptions{env: env}
	cmd := &cobra.Command{
		Use:   "validate [FILE...]",
		Short: "Check documents offline",
		Long: `Check documents offline: fields, names, expressions, schedules and schemas, with
file, line and column. The exit code is 6 when something is wrong.`,
		Example: `  paragonctl validate -f workflows/ -R
  paragonctl validate --format github -f .`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.source.Paths = append(o.source.Paths, args...)
			if err := o.format.check(); err != nil {
				return err
			}
			if err := o.out.Check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	o.source.Register(cmd)
	o.format.register(cmd)
	o.out.Register(cmd)
	return cmd
}

// validation is the answer of validate for programs.
type validation struct {
	Valid     bool                `json:"valid"`
	Documents []string            `json:"documents"`
	Findings  []schema.Diagnostic `json:"findings"`
}

func (o *ValidateOptions) run(ctx context.Context) error {
	files, err := o.source.Read(o.env)
	if err != nil {
		return err
	}
	set := source.Check(files)
	if !o.out.ForPeople() {
		v := validation{Valid: set.Valid(), Documents: []string{}, Findings: set.Findings}
		for _, d := range set.Documents {
			v.Documents = append(v.Documents, d.Ref().String())
		}
		if v.Findings == nil {
			v.Findings = []schema.Diagnostic{}
		}
		if err := o.out.Print(ctx, o.env.Streams, output.View{Value: v, Names: v.Documents}); err != nil {
			return err
		}
		if !v.Valid {
			return &command.Quiet{Code: command.ExitInvalid}
		}
		return nil
	}
	if err := report(o.env, o.format, "paragonctl validate", set); err != nil {
		return fmt.Errorf("validate: %w", err)
	}
	_, err = fmt.Fprintf(o.env.Out, "%s in %s: valid\n", count(len(set.Documents), "document"), count(len(files), "file"))
	return err
}
