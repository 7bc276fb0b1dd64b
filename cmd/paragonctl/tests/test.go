package tests

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/complete"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/source"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows/function"
	"paragon/workflows/trial"
)

// Options are what `test` takes.
type Options struct {
	env      *command.Env
	source   source.Flags
	run      string
	parallel int
	verbose  bool
	coverage bool
	least    float64
	junit    string
	format   string
	record   string
	to       string
	out      output.Flags

	only *regexp.Regexp
}

// New makes the test command.
func New(env *command.Env) *cobra.Command {
	o := &Options{env: env}
	cmd := &cobra.Command{
		Use:   "test [FILE...]",
		Short: "Run tests of workflows offline",
		Long: `Run WorkflowTest documents offline: the interpreter and the steps that workers use, over
mocked answers, in a time of the test's own. A wait of ten days takes no time.

The workflows under test are read along (-f), or named by the test (spec.files).
Functions are executed in the sandbox, as on a server.

--record makes a test of a run that the server knows: its input, an answer for each
request that it sent, and what came of it. What the server hides of secrets stays
hidden. -o names the file to write. The test is tried at once, and what it does
otherwise than the run is said.

Exit codes: 0 all passed; 1 a test failed, or less is covered than --coverage-min
wants; 2 usage; 6 a document is invalid, or there is no test.`,
		Example: `  paragonctl test -f . -R
  paragonctl test workflows tests --run 'lead-sync/.*timeout'
  paragonctl test -f . -R --coverage --coverage-min 80 --junit report.xml
  paragonctl test -f . -R --format github
  paragonctl test --record r01JZ4M4E2BT5T2N8Y6QF3W9X0 -o tests/lead-sync.yaml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.source.Paths = append(o.source.Paths, args...)
			if err := o.check(cmd); err != nil {
				return err
			}
			if o.record != "" {
				return o.recordRun(cmd.Context())
			}
			return o.test(cmd.Context())
		},
	}
	o.source.Register(cmd)
	f := cmd.Flags()
	f.StringVar(&o.run, "run", "", "only cases whose name (test/case) matches a regular expression")
	f.IntVar(&o.parallel, "parallel", 0, "how many cases run at the same time (default: the number of CPUs)")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show each case, its steps and its requests")
	f.BoolVar(&o.coverage, "coverage", false, "show which steps and branches ran")
	f.Float64Var(&o.least, "coverage-min", 0, "fail when less is covered, in percent")
	f.StringVar(&o.junit, "junit", "", "write the results as JUnit XML to a file")
	f.StringVar(&o.format, "format", "text", "how failures are written: text, or github for annotations in GitHub Actions")
	f.StringVar(&o.record, "record", "", "make a test of this run of the server")
	o.out.Register(cmd)
	f.Lookup("output").Usage += "; with --record the file to write"
	_ = cmd.RegisterFlagCompletionFunc("record", complete.Runs(env, schema.RunSucceeded, schema.RunFailed, schema.RunCanceled))
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"text", "github"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (o *Options) check(cmd *cobra.Command) error {
	if o.record != "" {
		o.to, o.out.Format = o.out.Format, ""
		if len(o.source.Paths) > 0 {
			return command.Usage("--record makes a test of a run; it reads no files")
		}
	}
	if o.format != "text" && o.format != "github" {
		return command.Usage("--format %s: it is one of text, github", o.format)
	}
	if o.least < 0 || o.least > 100 {
		return command.Usage("--coverage-min %v: it is from 0 to 100", o.least)
	}
	o.coverage = o.coverage || cmd.Flags().Changed("coverage-min")
	if o.run != "" {
		var err error
		if o.only, err = regexp.Compile(o.run); err != nil {
			return command.Usage("--run: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
	}
	return o.out.Check()
}

func (o *Options) test(ctx context.Context) error {
	suite, err := o.suite()
	if err != nil {
		return err
	}
	began := time.Now()
	sandbox := function.NewSandbox(o.parallel)
	defer sandbox.Close()
	suite.Only, suite.Parallel, suite.Sandbox = o.only, o.parallel, sandbox
	report := &Report{Results: suite.Run(ctx)}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(report.Results) == 0 {
		return &command.Failure{Code: command.ExitUsage, Err: fmt.Errorf("test: no case matches --run %q", o.run), Try: "`paragonctl test -v` shows the names"}
	}
	report.finish(time.Since(began))
	if o.coverage {
		report.cover(suite, o.least)
	}
	if o.junit != "" {
		if err := writeJUnit(o.junit, report); err != nil {
			return fmt.Errorf("test: %w", err)
		}
	}
	if err := o.print(ctx, report); err != nil {
		return err
	}
	if report.Failed > 0 || report.Coverage != nil && !report.Coverage.Enough {
		return &command.Quiet{Code: command.ExitFailure}
	}
	return nil
}

// suite reads and checks the documents, those that tests name included.
func (o *Options) suite() (*trial.Suite, error) {
	files, err := o.source.Read(o.env)
	if err != nil {
		return nil, err
	}
	set := source.Check(files)
	more, err := named(files, set)
	if err != nil {
		return nil, err
	}
	if len(more) > 0 {
		set = source.Check(append(files, more...))
	}
	if !set.Valid() {
		if o.format == "github" {
			command.WriteGitHub(o.env.Out, set.Findings)
		}
		return nil, fmt.Errorf("test: %w", set.Invalid())
	}
	if len(set.Tests) == 0 {
		return nil, &command.Failure{Code: command.ExitInvalid, Err: errors.New("test: no document is a WorkflowTest"), Try: "`paragonctl explain workflowtest`, or `paragonctl test --record RUN` for a first one"}
	}
	return &trial.Suite{Tests: set.Tests, Workflows: set.Workflows, Integrations: set.Integrations}, nil
}

// named reads the files that tests name and that were not read along.
func named(files []api.File, set *source.Set) ([]api.File, error) {
	seen := map[string]bool{}
	for _, f := range files {
		seen[filepath.Clean(f.Name)] = true
	}
	var more []api.File
	for _, t := range set.Tests {
		file := t.Place.Finding("", "", "").File
		for i, name := range t.Spec.Files {
			path := filepath.FromSlash(name)
			if !filepath.IsAbs(path) && file != source.Stdin {
				path = filepath.Join(filepath.Dir(filepath.FromSlash(file)), path)
			}
			if seen[filepath.Clean(path)] {
				continue
			}
			seen[filepath.Clean(path)] = true
			text, err := os.ReadFile(path)
			if err != nil {
				var pathErr *os.PathError
				if errors.As(err, &pathErr) {
					err = pathErr.Err
				}
				d := t.Place.Field("files").Item(i).Finding("file", "", "%s can't be read: %s", path, err)
				return nil, fmt.Errorf("test: %w", &schema.Problem{Type: schema.ProblemInvalid, Title: "Invalid input", Detail: "1 error", Errors: []schema.Diagnostic{d}})
			}
			more = append(more, api.File{Name: filepath.ToSlash(path), Content: string(text)})
		}
	}
	return more, nil
}

func (o *Options) print(ctx context.Context, report *Report) error {
	if o.format == "github" {
		var all []schema.Diagnostic
		for _, r := range report.Results {
			for _, f := range r.Failures {
				d := f.Diagnostic
				d.Message = r.Name() + ": " + d.Message
				if f.Want+f.Got != "" && strings.Contains(f.Want+f.Got, "\n") {
					d.Message += "\n" + difference(terminal.Plain, f)
				}
				all = append(all, d)
			}
		}
		if o.out.ForPeople() {
			command.WriteGitHub(o.env.Out, all)
		}
		if err := o.env.StepSummary(report.markdown()); err != nil {
			return err
		}
	}
	view := output.View{Value: report, Items: []any{}}
	for _, r := range report.Results {
		view.Items = append(view.Items, r)
		view.Names = append(view.Names, r.Name())
	}
	view.Text = func(w io.Writer, style terminal.Style) error { return report.text(w, style, o.verbose) }
	return o.out.Print(ctx, o.env.Streams, view)
}
