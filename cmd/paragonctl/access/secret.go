package access

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/complete"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/schema"
	"paragon/schema/api"
)

// NewSecret makes the secret group.
func NewSecret(env *command.Env) *cobra.Command {
	return command.NewGroup("secret", "Set, rotate, list and delete secrets", newSecretSet(env), newSecretRotate(env), newSecretList(env), newSecretDelete(env))
}

// SecretListOptions are what `secret list` takes.
type SecretListOptions struct {
	env *command.Env
	out output.Flags
}

func newSecretList(env *command.Env) *cobra.Command {
	o := &SecretListOptions{env: env}
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"},
		Short: "List secrets: names, digests and versions, never values",
		Example: `  paragonctl secret list
  paragonctl secret list --jq '.items[].metadata.name'`,
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

func (o *SecretListOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	var items []api.StoredResource
	for item, err := range client.All(ctx, schema.KindSecret) {
		if err != nil {
			return fmt.Errorf("list secrets: %w", err)
		}
		items = append(items, item)
	}
	view := output.ListOf(items, func(r api.StoredResource) string { return r.Metadata.Name })
	g := &output.Grid{Columns: []output.Column{
		{Title: "NAME"}, {Title: "VERSION"}, {Title: "DIGEST"}, {Title: "UPDATED"}, {Title: "BY", Cut: true}, {Title: "DESCRIPTION", Cut: true},
	}}
	for _, r := range items {
		var spec schema.SecretSpec
		// A spec of a newer server still lists.
		_ = json.Unmarshal(r.Spec, &spec)
		digest, version := r.Status.Digest, r.Status.Revision
		if spec.Digest != "" {
			digest = spec.Digest
		}
		if spec.Version != 0 {
			version = spec.Version
		}
		g.Rows = append(g.Rows, []string{
			r.Metadata.Name, fmt.Sprint(version), digest[:min(len(digest), 12)], output.Age(o.env.Now(), r.Status.UpdatedAt),
			r.Status.UpdatedBy, spec.Description,
		})
	}
	view.Table, view.Empty = g, "No secrets."
	return o.out.Print(ctx, o.env.Streams, view)
}

// SecretDeleteOptions are what `secret delete` takes.
type SecretDeleteOptions struct {
	env   *command.Env
	cmd   *cobra.Command
	names []string
	force bool
	yes   bool
	out   output.Flags
}

func newSecretDelete(env *command.Env) *cobra.Command {
	o := &SecretDeleteOptions{env: env}
	cmd := &cobra.Command{
		Use:               "delete NAME...",
		Aliases:           []string{"rm"},
		Short:             "Delete secrets",
		Example:           `  paragonctl secret delete CRM_TOKEN`,
		Args:              command.Args(1, -1, "a secret's name"),
		ValidArgsFunction: complete.All(env, schema.KindSecret),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.names = cmd, args
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

func (o *SecretDeleteOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := o.env.Confirmed(o.cmd, o.yes, "Delete secret "+strings.Join(o.names, ", ")+"?"); err != nil {
		return err
	}
	done, err := o.delete(ctx, client)
	return o.out.PrintDone(ctx, o.env.Streams, done, err)
}

// delete deletes one after the other, and returns those that it has deleted.
func (o *SecretDeleteOptions) delete(ctx context.Context, client *api.Client) ([]output.Did, error) {
	var done []output.Did
	for _, name := range o.names {
		if err := client.Delete(ctx, schema.Ref{Kind: schema.KindSecret, Name: name}, api.DeleteOptions{Force: o.force}); err != nil {
			err = fmt.Errorf("delete secret %s: %w", name, err)
			switch command.ExitCode(err) {
			case command.ExitNotFound:
				return done, command.WithTry(err, "`paragonctl secret list` lists them")
			case command.ExitConflict:
				return done, command.WithTry(err, "change what uses it first; --force deletes it all the same")
			}
			return done, err
		}
		done = append(done, output.Did{Resource: "secret/" + name, Action: "deleted"})
	}
	return done, nil
}
