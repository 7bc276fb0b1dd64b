package resource

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/complete"
	"paragon/cmd/paragonctl/internal/noun"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/schema/api"
)

// callsPage is how many calls are asked for at once.
const callsPage = 200

// newIntegrationCalls makes `integration calls`: the log of the proxy.
func newIntegrationCalls(env *command.Env) *cobra.Command {
	var (
		q            api.ProxyCallsQuery
		since, until string
		most         int
	)
	ask := noun.First("calls", &most, func(ctx context.Context, client *api.Client, cursor string) (*api.List[schema.ProxyCall], error) {
		q.Cursor, q.Limit = cursor, callsPage
		if most > 0 {
			q.Limit = min(most, callsPage)
		}
		return client.ProxyCalls(ctx, q)
	})
	cmd := noun.List[schema.ProxyCall]{
		Use:   "calls [NAME]",
		Short: "List calls to integrations through the proxy, newest first",
		Example: `  paragonctl integration calls crm --failed --since 1h
  paragonctl integration calls --user u_1 --limit 0 -o json --jq '.items[] | .durationMs'`,
		Arg: "an integration's name", Take: func(name string) { q.Integration = name },
		Empty: "No calls.",
		Items: func(ctx context.Context, env *command.Env) ([]schema.ProxyCall, error) {
			if most < 0 {
				return nil, command.Usage("--limit %d: it is 0 (all) or more", most)
			}
			var err error
			if q.Since, err = instant(since, env.Now()); err != nil {
				return nil, err
			}
			if q.Until, err = instant(until, env.Now()); err != nil {
				return nil, err
			}
			return ask(ctx, env)
		},
		Name: func(c schema.ProxyCall) string { return c.ID },
		Columns: []output.Column{{Title: "STARTED"}, {Title: "INTEGRATION"}, {Title: "USER"}, {Title: "METHOD"}, {Title: "PATH", Cut: true},
			{Title: "STATUS", Paint: paintStatus}, {Title: "TIME"}, {Title: "ERROR", Cut: true},
			{Title: "SENDS", Wide: true}, {Title: "SENT", Wide: true}, {Title: "RECEIVED", Wide: true}, {Title: "ACCOUNT", Wide: true},
			{Title: "BY", Wide: true}, {Title: "JOB", Wide: true}, {Title: "ID", Wide: true}},
		Row: callRow,
	}.Command(env)
	f := cmd.Flags()
	f.StringVarP(&q.User, "user", "u", "", "only calls for this user")
	f.BoolVar(&q.Failed, "failed", false, "only calls without an answer, or with a status of 400 or more")
	f.StringVar(&since, "since", "", "only calls begun since then: 1h, 7d, a date or a time")
	f.StringVar(&until, "until", "", "only calls begun before then")
	f.IntVarP(&most, "limit", "n", 30, "at most this many; 0 for all")
	cmd.ValidArgsFunction = complete.Resources(env, schema.KindIntegration)
	_ = cmd.RegisterFlagCompletionFunc("user", complete.Users(env, 0))
	return cmd
}

// instant is a time as the server reads it, of one as people write it; empty
// stays empty.
func instant(text string, now time.Time) (string, error) {
	if text == "" {
		return "", nil
	}
	at, err := command.ParseTime(text, now)
	if err != nil {
		return "", err
	}
	return at.UTC().Format(time.RFC3339Nano), nil
}

func callRow(c schema.ProxyCall) []string {
	why := c.Error
	if c.ErrorType != "" {
		why = c.ErrorType + ": " + why
	}
	status := "-" // the caller had gone
	if c.Status != 0 {
		status = strconv.Itoa(c.Status)
	}
	return []string{
		output.Clock(c.StartedAt), c.Integration, c.User, c.Method, c.Path, status, output.Length(time.Duration(c.DurationMs * float64(time.Millisecond))), why,
		strconv.Itoa(c.Attempts), strconv.FormatInt(c.Sent, 10), strconv.FormatInt(c.Received, 10), c.Account, c.Actor, c.Job, c.ID,
	}
}

// paintStatus marks the statuses of failed calls.
func paintStatus(style terminal.Style, cell string) string {
	if status, err := strconv.Atoi(cell); err == nil && status < http.StatusBadRequest {
		return cell
	}
	return style.Bad(cell)
}
