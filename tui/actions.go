package tui

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"paragon/schema"
	"paragon/schema/api"
	"paragon/tui/cell"
	"paragon/tui/theme"
)

// verb is what can be done to runs.
type verb struct {
	word string
	// takes tells which runs it is for, only says so.
	takes func(schema.RunStatus) bool
	only  string
	// means says what it does.
	means string
	do    func(context.Context, Client, *schema.Run) error
	// count and begin have the server do it to all runs of a filter; nil where
	// what is done differs from run to run.
	count func(Client, context.Context, api.RunsFilter) (*api.RunsCount, error)
	begin func(context.Context, Client, api.RunsFilter) (*api.Operation, error)
}

var (
	retry = &verb{
		word: "Retry", only: "failed or canceled", means: "A new run starts at the step that failed and keeps the results before it.",
		takes: func(s schema.RunStatus) bool { return s == schema.RunFailed || s == schema.RunCanceled },
		do: func(ctx context.Context, c Client, r *schema.Run) error {
			_, err := c.Replay(ctx, r.ID, api.ReplayRequest{From: failedStep(r)})
			return err
		},
	}
	replay = &verb{
		word: "Replay", only: "ended", means: "A new run starts from the start, with the same input.",
		takes: schema.RunStatus.Ended,
		do: func(ctx context.Context, c Client, r *schema.Run) error {
			_, err := c.Replay(ctx, r.ID, api.ReplayRequest{})
			return err
		},
		count: Client.CountReplay,
		begin: func(ctx context.Context, c Client, f api.RunsFilter) (*api.Operation, error) {
			return c.ReplayMany(ctx, f, "")
		},
	}
	cancel = &verb{
		word: "Cancel", only: "not ended", means: "It stops at once, and the request in flight too.",
		takes: func(s schema.RunStatus) bool { return !s.Ended() },
		do: func(ctx context.Context, c Client, r *schema.Run) error {
			_, err := c.Cancel(ctx, r.ID)
			return err
		},
		count: Client.CountCancel,
		begin: func(ctx context.Context, c Client, f api.RunsFilter) (*api.Operation, error) {
			return c.CancelMany(ctx, f)
		},
	}
	verbOf = map[string]*verb{"r": retry, "R": replay, "x": cancel}
)

// failedStep is the id of the step to retry a run from: the outermost one of
// that which failed, as a run starts again only there. Empty is the start.
func failedStep(r *schema.Run) string {
	if r.Error == nil {
		return ""
	}
	outer, _, _ := strings.Cut(r.Error.Step, "/")
	id, _, _ := strings.Cut(outer, "[")
	return id
}

// actOn asks whether to do something to the runs.
func (a *App) actOn(v *verb, runs []*schema.Run) tea.Cmd {
	if no := a.whyNot(); no != "" {
		a.say(theme.Notice, "%s", no)
		return nil
	}
	var fit []*schema.Run
	for _, r := range runs {
		if v.takes(r.Status) {
			fit = append(fit, r)
		}
	}
	if len(fit) == 0 {
		a.say(theme.Notice, "%s is for runs that are %s", strings.ToLower(v.word), v.only)
		return nil
	}
	d := &dialog{details: []string{v.means}, do: func(a *App) tea.Cmd {
		calls := make([]func(context.Context) error, len(fit))
		for i, r := range fit {
			calls[i] = func(ctx context.Context) error { return v.do(ctx, a.client, r) }
		}
		return a.start(strings.ToLower(v.word)+" "+plural(len(fit), "run"), calls)
	}}
	if len(fit) == 1 {
		d.question = fmt.Sprintf("%s run %s of %s?", v.word, cell.Safe(fit[0].ID), cell.Safe(fit[0].Workflow))
	} else {
		d.question = fmt.Sprintf("%s %s?", v.word, plural(len(fit), "run"))
	}
	if over := len(runs) - len(fit); over > 0 {
		d.details = append(d.details, fmt.Sprintf("%s left out: not %s.", plural(over, "run"), v.only))
	}
	if len(fit) > 1 {
		for _, r := range fit {
			d.details = append(d.details, "  "+cell.Safe(r.ID)+"  "+cell.Safe(r.Workflow))
		}
	}
	a.dialog = d
	return nil
}

// mostAtOnce is how many runs of a filter are acted on in one job.
const mostAtOnce = 10_000

// actOnAll finds the runs that match, of those that the verb takes, and then
// asks with their count.
func (a *App) actOnAll(v *verb, f runFilter) tea.Cmd {
	if no := a.whyNot(); no != "" {
		a.say(theme.Notice, "%s", no)
		return nil
	}
	q := f.query(a.now())
	q.Status, q.Limit = nil, bigPage
	for _, s := range schema.RunStatuses {
		if v.takes(s) && (len(f.Status) == 0 || slices.Contains(f.Status, s)) {
			q.Status = append(q.Status, s)
		}
	}
	if len(q.Status) == 0 {
		a.say(theme.Notice, "%s is for runs that are %s, and the filter asks for none of those", strings.ToLower(v.word), v.only)
		return nil
	}
	if v.begin != nil {
		return a.operate(v, f, q)
	}
	a.say(theme.Active, "counting%s", a.theme.Ellipsis)
	return ask(a, &question{aloud: true}, func(ctx context.Context) ([]*schema.Run, error) {
		var found []*schema.Run
		for {
			page, err := a.client.Runs(ctx, q)
			if err != nil {
				return nil, err
			}
			found = append(found, light(page.Items)...)
			if page.NextCursor == "" || len(found) > mostAtOnce {
				return found, nil
			}
			q.Cursor = page.NextCursor
		}
	}, func(a *App, found []*schema.Run) tea.Cmd {
		a.note = note{}
		if len(found) > mostAtOnce {
			a.say(theme.Notice, "more than %s runs match: narrow the filter, or R takes them from the start", count(mostAtOnce))
			return nil
		}
		if len(found) == 0 {
			a.say(theme.Notice, "no run matches that is %s", v.only)
			return nil
		}
		cmd := a.actOn(v, found)
		if a.dialog != nil {
			a.dialog.details = []string{v.means, "These are the " + f.matching() + ", as just counted."}
			if len(found) > 1 {
				a.dialog.question = fmt.Sprintf("%s all %s?", v.word, plural(len(found), "run"))
			}
		}
		return cmd
	})
}

// copy puts a text into the clipboard of the reader's terminal (OSC 52).
func (a *App) copy(text string) tea.Cmd {
	a.say(theme.Good, "copied %s", cell.Safe(text))
	return tea.SetClipboard(text)
}

// openYAML shows a value of the server's as YAML.
func (a *App) openYAML(title string, get func(context.Context) (any, error)) tea.Cmd {
	doc := newDocument(title, nil)
	a.stack = append(a.stack, doc)
	return ask(a, &question{}, func(ctx context.Context) ([]string, error) {
		value, err := get(ctx)
		if err != nil {
			return []string{cell.Safe(err.Error())}, nil
		}
		text, err := a.encode(value)
		if err != nil {
			return []string{cell.Safe(err.Error())}, nil
		}
		return strings.Split(strings.TrimRight(cell.SafeLines(string(text)), "\n"), "\n"), nil
	}, func(_ *App, lines []string) tea.Cmd {
		doc.set(lines)
		return nil
	})
}

// encode writes a value as YAML, or as JSON where nobody gave an encoder.
func (a *App) encode(value any) ([]byte, error) {
	if a.yaml != nil {
		return a.yaml(value)
	}
	return json.MarshalIndent(value, "", "  ")
}
