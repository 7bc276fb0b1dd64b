package resource

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/complete"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows"
)

// NewIntegration makes the integration group. What it does not have, get, diff,
// history, edit and the others do with integrations as with every resource.
func NewIntegration(env *command.Env) *cobra.Command {
	return command.NewGroup("integration", "List, show and delete the APIs that requests can name, and see the calls to them",
		newIntegrationList(env), newIntegrationGet(env), newIntegrationDescribe(env), newIntegrationCalls(env), newIntegrationDelete(env))
}

// IntegrationListOptions are what `integration list` takes.
type IntegrationListOptions struct {
	env *command.Env
	out output.Flags
}

func newIntegrationList(env *command.Env) *cobra.Command {
	o := &IntegrationListOptions{env: env}
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"},
		Short: "List integrations: where they are and whose credential they use",
		Example: `  paragonctl integration list
  paragonctl integration list --jq '.items[].spec.baseUrl'`,
		Args: command.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.out.Check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	o.out.Register(cmd)
	return cmd
}

func (o *IntegrationListOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	var items []api.StoredResource
	for item, err := range client.All(ctx, schema.KindIntegration) {
		if err != nil {
			return fmt.Errorf("list integrations: %w", err)
		}
		items = append(items, item)
	}
	view := output.ListOf(items, func(r api.StoredResource) string { return r.Metadata.Name })
	g := &output.Grid{Columns: []output.Column{
		{Title: "NAME"}, {Title: "AUTH"}, {Title: "CREDENTIAL"}, {Title: "BASE URL", Cut: true}, {Title: "UPDATED"}, {Title: "BY", Wide: true}, {Title: "DESCRIPTION", Cut: true},
	}}
	for _, r := range items {
		var spec schema.IntegrationSpec
		// A spec of a newer server still lists.
		_ = json.Unmarshal(r.Spec, &spec)
		g.Rows = append(g.Rows, []string{
			r.Metadata.Name, authText(r), whoseText(r), spec.BaseURL, output.Age(o.env.Now(), r.Status.UpdatedAt), r.Status.UpdatedBy, spec.Description,
		})
	}
	view.Table, view.Empty = g, "No integrations."
	return o.out.Print(ctx, o.env.Streams, view)
}

// authText is how an integration authenticates, whoseText who brings the
// credential.
func authText(r api.StoredResource) string {
	i, err := workflows.CompileIntegration(r.Metadata.Name, r.Spec)
	if err != nil {
		return "?" // of a newer server
	}
	return string(i.Auth())
}

func whoseText(r api.StoredResource) string {
	i, err := workflows.CompileIntegration(r.Metadata.Name, r.Spec)
	switch {
	case err != nil:
		return "?"
	case i.Auth() == workflows.AuthNone:
		return "none"
	case i.Shared():
		return "shared"
	}
	return "brought"
}

func newIntegrationGet(env *command.Env) *cobra.Command {
	o := &GetOptions{env: env, kind: schema.KindIntegration}
	cmd := &cobra.Command{
		Use:               "get NAME...",
		Short:             "Show integrations",
		Example:           `  paragonctl integration get crm -o yaml`,
		Args:              command.Args(1, -1, "an integration's name"),
		ValidArgsFunction: complete.All(env, schema.KindIntegration),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.refs = integrations(args)
			if err := o.out.Check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	o.out.Register(cmd)
	return cmd
}

func newIntegrationDescribe(env *command.Env) *cobra.Command {
	o := &DescribeOptions{env: env}
	cmd := &cobra.Command{
		Use:               "describe NAME",
		Short:             "Tell about an integration: credential, scopes, limits",
		Example:           `  paragonctl integration describe crm`,
		Args:              command.Args(1, 1, "an integration's name"),
		ValidArgsFunction: complete.All(env, schema.KindIntegration),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ref = integrations(args)[0]
			if err := o.out.Check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	o.out.Register(cmd)
	return cmd
}

func newIntegrationDelete(env *command.Env) *cobra.Command {
	o := &DeleteOptions{env: env}
	cmd := &cobra.Command{
		Use: "delete NAME...", Aliases: []string{"rm"},
		Short:             "Delete integrations",
		Example:           `  paragonctl integration delete crm`,
		Args:              command.Args(1, -1, "an integration's name"),
		ValidArgsFunction: complete.All(env, schema.KindIntegration),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.refs = cmd, integrations(args)
			if err := o.out.Check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&o.force, "force", false, "also one that workflows still use")
	cmd.Flags().BoolVar(&o.yes, "yes", false, "don't ask")
	o.out.Register(cmd)
	return cmd
}

func integrations(names []string) []schema.Ref {
	refs := make([]schema.Ref, len(names))
	for i, name := range names {
		refs[i] = schema.Ref{Kind: schema.KindIntegration, Name: name}
	}
	return refs
}

// integration describes one.
func (d *description) integration(r *api.StoredResource) {
	i, err := workflows.CompileIntegration(r.Metadata.Name, r.Spec)
	if err != nil {
		return // of a newer server: the head is what can be said
	}
	spec := i.Spec
	d.field("Description", terminal.Safe(spec.Description))
	d.field("Base URL", terminal.Safe(spec.BaseURL))
	d.field("Auth", string(i.Auth()))
	d.field("Credential", map[string]string{"none": "none is sent", "shared": "the project's, shared by all", "brought": "each caller's own"}[whoseText(*r)])
	d.field("Secrets", strings.Join(i.Secrets, ", "))
	if a := spec.Auth; a != nil && a.OAuth2 != nil {
		d.field("Token URL", terminal.Safe(a.OAuth2.TokenURL))
		d.field("Scopes", terminal.Safe(strings.Join(a.OAuth2.Scopes, ", ")))
	}
	if properties, ok := spec.Settings["properties"].(map[string]any); ok {
		d.field("Settings", terminal.Safe(strings.Join(sortedNames(properties), ", ")))
	}
	if l := spec.RateLimit; l != nil && l.Limit > 0 {
		d.field("Rate limit", fmt.Sprintf("%d per %s", l.Limit, l.Per))
	}
	var headers []string
	for name, value := range spec.Headers {
		headers = append(headers, name+": "+value)
	}
	slices.Sort(headers)
	d.field("Headers", terminal.Safe(strings.Join(headers, ", ")))
	d.field("Timeout", schema.Duration(i.Timeout).String())
}
