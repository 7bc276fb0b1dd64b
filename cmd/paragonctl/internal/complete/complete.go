// Package complete finishes words on the command line with what the server
// knows: names of resources and ids of runs. It gives up at once when the
// server is slow, and never says why.
package complete

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/schema"
	"paragon/schema/api"
)

// patience bounds the wait for the server while someone presses tab.
const patience = 2 * time.Second

type completion = func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective)

// Resources completes the first argument with the names of a kind.
func Resources(env *command.Env, kind schema.Kind) completion {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return Names(cmd.Context(), env, kind), cobra.ShellCompDirectiveNoFileComp
	}
}

// Names lists the names of a kind for completion.
func Names(ctx context.Context, env *command.Env, kind schema.Kind) []cobra.Completion {
	var names []cobra.Completion
	for _, item := range Stored(ctx, env, kind) {
		names = append(names, item.Metadata.Name)
	}
	return names
}

// most bounds the names that are offered.
const most = 5000

// Stored lists the resources of a kind, page by page: those that have come when
// patience ends.
func Stored(ctx context.Context, env *command.Env, kind schema.Kind) []api.StoredResource {
	client, ctx, cancel := connect(ctx, env)
	if client == nil {
		return nil
	}
	defer cancel()
	defer client.Close()
	var list []api.StoredResource
	for item, err := range client.All(ctx, kind) {
		if err != nil || len(list) == most {
			break
		}
		list = append(list, item)
	}
	return list
}

// Runs completes arguments with the ids of the latest runs of some statuses
// (none: all).
func Runs(env *command.Env, status ...schema.RunStatus) completion {
	return func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		client, ctx, cancel := connect(cmd.Context(), env)
		if client == nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer cancel()
		defer client.Close()
		list, err := client.Runs(ctx, api.RunsQuery{Status: status, Limit: 20})
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var ids []cobra.Completion
		for _, run := range list.Items {
			ids = append(ids, cobra.CompletionWithDesc(run.ID, run.Workflow+" "+string(run.Status)))
		}
		return ids, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

func connect(ctx context.Context, env *command.Env) (*api.Client, context.Context, context.CancelFunc) {
	client, err := env.Client()
	if err != nil {
		return nil, ctx, nil
	}
	if ctx == nil {
		ctx = context.Background()
	}
	bounded, cancel := context.WithTimeout(ctx, patience)
	return client, bounded, cancel
}
