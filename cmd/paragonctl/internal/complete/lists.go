package complete

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/schema"
	"paragon/schema/api"
)

// From completes up to most arguments (0: any number) with what a question to
// the server finds, without those that are there already.
func From(env *command.Env, most int, ask func(context.Context, *api.Client) ([]cobra.Completion, error)) completion {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		const directive = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
		if most > 0 && len(args) >= most {
			return nil, directive
		}
		client, ctx, cancel := connect(cmd.Context(), env)
		if client == nil {
			return nil, directive
		}
		defer cancel()
		defer client.Close()
		found, err := ask(ctx, client)
		if err != nil {
			return nil, directive
		}
		return slices.DeleteFunc(found, func(c cobra.Completion) bool { return slices.Contains(args, word(c)) }), directive
	}
}

// word is a completion without its description.
func word(c cobra.Completion) string {
	for i, r := range c {
		if r == '\t' {
			return c[:i]
		}
	}
	return c
}

// All completes any number of arguments with the names of a kind.
func All(env *command.Env, kind schema.Kind) completion {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		names := Names(cmd.Context(), env, kind)
		return slices.DeleteFunc(names, func(c cobra.Completion) bool { return slices.Contains(args, c) }), cobra.ShellCompDirectiveNoFileComp
	}
}

// Releases completes the names of releases, the newest first.
func Releases(env *command.Env, most int) completion {
	return From(env, most, func(ctx context.Context, client *api.Client) ([]cobra.Completion, error) {
		page, err := client.Releases(ctx, "", 100)
		if err != nil {
			return nil, err
		}
		var out []cobra.Completion
		for _, r := range page.Items {
			out = append(out, r.Name)
		}
		return out, nil
	})
}

// Users completes the ids of the product's users.
func Users(env *command.Env, most int) completion {
	return From(env, most, func(ctx context.Context, client *api.Client) ([]cobra.Completion, error) {
		page, err := client.Users(ctx, "", 1000)
		if err != nil {
			return nil, err
		}
		var out []cobra.Completion
		for _, u := range page.Items {
			out = append(out, u.ID)
		}
		return out, nil
	})
}

// Queues completes the names of queues that are paused, or of those that are not.
func Queues(env *command.Env, paused bool) completion {
	return From(env, 0, func(ctx context.Context, client *api.Client) ([]cobra.Completion, error) {
		page, err := client.Queues(ctx)
		if err != nil {
			return nil, err
		}
		var out []cobra.Completion
		for _, q := range page.Items {
			if q.Paused == paused {
				out = append(out, q.Name)
			}
		}
		return out, nil
	})
}

// Keys completes the ids of API keys.
func Keys(env *command.Env) completion {
	return From(env, 0, func(ctx context.Context, client *api.Client) ([]cobra.Completion, error) {
		page, err := client.Keys(ctx, "")
		if err != nil {
			return nil, err
		}
		var out []cobra.Completion
		for _, k := range page.Items {
			out = append(out, cobra.CompletionWithDesc(k.ID, k.Name+" "+k.Role))
		}
		return out, nil
	})
}

// Members completes the emails of members.
func Members(env *command.Env) completion {
	return From(env, 1, func(ctx context.Context, client *api.Client) ([]cobra.Completion, error) {
		page, err := client.Members(ctx)
		if err != nil {
			return nil, err
		}
		var out []cobra.Completion
		for _, m := range page.Items {
			out = append(out, cobra.CompletionWithDesc(m.Email, m.Role))
		}
		return out, nil
	})
}

// Projects completes the names of projects.
func Projects(env *command.Env) completion {
	return From(env, 0, func(ctx context.Context, client *api.Client) ([]cobra.Completion, error) {
		page, err := client.Projects(ctx)
		if err != nil {
			return nil, err
		}
		var out []cobra.Completion
		for _, p := range page.Items {
			out = append(out, cobra.CompletionWithDesc(p.Name, p.Role))
		}
		return out, nil
	})
}
