package resource

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/schema"
	"paragon/schema/api"
)

// GetOptions are what `get` takes.
type GetOptions struct {
	env    *command.Env
	kind   schema.Kind
	refs   []schema.Ref
	labels []string
	out    output.Flags
}

// NewGet makes the get command.
func NewGet(env *command.Env) *cobra.Command {
	o := &GetOptions{env: env}
	cmd := &cobra.Command{
		Use:   "get KIND [NAME...]",
		Short: "List the resources of a kind, or show some",
		Example: `  paragonctl get workflows
  paragonctl get workflow lead-sync -o yaml
  paragonctl get workflows --jq '.items[].metadata.name'`,
		Args:              command.Args(1, -1, "a kind: workflow, integration, destination or secret"),
		ValidArgsFunction: completeRef(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.parse(args); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringArrayVarP(&o.labels, "selector", "l", nil, "only resources with this label: key or key=value (repeatable)")
	o.out.Register(cmd)
	return cmd
}

func (o *GetOptions) parse(args []string) (err error) {
	if len(args) == 1 && !strings.Contains(args[0], "/") {
		o.kind, err = parseKind(args[0])
	} else {
		o.refs, err = parseRefs(args)
	}
	if err != nil {
		return err
	}
	if len(o.refs) > 0 && len(o.labels) > 0 {
		return command.Usage("a name and --selector exclude each other")
	}
	return o.out.Check()
}

func (o *GetOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	var items []api.StoredResource
	if len(o.refs) == 0 {
		for item, err := range client.All(ctx, o.kind) {
			if err != nil {
				return fmt.Errorf("list %s: %w", o.kind.Path(), err)
			}
			if selected(item.Metadata.Labels, o.labels) {
				items = append(items, item)
			}
		}
	}
	for _, ref := range o.refs {
		item, err := client.Get(ctx, ref)
		if err != nil {
			return hint(ref, fmt.Errorf("get %s: %w", ref, err))
		}
		items = append(items, *item)
	}
	view := output.ListOf(items, func(r api.StoredResource) string { return refOf(r).String() })
	if len(o.refs) == 1 {
		view.Value = items[0]
	}
	view.Table = table(items, o.env.Now())
	view.Empty = "No " + o.kind.Path() + "."
	return o.out.Print(ctx, o.env.Streams, view)
}

func refOf(r api.StoredResource) schema.Ref {
	return schema.Ref{Kind: r.Kind, Name: r.Metadata.Name}
}

// selected tells whether the labels satisfy every selector.
func selected(labels map[string]string, selectors []string) bool {
	for _, s := range selectors {
		key, want, hasValue := strings.Cut(s, "=")
		value, ok := labels[key]
		if !ok || hasValue && value != want {
			return false
		}
	}
	return true
}

func table(items []api.StoredResource, now time.Time) *output.Grid {
	g := &output.Grid{Columns: []output.Column{
		{Title: "NAME"}, {Title: "REVISION"}, {Title: "UPDATED"}, {Title: "BY", Cut: true},
		{Title: "LABELS", Wide: true}, {Title: "SOURCE", Wide: true}, {Title: "DIGEST", Wide: true},
	}}
	mixed := slices.ContainsFunc(items, func(r api.StoredResource) bool { return r.Kind != items[0].Kind })
	for _, r := range items {
		name := r.Metadata.Name
		if mixed {
			name = refOf(r).String()
		}
		g.Rows = append(g.Rows, []string{
			name, fmt.Sprint(r.Status.Revision), output.Age(now, r.Status.UpdatedAt), r.Status.UpdatedBy,
			labelText(r.Metadata.Labels), r.Status.Source, shortDigest(r.Status.Digest),
		})
	}
	return g
}

func labelText(labels map[string]string) string {
	var parts []string
	for key, value := range labels {
		parts = append(parts, key+"="+value)
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

func shortDigest(digest string) string { return digest[:min(len(digest), 12)] }
