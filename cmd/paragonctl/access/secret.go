package access

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/complete"
	"paragon/cmd/paragonctl/internal/noun"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/schema"
	"paragon/schema/api"
)

// NewSecret makes the secret group.
func NewSecret(env *command.Env) *cobra.Command {
	return command.NewGroup("secret", "Set, rotate, list and delete secrets", newSecretSet(env), newSecretRotate(env), newSecretList(env), newSecretDelete(env))
}

func newSecretList(env *command.Env) *cobra.Command {
	return noun.List[api.StoredResource]{
		Short: "List secrets: names, digests and versions, never values",
		Example: `  paragonctl secret list
  paragonctl secret list --jq '.items[].metadata.name'`,
		Empty: "No secrets.",
		Items: noun.All("secrets", func(ctx context.Context, c *api.Client, cursor string) (*api.List[api.StoredResource], error) {
			return c.List(ctx, schema.KindSecret, cursor, 0)
		}),
		Name: func(r api.StoredResource) string { return r.Metadata.Name },
		Columns: []output.Column{
			{Title: "NAME"}, {Title: "VERSION"}, {Title: "DIGEST"}, {Title: "UPDATED"}, {Title: "BY", Cut: true}, {Title: "DESCRIPTION", Cut: true},
		},
		Row: func(r api.StoredResource) []string { return secretRow(r, env.Now()) },
	}.Command(env)
}

func secretRow(r api.StoredResource, now time.Time) []string {
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
	return []string{
		r.Metadata.Name, fmt.Sprint(version), digest[:min(len(digest), 12)], output.Age(now, r.Status.UpdatedAt), r.Status.UpdatedBy, spec.Description,
	}
}

func newSecretDelete(env *command.Env) *cobra.Command {
	var force bool
	cmd := noun.End{
		Use:     "delete NAME...",
		Short:   "Delete secrets",
		Example: `  paragonctl secret delete CRM_TOKEN`,
		Arg:     "a secret's name", Most: -1, Complete: complete.All(env, schema.KindSecret),
		Kind: "secret", Verb: "delete", Did: "deleted",
		End: func(ctx context.Context, c *api.Client, name string) error {
			return c.Delete(ctx, schema.Ref{Kind: schema.KindSecret, Name: name}, api.DeleteOptions{Force: force})
		},
		Tries: map[int]string{
			command.ExitNotFound: "`paragonctl secret list` lists them",
			command.ExitConflict: "change what uses it first; --force deletes it all the same",
		},
	}.Command(env)
	cmd.Flags().BoolVar(&force, "force", false, "also one that workflows still use")
	return cmd
}
