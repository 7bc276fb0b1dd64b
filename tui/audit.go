package tui

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"paragon/schema/api"
	"paragon/tui/cell"
	"paragon/tui/theme"
)

// mostAudited is how many records of the audit log are listed, the newest.
const mostAudited = 1000

// newAudit lists who did, or was refused, what.
func newAudit() *listing[api.AuditRecord] {
	return &listing[api.AuditRecord]{
		title:   "audit",
		missing: "This server shows no audit log.",
		ask: func(a *App, v *listing[api.AuditRecord]) tea.Cmd {
			return ask(a, &v.q, func(ctx context.Context) (*api.List[api.AuditRecord], error) {
				return a.client.Audit(ctx, api.AuditQuery{Limit: mostAudited})
			}, func(a *App, page *api.List[api.AuditRecord]) tea.Cmd { return v.show(a, page.Items) })
		},
		list: list[api.AuditRecord]{
			id: func(r api.AuditRecord) string { return strconv.FormatInt(r.ID, 10) }, empty: "Nothing was done yet.", sortBy: -1,
			columns: []column[api.AuditRecord]{
				{title: "age", width: 4, right: true, text: func(a *App, r api.AuditRecord) string { return age(a.now(), r.At) }},
				{title: "outcome", width: 9, text: func(a *App, r api.AuditRecord) string { return a.theme.Status(cell.Safe(r.Outcome)) },
					compare: func(x, y api.AuditRecord) int { return strings.Compare(x.Outcome, y.Outcome) }},
				{title: "who", width: 16, text: func(_ *App, r api.AuditRecord) string { return cell.Safe(r.Actor) },
					compare: func(x, y api.AuditRecord) int { return strings.Compare(x.Actor, y.Actor) }},
				{title: "action", width: 14, text: func(_ *App, r api.AuditRecord) string { return cell.Safe(r.Action) },
					compare: func(x, y api.AuditRecord) int { return strings.Compare(x.Action, y.Action) }},
				{title: "object", width: 14, grow: true, text: func(_ *App, r api.AuditRecord) string { return cell.Safe(r.Object) },
					compare: func(x, y api.AuditRecord) int { return strings.Compare(x.Object, y.Object) }},
				{title: "from", width: 21, drop: 1, text: func(_ *App, r api.AuditRecord) string { return cell.Safe(r.From) }},
				{title: "detail", width: 40, drop: 2, text: func(_ *App, r api.AuditRecord) string { return brief(r.Detail) }},
			}},
		on: func(a *App, r api.AuditRecord, key string) (tea.Cmd, bool) {
			switch key {
			case "enter":
				return a.push(newDocument("audit record "+strconv.FormatInt(r.ID, 10), auditText(a, r))), true
			case "y":
				return a.copy(r.Object), true
			}
			return nil, false
		},
		help: func(*App) []binding {
			return []binding{{key: "enter", does: "whole record", line: true}, {key: "y", does: "copy the object"}}
		},
	}
}

// brief is a JSON value in one line.
func brief(value json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, value) != nil {
		return cell.Safe(string(value))
	}
	return cell.Safe(string(cell.SafeJSON(b.Bytes())))
}

func auditText(a *App, r api.AuditRecord) []string {
	w := &writer{th: a.theme, now: a.now()}
	w.field("at", clock(a.now(), r.At))
	w.field("who", cell.Safe(r.Actor))
	w.field("action", cell.Safe(r.Action))
	w.field("object", cell.Safe(r.Object))
	w.field("outcome", a.theme.Paint(theme.RoleOf(r.Outcome), cell.Safe(r.Outcome)))
	w.field("from", cell.Safe(r.From))
	if len(r.Detail) > 0 {
		w.head("Detail")
		w.json(r.Detail)
	}
	return w.lines
}
