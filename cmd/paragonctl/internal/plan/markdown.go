package plan

import (
	"fmt"
	"strings"

	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema/api"
)

// maxMarkdown bounds a plan in Markdown, in bytes: a comment on GitHub holds
// 65,536 characters, and one of GitLab a million.
const maxMarkdown = 60_000

// Markdown writes the plan as a comment on a pull request: the counts, then
// each change as a diff that can be folded, deletions first since they are what a
// reviewer must not miss. A plan that is too long for a comment ends with how
// many changes are left out.
func Markdown(title string, items []api.ApplyItem) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s: %s\n", title, Summary(items))
	left := 0
	for _, action := range []api.Action{api.ActionDelete, api.ActionUpdate, api.ActionCreate} {
		for _, item := range items {
			if item.Action != action {
				continue
			}
			text := markdownItem(item)
			if b.Len()+len(text) > maxMarkdown {
				left++
				continue
			}
			b.WriteString(text)
		}
	}
	if left > 0 {
		fmt.Fprintf(&b, "\n%d more are too long to be shown here.\n", left)
	}
	return b.String()
}

func markdownItem(item api.ApplyItem) string {
	verb := map[api.Action]string{
		api.ActionCreate: "would be created", api.ActionUpdate: "would change", api.ActionDelete: "would be deleted",
	}[item.Action]
	var tree strings.Builder
	changeTree(item.Changes).write(&tree, terminal.Plain, "  ")
	name := terminal.Safe(item.Ref.String())
	if tree.Len() == 0 {
		return fmt.Sprintf("\n- `%s` %s\n", name, verb)
	}
	open := ""
	if item.Action == api.ActionDelete {
		open = " open"
	}
	fence := fenceFor(tree.String())
	return fmt.Sprintf("\n<details%s><summary><code>%s</code> %s</summary>\n\n%sdiff\n%s%s\n\n</details>\n",
		open, name, verb, fence, signsFirst(tree.String()), fence)
}

// signsFirst moves the sign of a line to its start, where the highlighting of
// diffs looks for it.
func signsFirst(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		rest := strings.TrimLeft(line, " ")
		space := len(line) - len(rest)
		if len(rest) > 1 && (rest[0] == '-' || rest[0] == '+') && rest[1] == ' ' {
			line = rest[:1] + strings.Repeat(" ", space) + rest[1:]
		}
		b.WriteString(line)
	}
	return b.String()
}

// fenceFor is a fence that the text does not hold, so that nothing in it can end
// the block.
func fenceFor(text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence
}
