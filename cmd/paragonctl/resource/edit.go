package resource

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/plan"
	"paragon/cmd/paragonctl/internal/source"
	"paragon/schema"
	"paragon/schema/api"
)

// EditOptions are what `edit` takes.
type EditOptions struct {
	env *command.Env
	cmd *cobra.Command
	ref schema.Ref
	yes bool
	out output.Flags
}

// NewEdit makes the edit command.
func NewEdit(env *command.Env) *cobra.Command {
	o := &EditOptions{env: env}
	cmd := &cobra.Command{
		Use:   "edit KIND NAME",
		Short: "Change a resource in your editor",
		Long: `Change a resource in your editor ($VISUAL, $EDITOR, else vi). What you save is checked,
the plan is shown, and once you say yes it is applied. A text with a mistake can be edited
again; when it can't be applied, its file is kept and named. Nothing happens when the text
is left as it is, or emptied.`,
		Example: `  paragonctl edit workflow lead-sync
  EDITOR="code --wait" paragonctl edit workflow lead-sync`,
		Args:              command.Args(1, 2, "a kind and a name"),
		ValidArgsFunction: completeRef(env),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			o.cmd = cmd
			if err := o.out.Check(); err != nil {
				return err
			}
			if o.ref, err = parseRef(args); err != nil {
				return err
			}
			if o.ref.Kind == schema.KindSecret {
				return &command.Failure{Code: command.ExitUsage, Err: errors.New("the value of a secret never leaves the server, so it can't be edited"),
					Try: "`paragonctl secret set " + o.ref.Name + "`"}
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&o.yes, "yes", false, "apply without asking")
	o.out.Register(cmd)
	return cmd
}

// editIntro is above the text in the editor.
const editIntro = "# Save and close to see what would change. An empty text changes nothing.\n"

func (o *EditOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	stored, err := client.Get(ctx, o.ref)
	if err != nil {
		return hint(o.ref, fmt.Errorf("edit %s: %w", o.ref, err))
	}
	text, err := source.Write(*stored, nil)
	if err != nil {
		return fmt.Errorf("edit %s: %w", o.ref, err)
	}
	text = append([]byte(editIntro), text...)
	path, err := o.draft(text)
	if err != nil {
		return fmt.Errorf("edit %s: %w", o.ref, err)
	}
	changed, err := o.session(ctx, client, stored, text, path)
	if err != nil {
		err = fmt.Errorf("edit %s: %w", o.ref, err)
		if _, statErr := os.Stat(path); statErr == nil && changed {
			return command.WithTry(err, "your text is kept: `paragonctl apply -f "+path+"`")
		}
	}
	if removeErr := os.Remove(path); err == nil && removeErr != nil {
		err = fmt.Errorf("edit %s: %w", o.ref, removeErr)
	}
	return err
}

// draft makes the file that is edited.
func (o *EditOptions) draft(text []byte) (path string, err error) {
	f, err := os.CreateTemp("", "paragonctl-edit-*.yaml") // 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(text)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return f.Name(), err
}

// session lets the person edit until the text is right, and applies it. It tells
// whether there is a text that is worth keeping when it fails.
func (o *EditOptions) session(ctx context.Context, client *api.Client, stored *api.StoredResource, before []byte, path string) (changed bool, err error) {
	for {
		if err := o.open(ctx, path); err != nil {
			return changed, err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return false, err
		}
		if bytes.Equal(text, before) || len(bytes.TrimSpace(text)) == 0 {
			fmt.Fprintln(o.env.Err, "Nothing was changed.")
			return false, nil
		}
		err = o.apply(ctx, client, stored, path, string(text))
		if err == nil || command.ExitCode(err) != command.ExitInvalid || !o.env.CanPrompt() {
			return true, err
		}
		o.env.Report(err)
		again, askErr := o.env.Confirm(ctx, "Edit it again?")
		if askErr != nil || !again {
			return true, err
		}
	}
}

// open runs the editor. As git does, the shell reads what $EDITOR says, which may
// have arguments of its own.
func (o *EditOptions) open(ctx context.Context, path string) error {
	editor := o.env.Getenv("VISUAL")
	if editor == "" {
		editor = o.env.Getenv("EDITOR")
	}
	if editor == "" {
		editor = "vi"
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", editor+` "$@"`, editor, path)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = o.env.In, o.env.Err, o.env.Err
	if o.env.OutTTY {
		cmd.Stdout = o.env.Out
	}
	if err := cmd.Run(); err != nil {
		return &command.Failure{Code: command.ExitFailure, Err: fmt.Errorf("the editor %q failed: %w", editor, err), Try: "set EDITOR to an editor that is installed"}
	}
	return nil
}

func (o *EditOptions) apply(ctx context.Context, client *api.Client, stored *api.StoredResource, path, text string) error {
	files := []api.File{{Name: path, Content: text}}
	set := source.Check(files)
	if !set.Valid() {
		return set.Invalid()
	}
	if len(set.Documents) != 1 || set.Documents[0].Ref() != o.ref {
		return &command.Failure{Code: command.ExitInvalid, Err: fmt.Errorf("the text must hold %s and nothing else; another name makes another resource, which is for apply", o.ref)}
	}
	// What a set applied stays the set's, so that its next --prune knows it.
	_, owner, _ := strings.Cut(stored.Status.Source, " @ ")
	req := api.ApplyRequest{Files: files, Set: owner}
	dry, err := client.Apply(ctx, req, api.ApplyOptions{DryRun: true})
	if err != nil {
		return err
	}
	if !dry.Changed {
		fmt.Fprintln(o.env.Err, "Nothing was changed.")
		return nil
	}
	if now := dry.Items[0]; now.Revision != stored.Status.Revision {
		return &command.Failure{Code: command.ExitConflict, Err: fmt.Errorf("somebody else changed it in the meantime: it has revision %d, and you edited %d", now.Revision, stored.Status.Revision)}
	}
	var b strings.Builder
	plan.Text(&b, o.env.ErrStyle(), dry.Items)
	fmt.Fprint(o.env.Err, b.String())
	if err := o.env.Confirmed(o.cmd, o.yes, fmt.Sprintf("Apply this to %s?", o.ref)); err != nil {
		return err
	}
	if _, err := client.Apply(ctx, req, api.ApplyOptions{}); err != nil {
		return err
	}
	return o.out.PrintDone(ctx, o.env.Streams, []output.Did{{Resource: o.ref.String(), Action: "configured"}}, nil)
}
