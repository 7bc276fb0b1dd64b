package tests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows"
	"paragon/workflows/function"
	"paragon/workflows/trial"
)

// recordRun makes a test of a run of the server.
func (o *Options) recordRun(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	run, err := client.Run(ctx, o.record, 0)
	if err != nil {
		return command.WithTry(fmt.Errorf("record run %s: %w", o.record, err), "`paragonctl runs list` shows them")
	}
	if !run.Status.Ended() {
		return &command.Failure{Code: command.ExitConflict, Err: fmt.Errorf("record run %s: it is %s, not at its end", run.ID, run.Status), Try: "`paragonctl wait " + run.ID + "`"}
	}
	steps, err := client.Steps(ctx, run.ID)
	if err != nil {
		return fmt.Errorf("record run %s: %w", run.ID, err)
	}
	stored, err := revisionOf(ctx, client, run)
	if err != nil {
		return fmt.Errorf("record run %s: %w", run.ID, err)
	}
	wf, err := workflows.CompileSpec(stored.Metadata.Name, stored.Spec)
	if err != nil {
		return fmt.Errorf("record run %s: workflow %s, revision %d: %w", run.ID, run.Workflow, run.Revision, err)
	}
	spec, notes := trial.Record(run, steps, wf)
	text, err := workflows.MarshalYAML(struct {
		APIVersion string                  `json:"apiVersion"`
		Kind       schema.Kind             `json:"kind"`
		Metadata   schema.Metadata         `json:"metadata"`
		Spec       schema.WorkflowTestSpec `json:"spec"`
	}{schema.APIVersion, schema.KindWorkflowTest, schema.Metadata{Name: run.Workflow}, spec})
	if err != nil {
		return fmt.Errorf("record run %s: %w", run.ID, err)
	}
	if err := o.write(text); err != nil {
		return err
	}
	for _, n := range append(notes, try(ctx, text, wf)...) {
		fmt.Fprintf(o.env.Err, "%s %s\n", o.env.ErrStyle().Notice("note:"), terminal.SafeLines(n))
	}
	return nil
}

// revisionOf is the workflow as the run executed it.
func revisionOf(ctx context.Context, client *api.Client, run *schema.Run) (*api.StoredResource, error) {
	ref := schema.Ref{Kind: schema.KindWorkflow, Name: run.Workflow}
	for cursor := ""; ; {
		list, err := client.Revisions(ctx, ref, cursor, 0)
		if err != nil {
			return nil, err
		}
		for i := range list.Items {
			if list.Items[i].Status.Revision == run.Revision {
				return &list.Items[i], nil
			}
		}
		if cursor = list.NextCursor; cursor == "" {
			return nil, fmt.Errorf("revision %d of workflow %s is not there any more", run.Revision, run.Workflow)
		}
	}
}

// write writes the test to the file that -o names, which must be a new one, or
// to standard output.
func (o *Options) write(text []byte) error {
	if o.to == "" || o.to == "-" {
		_, err := o.env.Out.Write(text)
		return err
	}
	if err := os.MkdirAll(filepath.Dir(o.to), 0o777); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	f, err := os.OpenFile(o.to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return &command.Failure{Code: command.ExitConflict, Err: fmt.Errorf("record: %s is there already", o.to), Try: "another file, or remove it"}
	}
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	_, err = f.Write(text)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	fmt.Fprintf(o.env.Err, "%s written\n", terminal.Safe(filepath.ToSlash(o.to)))
	return nil
}

// try runs the test that was made, and says how what it does differs from the run.
func try(ctx context.Context, text []byte, wf *workflows.Workflow) []string {
	docs, diags := workflows.Parse(workflows.Source{File: "record", Data: bytes.Clone(text)})
	if len(docs) != 1 {
		return []string{"the test is not valid as it is: " + diags.Error()}
	}
	test, diags := docs[0].CompileTest()
	if test == nil {
		return []string{"the test is not valid as it is: " + diags.Error()}
	}
	sandbox := function.NewSandbox(1)
	defer sandbox.Close()
	suite := &trial.Suite{Tests: []*workflows.Test{test}, Workflows: map[string]*workflows.Workflow{wf.Name: wf}, Sandbox: sandbox}
	var notes []string
	for _, r := range suite.Run(ctx) {
		for _, f := range r.Failures {
			notes = append(notes, "the test differs from the run: "+f.Message)
		}
	}
	return notes
}
