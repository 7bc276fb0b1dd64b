package output

import (
	"context"
	"fmt"
	"io"

	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema/api"
)

// Did says what a command did to one thing ("workflow/lead-sync", "deleted").
type Did struct {
	Resource string `json:"resource"`
	Action   string `json:"action"`
}

// Applied says what was done to a resource, as kubectl does.
func Applied(action api.Action) string {
	switch action {
	case api.ActionCreate:
		return "created"
	case api.ActionUpdate:
		return "configured"
	case api.ActionDelete:
		return "deleted"
	case api.ActionUnchanged:
		return "unchanged"
	}
	return string(action)
}

// PrintDone writes what a command did, one line a thing, and returns err: what
// was done before it failed is said all the same.
func (f *Flags) PrintDone(ctx context.Context, s *terminal.Streams, done []Did, err error) error {
	if err != nil && len(done) == 0 {
		return err
	}
	view := ListOf(done, func(d Did) string { return d.Resource })
	view.Text = func(w io.Writer, style terminal.Style) error {
		for _, d := range done {
			if _, err := fmt.Fprintf(w, "%s %s\n", terminal.Safe(d.Resource), style.Action(d.Action)); err != nil {
				return err
			}
		}
		return nil
	}
	if printErr := f.Print(ctx, s, view); err == nil {
		err = printErr
	}
	return err
}
