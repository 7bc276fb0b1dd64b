package resource

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/source"
	"paragon/schema"
	"paragon/schema/api"
)

// DeleteOptions are what `delete` takes.
type DeleteOptions struct {
	env      *command.Env
	cmd      *cobra.Command
	refs     []schema.Ref
	revision int64
	missing  bool
	force    bool
	yes      bool
	out      output.Flags
	source   source.Flags
}

// NewDelete makes the delete command.
func NewDelete(env *command.Env) *cobra.Command {
	o := &DeleteOptions{env: env}
	cmd := &cobra.Command{
		Use:   "delete KIND NAME... | -f FILE",
		Short: "Delete resources",
		Long: `Delete resources. Their revisions are kept: "rollback" brings one back. Runs that
have started go on.`,
		Example: `  paragonctl delete workflow lead-sync
  paragonctl delete workflow/lead-sync secret/CRM_TOKEN --yes
  paragonctl delete -f workflows/old/ --ignore-not-found`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeRef(env),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			o.cmd = cmd
			if err := o.out.Check(); err != nil {
				return err
			}
			switch {
			case len(o.source.Paths) > 0 && len(args) > 0:
				return command.Usage("delete takes names or -f, not both")
			case len(o.source.Paths) > 0:
				o.refs, err = o.documents()
			case len(args) == 0:
				return command.Args(1, -1, "a kind and a name, or -f")(cmd, args)
			default:
				o.refs, err = parseRefs(args)
			}
			if err != nil {
				return err
			}
			if o.revision != 0 && len(o.refs) > 1 {
				return command.Usage("--revision is for one resource")
			}
			return o.run(cmd.Context())
		},
	}
	o.source.Register(cmd)
	cmd.Flags().Int64Var(&o.revision, "revision", 0, "only if this is the current revision")
	cmd.Flags().BoolVar(&o.missing, "ignore-not-found", false, "count one that is not there as deleted")
	cmd.Flags().BoolVar(&o.force, "force", false, "also what other resources still use")
	cmd.Flags().BoolVar(&o.yes, "yes", false, "don't ask")
	o.out.Register(cmd)
	return cmd
}

// documents are the resources that documents define, in the order in which they
// can be deleted: what others refer to comes last.
func (o *DeleteOptions) documents() ([]schema.Ref, error) {
	files, err := o.source.Read(o.env)
	if err != nil {
		return nil, err
	}
	set := source.Check(files)
	if !set.Valid() {
		return nil, fmt.Errorf("delete: %w", set.Invalid())
	}
	set.ForServer()
	var refs []schema.Ref
	for _, kind := range slices.Backward(schema.Kinds) {
		for i := range set.Documents {
			if ref := set.Documents[i].Ref(); ref.Kind == kind {
				refs = append(refs, ref)
			}
		}
	}
	if len(refs) == 0 {
		return nil, &command.Failure{Code: command.ExitInvalid, Err: errors.New("delete: no document is of a resource that a server has")}
	}
	return refs, nil
}

func (o *DeleteOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	names := make([]string, len(o.refs))
	for i, ref := range o.refs {
		names[i] = ref.String()
	}
	if err := o.env.Confirmed(o.cmd, o.yes, "Delete "+strings.Join(names, ", ")+"?"); err != nil {
		return err
	}
	done, err := o.delete(ctx, client)
	return o.out.PrintDone(ctx, o.env.Streams, done, err)
}

// delete deletes one after the other, and returns those that it has deleted.
func (o *DeleteOptions) delete(ctx context.Context, client *api.Client) ([]output.Did, error) {
	var done []output.Did
	for _, ref := range o.refs {
		err := client.Delete(ctx, ref, api.DeleteOptions{Revision: o.revision, Force: o.force})
		if err != nil && o.missing && command.ExitCode(err) == command.ExitNotFound {
			continue
		}
		if err != nil {
			err = fmt.Errorf("delete %s: %w", ref, err)
			if !o.force && inUse(err) {
				return done, command.WithTry(err, "change what uses it first; --force deletes it all the same")
			}
			return done, hint(ref, err)
		}
		done = append(done, output.Did{Resource: ref.String(), Action: "deleted"})
	}
	return done, nil
}

// inUse tells whether the server refused because others use the resource.
func inUse(err error) bool {
	var p *schema.Problem
	return errors.As(err, &p) && p.Type == schema.ProblemConflict
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
