package plan

import (
	"fmt"
	"strings"

	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema/api"
)

// Text writes what changes, resource by resource, each as a tree down to the
// field. What stays as it is, is left out.
func Text(b *strings.Builder, style terminal.Style, items []api.ApplyItem) {
	for _, item := range items {
		if item.Action != api.ActionUnchanged {
			itemText(b, style, item)
		}
	}
}

func itemText(b *strings.Builder, style terminal.Style, item api.ApplyItem) {
	verb := map[api.Action]string{
		api.ActionCreate: "would be created", api.ActionUpdate: "would change", api.ActionDelete: "would be deleted",
	}[item.Action]
	fmt.Fprintf(b, "%s %s", style.Bold(terminal.Safe(item.Ref.String())), verb)
	if item.Revision > 0 {
		fmt.Fprintf(b, " (revision %d)", item.Revision)
	}
	b.WriteByte('\n')
	changeTree(item.Changes).write(b, style, "  ")
}

// Summary counts the changes in one line: "1 to create, 2 to change, 1 to
// delete".
func Summary(items []api.ApplyItem) string {
	tally := map[api.Action]int{}
	for _, item := range items {
		tally[item.Action]++
	}
	var parts []string
	for _, c := range []struct {
		action api.Action
		words  string
	}{{api.ActionCreate, "to create"}, {api.ActionUpdate, "to change"}, {api.ActionDelete, "to delete"}} {
		if n := tally[c.action]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, c.words))
		}
	}
	if len(parts) == 0 {
		return "no changes"
	}
	return strings.Join(parts, ", ")
}

// Comparison writes what differs between two states, as trees of fields.
func Comparison(b *strings.Builder, style terminal.Style, found *api.Comparison) {
	if !found.Changed {
		b.WriteString("Nothing differs.\n")
	}
	verbs := map[api.Action]string{api.ActionCreate: "is new", api.ActionUpdate: "differs", api.ActionDelete: "is gone"}
	for _, item := range found.Items {
		b.WriteString(style.Bold(terminal.Safe(item.Ref.String())) + " " + verbs[item.Action] + "\n")
		changeTree(item.Changes).write(b, style, "  ")
	}
}
