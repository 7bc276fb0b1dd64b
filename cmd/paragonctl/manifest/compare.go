package manifest

import (
	"context"
	"io"
	"strings"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/plan"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema/api"
)

// PrintComparison writes what differs between two states: for people as trees
// of fields, as diff does.
func PrintComparison(ctx context.Context, env *command.Env, out *output.Flags, found *api.Comparison) error {
	view := output.View{Value: found, Items: []any{}}
	for _, item := range found.Items {
		view.Items = append(view.Items, item)
		view.Names = append(view.Names, item.Ref.String())
	}
	view.Text = func(w io.Writer, style terminal.Style) error {
		var b strings.Builder
		plan.Comparison(&b, style, found)
		_, err := io.WriteString(w, b.String())
		return err
	}
	return out.Print(ctx, env.Streams, view)
}
