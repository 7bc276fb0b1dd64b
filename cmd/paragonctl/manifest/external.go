package manifest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/source"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows"
)

// external shows a plan with the program that PARAGONCTL_EXTERNAL_DIFF names:
// it is called with two directories, of what the server has and of what the
// documents say, one file a resource that differs. Secrets are shown by
// digest.
func (o *DiffOptions) external(ctx context.Context, program string, client *api.Client, set *source.Set, plan *api.ApplyResult) error {
	dir, err := os.MkdirTemp("", "paragonctl-diff-")
	if err != nil {
		return fmt.Errorf("diff: %w", err)
	}
	defer os.RemoveAll(dir)
	live, wanted := filepath.Join(dir, "live"), filepath.Join(dir, "documents")
	for _, d := range []string{live, wanted} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return fmt.Errorf("diff: %w", err)
		}
	}
	for _, item := range plan.Items {
		if item.Action == api.ActionUnchanged {
			continue
		}
		// Names have been checked by the server, and are checked again since
		// they become those of files.
		name := item.Kind.Singular() + "-" + item.Name + ".yaml"
		if filepath.Base(name) != name {
			return fmt.Errorf("diff: %s can't be the name of a file", item.Ref)
		}
		if item.Action != api.ActionCreate {
			stored, err := client.Get(ctx, item.Ref)
			if err != nil {
				return fmt.Errorf("diff: %w", err)
			}
			if err := writeDocument(filepath.Join(live, name), stored.Resource); err != nil {
				return err
			}
		}
		for _, d := range set.Documents {
			if d.Ref() != item.Ref {
				continue
			}
			if d.Kind == schema.KindSecret {
				d.Spec = digestOf(item.Changes)
			}
			if err := writeDocument(filepath.Join(wanted, name), d.Resource); err != nil {
				return err
			}
		}
	}
	words := strings.Fields(program)
	cmd := exec.CommandContext(ctx, words[0], append(words[1:], live, wanted)...)
	cmd.Stdout, cmd.Stderr = o.env.Out, o.env.Err
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return nil // as diff says that there are differences
	}
	if err != nil {
		return &command.Failure{Code: command.ExitUsage, Err: fmt.Errorf("diff: run %s: %w", words[0], err), Try: "correct PARAGONCTL_EXTERNAL_DIFF, or unset it"}
	}
	return nil
}

// digestOf is the spec of a secret that is not to be shown.
func digestOf(changes []api.FieldChange) json.RawMessage {
	for _, c := range changes {
		if c.Field == "spec.digest" && c.After != nil {
			return json.RawMessage(`{"digest":` + string(c.After) + `}`)
		}
	}
	return json.RawMessage(`{}`)
}

func writeDocument(path string, r schema.Resource) error {
	text, err := workflows.MarshalYAML(r)
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("diff: %w", err)
	}
	return nil
}
