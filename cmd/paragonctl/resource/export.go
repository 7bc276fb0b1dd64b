package resource

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/backup"
	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/source"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/schema/api"
)

// ExportOptions are what `export` takes.
type ExportOptions struct {
	env   *command.Env
	kinds []schema.Kind
	refs  []schema.Ref
	dir   string
	force bool
	// all exports every project, recipient is who can read the secrets' values.
	all       bool
	recipient string
	sealed    map[string]string
	out       output.Flags
}

// NewExport makes the export command.
func NewExport(env *command.Env) *cobra.Command {
	o := &ExportOptions{env: env}
	cmd := &cobra.Command{
		Use:   "export [KIND [NAME...]]",
		Short: "Write stored resources as YAML that apply reads",
		Long: `Write stored resources as YAML that apply reads: all of them, those of a kind, or
the named ones, to standard output or one file each to a directory.

The value of a secret does not leave the server; its document says
"valueFrom: {env: NAME}" instead. An owner may have the values encrypted for an age
recipient, --secrets-for: apply and restore decrypt them with its identity.

--all is the back-up of the configuration: every project that you have a role in, with
its settings, its users' public keys and its members, into a directory that "restore"
brings back. Users, their credentials and the history are in Postgres' own back-up.`,
		Example: `  paragonctl export --dir workflows
  paragonctl export workflow lead-sync > lead-sync.yaml
  paragonctl export --all --dir backup-2026-01-31 --secrets-for age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p
  paragonctl export --context staging | paragonctl diff --context production -f -`,
		ValidArgsFunction: completeRef(env),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err := o.out.Check(); err != nil {
				return err
			}
			if o.all {
				return o.runAll(cmd.Context(), args)
			}
			if o.dir != "" && o.out.Format == output.YAML {
				o.out.Format = "" // that is what the files are
			}
			switch len(args) {
			case 0:
				o.kinds = schema.Kinds
			case 1:
				if kind, kindErr := parseKind(args[0]); kindErr == nil {
					o.kinds = []schema.Kind{kind}
					break
				}
				fallthrough
			default:
				if o.refs, err = parseRefs(args); err != nil {
					return err
				}
			}
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&o.dir, "dir", "", "write one file a resource into this directory")
	cmd.Flags().BoolVar(&o.force, "force", false, "replace files that are there")
	cmd.Flags().BoolVar(&o.all, "all", false, "export every project into --dir, as restore brings it back")
	cmd.Flags().StringVar(&o.recipient, "secrets-for", "", "export the values of secrets, encrypted for this age recipient")
	o.out.Register(cmd)
	return cmd
}

// runAll exports all projects.
func (o *ExportOptions) runAll(ctx context.Context, args []string) error {
	switch {
	case len(args) > 0:
		return command.Usage("--all exports everything: a kind or a name goes without it")
	case o.dir == "":
		return command.Usage("--all needs --dir: a directory that is not there yet")
	case o.force:
		return command.Usage("--force does not go with --all: a back-up has a directory of its own")
	}
	done, err := backup.Export(ctx, o.env, o.dir, o.recipient)
	return o.out.PrintDone(ctx, o.env.Streams, done, err)
}

func (o *ExportOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	var items []api.StoredResource
	for _, kind := range o.kinds {
		for item, err := range client.All(ctx, kind) {
			if err != nil {
				return fmt.Errorf("export %s: %w", kind.Path(), err)
			}
			items = append(items, item)
		}
	}
	for _, ref := range o.refs {
		item, err := client.Get(ctx, ref)
		if err != nil {
			return hint(ref, fmt.Errorf("export %s: %w", ref, err))
		}
		items = append(items, *item)
	}
	if o.sealed, err = source.Sealed(ctx, client, o.recipient); err != nil {
		return fmt.Errorf("export the values of secrets: %w", err)
	}
	if o.dir == "" && !o.out.ForPeople() && o.out.Format != output.YAML {
		return o.print(ctx, items)
	}
	var done []output.Did
	for i, item := range items {
		text, err := source.Write(item, o.sealed)
		if err != nil {
			return fmt.Errorf("export %s: %w", refOf(item), err)
		}
		if o.dir != "" {
			if err := o.write(item, text); err != nil {
				return err
			}
			done = append(done, output.Did{Resource: refOf(item).String(), Action: "exported"})
			continue
		}
		if i > 0 {
			fmt.Fprintln(o.env.Out, "---")
		}
		if _, err := o.env.Out.Write(text); err != nil {
			return err
		}
	}
	if o.dir != "" {
		fmt.Fprintf(o.env.Err, "%d files in %s\n", len(items), terminal.Safe(o.dir))
		if !o.out.ForPeople() {
			return o.out.PrintDone(ctx, o.env.Streams, done, nil)
		}
	}
	return nil
}

// print writes the documents in another form than YAML; apply reads JSON, too.
func (o *ExportOptions) print(ctx context.Context, items []api.StoredResource) error {
	var list []schema.Resource
	for _, item := range items {
		doc, err := source.Portable(item, o.sealed)
		if err != nil {
			return fmt.Errorf("export %s: %w", refOf(item), err)
		}
		list = append(list, doc)
	}
	return o.out.Print(ctx, o.env.Streams, output.ListOf(list, func(r schema.Resource) string {
		return schema.Ref{Kind: r.Kind, Name: r.Metadata.Name}.String()
	}))
}

// write puts a document into a file of its own.
func (o *ExportOptions) write(item api.StoredResource, text []byte) error {
	name, err := source.FileName(item)
	if err != nil {
		return fmt.Errorf("export %s: %w", refOf(item), err)
	}
	if err := os.MkdirAll(o.dir, 0o777); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if !o.force {
		flags |= os.O_EXCL
	}
	f, err := os.OpenFile(filepath.Join(o.dir, name), flags, 0o666)
	if err != nil {
		err = fmt.Errorf("export %s: %w", refOf(item), err)
		if errors.Is(err, fs.ErrExist) {
			return command.WithTry(err, "--force replaces files")
		}
		return err
	}
	_, err = f.Write(text)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
