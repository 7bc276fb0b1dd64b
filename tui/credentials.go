package tui

import (
	"cmp"
	"context"

	tea "charm.land/bubbletea/v2"

	"paragon/schema/api"
	"paragon/tui/cell"
	"paragon/tui/theme"
)

// newCredentials lists the credentials in trouble: those with which nothing is
// attempted until somebody connects them again, of users and of the project.
func newCredentials() *listing[api.Credential] {
	v := &listing[api.Credential]{title: "credentials", missing: "This server has no users and no credentials."}
	v.ask = func(a *App, v *listing[api.Credential]) tea.Cmd {
		return ask(a, &v.q, func(ctx context.Context) (*api.List[api.Credential], error) { return a.client.InvalidCredentials(ctx) },
			func(a *App, page *api.List[api.Credential]) tea.Cmd { return v.show(a, page.Items) })
	}
	v.list = list[api.Credential]{id: credentialName, sortBy: -1,
		empty: "No credential is in trouble: all that were tried count.",
		columns: []column[api.Credential]{
			{title: "status", width: 10, text: func(a *App, c api.Credential) string { return a.theme.Status(c.Status) }},
			{title: "user", width: 16, text: func(a *App, c api.Credential) string {
				if c.User == "" {
					return a.theme.Paint(theme.Dim, "the project")
				}
				return cell.Safe(c.User)
			}, compare: func(x, y api.Credential) int { return cmp.Compare(x.User, y.User) }},
			{title: "integration", width: 14, text: func(_ *App, c api.Credential) string { return cell.Safe(c.Integration) },
				compare: func(x, y api.Credential) int { return cmp.Compare(x.Integration, y.Integration) }},
			{title: "account", width: 9, drop: 2, text: func(_ *App, c api.Credential) string { return cell.Safe(c.Account) }},
			{title: "since", width: 8, right: true, text: func(a *App, c api.Credential) string { return short(a.now().Sub(c.UpdatedAt)) },
				compare: func(x, y api.Credential) int { return y.UpdatedAt.Compare(x.UpdatedAt) }},
			{title: "why", width: 20, grow: true, drop: 1, text: func(_ *App, c api.Credential) string { return cell.Safe(c.Reason) }},
		}}
	v.where = func(*App) string { return plural(len(v.list.items), "credential") + " in trouble" }
	v.on = func(a *App, c api.Credential, key string) (tea.Cmd, bool) {
		switch key {
		case "enter":
			if c.User != "" {
				return a.push(newRuns(runFilter{User: c.User})), true
			}
		case "y":
			return a.copy(credentialName(c)), true
		}
		return nil, false
	}
	v.help = func(*App) []binding {
		return []binding{{key: "enter", does: "runs of the user", line: true}, {key: "y", does: "copy its name"}}
	}
	return v
}

// credentialName is how a credential is named on the command line: user (or
// nothing), integration and account.
func credentialName(c api.Credential) string {
	return c.User + "/" + c.Integration + "/" + c.Account
}
