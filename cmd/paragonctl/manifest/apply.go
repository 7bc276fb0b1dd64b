package manifest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/plan"
	"paragon/cmd/paragonctl/internal/source"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/schema/api"
)

// ApplyOptions are what `apply` takes.
type ApplyOptions struct {
	env    *command.Env
	cmd    *cobra.Command
	source source.Flags
	format findingsFormat
	dryRun string
	prune  bool
	set    string
	yes    bool
	// release is recorded with commit, where it comes from.
	release, commit string
	out             output.Flags
}

// NewApply makes the apply command.
func NewApply(env *command.Env) *cobra.Command {
	o := &ApplyOptions{env: env}
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Bring the server to what documents say, all of it or nothing",
		Long: `Bring the server to what documents say, all of it or nothing. Every document is
checked before anything is written. The values of secrets with "valueFrom" are
read here, from the environment or from files beside the document.

--prune deletes what the same set applied before and does not hold any more. What
belongs together is named by --set, at each apply; the name of a directory would be
the same in two repositories.

--release records what is applied under a name, with who, when and --commit (else
GITHUB_SHA, CI_COMMIT_SHA); "release" lists, compares and rolls back.`,
		Example: `  paragonctl apply -f workflows/ -R
  paragonctl apply -f workflows/ --set shop --prune --dry-run=server
  paragonctl apply -f workflows/ --set shop --prune --yes --release v1.4.0
  cat lead-sync.yaml | paragonctl apply -f -`,
		Args: command.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.cmd = cmd
			if err := o.check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	o.source.Register(cmd)
	o.format.register(cmd)
	f := cmd.Flags()
	f.StringVar(&o.dryRun, "dry-run", "none", "stop before writing: none, client (check here), server (the server's plan)")
	f.Lookup("dry-run").NoOptDefVal = "client"
	f.BoolVar(&o.prune, "prune", false, "delete what the same set applied before and does not hold any more")
	f.StringVar(&o.set, "set", "", "name of what is applied together")
	f.BoolVar(&o.yes, "yes", false, "don't ask before deleting")
	f.StringVar(&o.release, "release", "", "record what is applied under this name")
	f.StringVar(&o.commit, "commit", "", "where the release comes from (default: GITHUB_SHA or CI_COMMIT_SHA)")
	_ = cmd.RegisterFlagCompletionFunc("dry-run", cobra.FixedCompletions([]string{"none", "client", "server"}, cobra.ShellCompDirectiveNoFileComp))
	o.out.Register(cmd)
	return cmd
}

func (o *ApplyOptions) check() error {
	if !slices.Contains([]string{"none", "client", "server"}, o.dryRun) {
		return command.Usage("--dry-run=%s: it is none, client or server", o.dryRun)
	}
	if o.prune && o.set == "" {
		return command.Usage("--prune needs --set: it deletes what the same set applied before")
	}
	if o.commit != "" && o.release == "" {
		return command.Usage("--commit needs --release: it is kept with one")
	}
	if err := o.format.check(); err != nil {
		return err
	}
	return o.out.Check()
}

func (o *ApplyOptions) run(ctx context.Context) error {
	set, req, err := request(o.env, &o.source, o.set)
	if err != nil {
		return err
	}
	if req.Release = o.release; o.release != "" {
		req.Commit = cmp.Or(o.commit, o.env.Getenv("GITHUB_SHA"), o.env.Getenv("CI_COMMIT_SHA"))
	}
	if o.prune && len(set.Documents) == 0 {
		return &command.Failure{Code: command.ExitInvalid, Err: errors.New("apply: there is no document, so --prune would delete all that the set ever applied"),
			Try: "delete resources with `paragonctl delete`"}
	}
	if err := report(o.env, o.format, "paragonctl apply", set); err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	if o.dryRun == "client" {
		return o.printClient(ctx, set)
	}
	if onlyTests(set) {
		return printResult(ctx, o.env, &o.out, o.format, &api.ApplyResult{DryRun: o.dryRun == "server", Items: []api.ApplyItem{}})
	}
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	opts := api.ApplyOptions{DryRun: o.dryRun == "server", Prune: o.prune}
	if o.prune && !opts.DryRun {
		if err := o.confirmPrune(ctx, client, set, req); err != nil {
			return err
		}
	}
	done := o.env.Progress(fmt.Sprintf("applying %s", count(len(set.Documents), "document")))
	result, err := client.Apply(ctx, *req, opts)
	done()
	if err != nil {
		return fmt.Errorf("apply: %w", serverFindings(o.env, o.format, err))
	}
	if o.format == "github" {
		if err := o.env.StepSummary(outcome(result)); err != nil {
			return err
		}
	}
	return printResult(ctx, o.env, &o.out, o.format, result)
}

// request reads and checks the documents and makes the request of them. The
// set's findings tell whether they may be sent.
func request(env *command.Env, flags *source.Flags, name string) (*source.Set, *api.ApplyRequest, error) {
	files, err := flags.Read(env)
	if err != nil {
		return nil, nil, err
	}
	set := source.Check(files)
	skipped(env, set.ForServer())
	req := &api.ApplyRequest{Set: name, Files: set.Files}
	if set.Valid() {
		req.Values = set.Values(env)
	}
	return set, req, nil
}

// skipped says which documents are not for the server.
func skipped(env *command.Env, docs []source.Document) {
	if len(docs) == 0 {
		return
	}
	const most = 3
	names := make([]string, 0, most)
	for _, d := range docs[:min(len(docs), most)] {
		names = append(names, terminal.Safe(d.Ref().String()))
	}
	text := strings.Join(names, ", ")
	if more := len(docs) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	fmt.Fprintf(env.Err, "%s skipped: tests stay here, `paragonctl test` runs them\n", text)
}

// onlyTests tells whether all that was read stays here, so that the server is not
// needed.
func onlyTests(set *source.Set) bool { return len(set.Documents) == 0 && len(set.Tests) > 0 }

// serverFindings writes what the server found as annotations, where those are
// asked for.
func serverFindings(env *command.Env, format findingsFormat, err error) error {
	var p *schema.Problem
	if errors.As(err, &p) && len(p.Errors) > 0 {
		if githubErr := format.github(env, "paragonctl apply", p.Errors); githubErr != nil {
			return errors.Join(err, githubErr)
		}
	}
	return err
}

// confirmPrune shows what --prune would delete and makes sure that it is meant.
func (o *ApplyOptions) confirmPrune(ctx context.Context, client *api.Client, set *source.Set, req *api.ApplyRequest) error {
	dry, err := client.Apply(ctx, *req, api.ApplyOptions{DryRun: true, Prune: true})
	if err != nil {
		return fmt.Errorf("apply: %w", serverFindings(o.env, o.format, err))
	}
	dry.Items = slices.DeleteFunc(dry.Items, func(i api.ApplyItem) bool { return i.Action != api.ActionDelete })
	if len(dry.Items) == 0 {
		return nil
	}
	if err := plan.Complete(ctx, client, set, dry); err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "--prune deletes %s of set %s:\n", count(len(dry.Items), "resource"), terminal.Safe(o.set))
	plan.Text(&b, o.env.ErrStyle(), dry.Items)
	io.WriteString(o.env.Err, b.String())
	return o.env.Confirmed(o.cmd, o.yes, fmt.Sprintf("Delete %s?", count(len(dry.Items), "resource")))
}

// outcome is what was applied, for the page of a GitHub job.
func outcome(result *api.ApplyResult) string {
	var b strings.Builder
	tally := map[string]int{}
	for _, item := range result.Items {
		did := output.Applied(item.Action)
		tally[did]++
		if item.Action != api.ActionUnchanged {
			fmt.Fprintf(&b, "- `%s` %s, revision %d\n", item.Ref, did, item.Revision)
		}
	}
	return fmt.Sprintf("### Applied: %s\n\n%s\n", summary(tally), b.String())
}

// printResult tells what an apply, or a rollback of a release, did.
func printResult(ctx context.Context, env *command.Env, out *output.Flags, format findingsFormat, result *api.ApplyResult) error {
	view := output.View{Value: result, Items: []any{}}
	for _, item := range result.Items {
		view.Items = append(view.Items, item)
		view.Names = append(view.Names, item.Ref.String())
	}
	view.Text = func(w io.Writer, style terminal.Style) error {
		var b strings.Builder
		tally := map[string]int{}
		note := ""
		if result.DryRun {
			note = " (server dry run)"
		}
		for _, item := range result.Items {
			did := output.Applied(item.Action)
			tally[did]++
			fmt.Fprintf(&b, "%s %s%s\n", terminal.Safe(item.Ref.String()), style.Action(did), note)
		}
		b.WriteString(summary(tally) + note + "\n")
		_, err := io.WriteString(w, b.String())
		return err
	}
	if len(result.Warnings) > 0 {
		if format == "github" {
			command.WriteGitHub(env.Out, result.Warnings)
		} else {
			command.WriteDiagnostics(env.Err, env.ErrStyle(), result.Warnings)
		}
	}
	return out.Print(ctx, env.Streams, view)
}

// summary counts what was done, in one line.
func summary(tally map[string]int) string {
	var parts []string
	for _, did := range []string{"created", "configured", "unchanged", "deleted"} {
		if n := tally[did]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, did))
		}
	}
	if len(parts) == 0 {
		return "nothing to apply"
	}
	return strings.Join(parts, ", ")
}

// printClient tells what was checked without the server.
func (o *ApplyOptions) printClient(ctx context.Context, set *source.Set) error {
	var items []api.ApplyItem
	for _, d := range set.Documents {
		items = append(items, api.ApplyItem{Ref: d.Ref()})
	}
	view := output.ListOf(items, func(i api.ApplyItem) string { return i.Ref.String() })
	view.Text = func(w io.Writer, _ terminal.Style) error {
		for _, item := range items {
			if _, err := fmt.Fprintf(w, "%s valid (client dry run)\n", terminal.Safe(item.Ref.String())); err != nil {
				return err
			}
		}
		return nil
	}
	return o.out.Print(ctx, o.env.Streams, view)
}
