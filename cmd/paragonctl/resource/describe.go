package resource

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/schema/api"
)

// DescribeOptions are what `describe` takes.
type DescribeOptions struct {
	env *command.Env
	ref schema.Ref
	out output.Flags
}

// NewDescribe makes the describe command.
func NewDescribe(env *command.Env) *cobra.Command {
	o := &DescribeOptions{env: env}
	cmd := &cobra.Command{
		Use:   "describe KIND NAME",
		Short: "Tell about a resource: triggers, steps, latest runs",
		Example: `  paragonctl describe workflow lead-sync
  paragonctl describe secret CRM_TOKEN`,
		Args:              command.Args(1, 2, "a kind and a name"),
		ValidArgsFunction: completeRef(env),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err := o.out.Check(); err != nil {
				return err
			}
			if o.ref, err = parseRef(args); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	o.out.Register(cmd)
	return cmd
}

// latestRuns is how many runs describe shows.
const latestRuns = 5

func (o *DescribeOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	r, err := client.Get(ctx, o.ref)
	if err != nil {
		return hint(o.ref, fmt.Errorf("describe %s: %w", o.ref, err))
	}
	all := described{StoredResource: r}
	d := &description{style: o.env.OutStyle()}
	d.head(o.env, r)
	switch o.ref.Kind {
	case schema.KindWorkflow:
		var spec schema.WorkflowSpec
		if err := json.Unmarshal(r.Spec, &spec); err != nil {
			return fmt.Errorf("describe %s: its spec is not one that this version knows: %w", o.ref, err)
		}
		d.workflow(client, o.ref.Name, &spec)
		runs, err := client.Runs(ctx, api.RunsQuery{Workflow: o.ref.Name, Limit: latestRuns})
		if err != nil {
			return fmt.Errorf("list the runs of %s: %w", o.ref.Name, err)
		}
		d.runs(o.env, runs.Items)
		all.Runs = runs.Items
	case schema.KindIntegration:
		d.integration(r)
	case schema.KindDestination:
		if all.Sending, err = d.destination(ctx, o.env, client, r); err != nil {
			return err
		}
	case schema.KindSecret:
		var spec schema.SecretSpec
		if err := json.Unmarshal(r.Spec, &spec); err == nil {
			d.field("Description", terminal.Safe(spec.Description))
		}
		d.field("Value", "*** (digest "+terminal.Safe(shortDigest(r.Status.Digest))+")")
	}
	return o.out.Print(ctx, o.env.Streams, output.View{Value: all, Names: []string{o.ref.String()}, Text: func(w io.Writer, _ terminal.Style) error {
		_, err := io.WriteString(w, d.String())
		return err
	}})
}

// described is the answer of describe for programs.
type described struct {
	*api.StoredResource
	// Runs are the latest of a workflow.
	Runs []schema.Run `json:"runs,omitempty"`
	// Sending is how sending to a destination goes.
	Sending *api.DestinationStatus `json:"sending,omitempty"`
}

// description builds the text.
type description struct {
	strings.Builder
	style terminal.Style
}

func (d *description) field(name, value string) {
	if value != "" {
		fmt.Fprintf(d, "%s %s\n", d.style.Bold(fmt.Sprintf("%-12s", name)), value)
	}
}

func (d *description) title(name string) { fmt.Fprintf(d, "%s\n", d.style.Bold(name)) }

func (d *description) head(env *command.Env, r *api.StoredResource) {
	d.field("Name", terminal.Safe(r.Metadata.Name))
	d.field("Kind", terminal.Safe(string(r.Kind)))
	d.field("Labels", terminal.Safe(labelText(r.Metadata.Labels)))
	d.field("Annotations", terminal.Safe(labelText(r.Metadata.Annotations)))
	updated := fmt.Sprintf("%d, %s (%s ago)", r.Status.Revision, output.Clock(r.Status.UpdatedAt), output.Age(env.Now(), r.Status.UpdatedAt))
	if r.Status.UpdatedBy != "" {
		updated += " by " + terminal.Safe(r.Status.UpdatedBy)
	}
	d.field("Revision", updated)
	d.field("Source", terminal.Safe(r.Status.Source))
}

func (d *description) workflow(client *api.Client, name string, spec *schema.WorkflowSpec) {
	d.field("Description", terminal.Safe(spec.Description))
	if spec.Timeout > 0 {
		d.field("Timeout", spec.Timeout.String())
	}
	if c := spec.Concurrency; c != nil {
		d.field("Concurrency", fmt.Sprint(c.Limit, keyText(c.Key)))
	}
	if r := spec.RateLimit; r != nil {
		d.field("Rate limit", fmt.Sprintf("%d per %s%s", r.Limit, r.Per, keyText(r.Key)))
	}
	if r := spec.Throttle; r != nil {
		d.field("Throttle", fmt.Sprintf("%d per %s%s", r.Limit, r.Per, keyText(r.Key)))
	}
	if required, ok := spec.Input["required"].([]any); ok && len(required) > 0 {
		names := make([]string, len(required))
		for i, n := range required {
			names[i] = fmt.Sprint(n)
		}
		d.field("Needs input", terminal.Safe(strings.Join(names, ", ")))
	}
	if len(spec.Triggers) > 0 {
		d.title("Triggers")
	}
	for _, t := range spec.Triggers {
		fmt.Fprintf(d, "  %s  %s\n", terminal.Safe(t.ID), terminal.Safe(triggerText(client, name, t)))
	}
	d.title("Steps")
	d.steps(spec.Steps, 1)
	if len(spec.OnFailure) > 0 {
		d.title("On failure")
		d.steps(spec.OnFailure, 1)
	}
}

func keyText(key string) string {
	if key == "" {
		return ""
	}
	return " for each " + terminal.Safe(key)
}

func triggerText(client *api.Client, workflow string, t schema.TriggerSpec) string {
	switch {
	case t.Webhook != nil:
		method := t.Webhook.Method
		if method == "" {
			method = "POST"
		}
		return fmt.Sprintf("webhook  %s %s/hooks/%s/%s/%s", method, strings.TrimRight(client.Server(), "/"),
			url.PathEscape(client.Project()), url.PathEscape(workflow), url.PathEscape(t.ID))
	case t.Cron != nil:
		zone := t.Cron.Timezone
		if zone == "" {
			zone = "UTC"
		}
		return fmt.Sprintf("cron  %s %s", t.Cron.Schedule, zone)
	case t.Event != nil:
		text := "event  " + t.Event.Name
		if t.Event.If != "" {
			text += " if " + t.Event.If
		}
		return text
	}
	return "manual"
}

// steps outlines a block, nested ones further in.
func (d *description) steps(steps []schema.StepSpec, depth int) {
	in := strings.Repeat("  ", depth)
	for _, s := range steps {
		line := in + terminal.Safe(s.ID)
		if s.If != "" {
			line += "  if " + terminal.Safe(s.If)
		}
		switch {
		case s.Request != nil:
			method := s.Request.Method
			if method == "" {
				method = "GET"
			}
			line += terminal.Safe("  request  " + method + " " + s.Request.URL + s.Request.Path)
		case s.Function != nil:
			line += "  function"
		case s.Set != nil:
			line += "  set"
		case s.Switch != nil:
			line += "  switch"
		case s.ForEach != nil:
			line += terminal.Safe(fmt.Sprintf("  forEach  %v", s.ForEach.Items))
		case s.Parallel != nil:
			line += "  parallel"
		case s.Delay != nil:
			line += terminal.Safe("  delay  " + s.Delay.For + s.Delay.Until)
		case s.WaitFor != nil:
			line += terminal.Safe("  waitFor  " + s.WaitFor.Event)
		case s.Respond != nil:
			line += "  respond"
		case s.Emit != nil:
			line += terminal.Safe("  emit  " + s.Emit.Event)
		case s.Call != nil:
			line += terminal.Safe("  call  " + s.Call.Workflow)
		case s.Fail != nil:
			line += "  fail"
		}
		fmt.Fprintln(d, line)
		d.steps(s.Steps, depth+1)
		for _, b := range s.Switch {
			when := "else"
			if !b.Else {
				when = "if " + b.If
			}
			fmt.Fprintf(d, "%s  %s\n", in, d.style.Dim(terminal.Safe(when)))
			d.steps(b.Steps, depth+2)
		}
		if s.Parallel != nil {
			for _, name := range sortedNames(s.Parallel.Branches) {
				fmt.Fprintf(d, "%s  %s\n", in, d.style.Dim("branch "+terminal.Safe(name)))
				d.steps(s.Parallel.Branches[name].Steps, depth+2)
			}
		}
	}
}

func (d *description) runs(env *command.Env, runs []schema.Run) {
	d.title("Latest runs")
	if len(runs) == 0 {
		fmt.Fprintln(d, "  none")
	}
	for _, r := range runs {
		fmt.Fprintf(d, "  %s  %s  %s ago\n", terminal.Safe(r.ID), terminal.Pad(d.style.RunStatus(r.Status), 11), output.Age(env.Now(), r.CreatedAt))
	}
}
