package backup

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/source"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/schema/api"
)

// RestoreOptions are what `restore` takes.
type RestoreOptions struct {
	env  *command.Env
	cmd  *cobra.Command
	dir  string
	yes  bool
	out  output.Flags
	done []output.Did
}

// NewRestore makes the restore command.
func NewRestore(env *command.Env) *cobra.Command {
	o := &RestoreOptions{env: env}
	cmd := &cobra.Command{
		Use:   "restore DIRECTORY",
		Short: "Bring back what export --all wrote, on an empty installation",
		Long: `Bring back what "export --all" wrote, on an empty installation: projects with
their settings, their users' public keys and all resources, and an invitation for
each member. It needs the key of an owner of the project default, as
"paragond bootstrap" prints it. Every document of every project is read, checked and
decrypted (PARAGON_AGE_KEY_FILE names the age identity) before anything is written.

What is there already and says the same stays as it is, so that a restore that broke
off is simply started again; what differs is replaced, once you say yes. The keys of
new projects and the tokens of invitations are printed this once, on the standard error.`,
		Example: `  paragonctl export --all --dir backup-2026-01-31 --secrets-for age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p
  PARAGON_AGE_KEY_FILE=identity.txt paragonctl restore backup-2026-01-31`,
		Args: command.Args(1, 1, "a directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.out.Check(); err != nil {
				return err
			}
			o.cmd, o.dir = cmd, args[0]
			err := o.run(cmd.Context())
			return o.out.PrintDone(cmd.Context(), env.Streams, o.done, err)
		},
	}
	cmd.Flags().BoolVar(&o.yes, "yes", false, "don't ask before replacing what differs")
	o.out.Register(cmd)
	return cmd
}

// part is one project of a backup, read and checked.
type part struct {
	project
	request api.ApplyRequest
	// there says that the project exists.
	there bool
}

func (o *RestoreOptions) run(ctx context.Context) error {
	parts, err := o.read()
	if err != nil {
		return &command.Failure{Code: command.ExitInvalid, Err: fmt.Errorf("restore: %w", err)}
	}
	conn, err := o.env.Connection()
	if err != nil {
		return err
	}
	all := o.env.ClientFor(conn)
	defer all.Close()
	mine, err := all.Projects(ctx)
	if err != nil {
		return fmt.Errorf("restore: list the projects: %w", err)
	}
	var differ int
	for i := range parts {
		p := &parts[i]
		if p.there = slices.ContainsFunc(mine.Items, func(m api.Project) bool { return m.Name == p.Name }); !p.there {
			continue
		}
		client := clientIn(o.env, conn, p.Name)
		n, err := differing(ctx, client, p)
		client.Close()
		if err != nil {
			return fmt.Errorf("restore project %s: %w", p.Name, err)
		}
		differ += n
	}
	if differ > 0 {
		if err := o.env.Confirmed(o.cmd, o.yes, fmt.Sprintf("Replace what differs from the backup, %d in number?", differ)); err != nil {
			return err
		}
	}
	for i := range parts {
		if err := o.project(ctx, all, conn, &parts[i]); err != nil {
			return fmt.Errorf("restore project %s: %w", parts[i].Name, err)
		}
	}
	return nil
}

// project makes a project that is not there, and brings it back.
func (o *RestoreOptions) project(ctx context.Context, all *api.Client, conn command.Connection, p *part) error {
	// Of an installation's owner, who alone may set settings.
	owner := clientIn(o.env, conn, p.Name)
	defer owner.Close()
	if p.there {
		return o.restore(ctx, owner, owner, p)
	}
	client, err := o.create(ctx, all, conn, p)
	if err != nil {
		return err
	}
	defer client.Close()
	return o.restore(ctx, owner, client, p)
}

// read reads, checks and decrypts everything.
func (o *RestoreOptions) read() ([]part, error) {
	projects, err := readProjects(o.dir)
	if err != nil {
		return nil, err
	}
	parts := make([]part, len(projects))
	for i, p := range projects {
		parts[i].project = p
		dir := filepath.Join(o.dir, p.Name, resourcesDir)
		names, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
		if err != nil || len(names) == 0 {
			continue // a project without resources
		}
		files, err := (&source.Flags{Paths: []string{dir}}).Read(o.env)
		if err != nil {
			return nil, err
		}
		set := source.Check(files)
		if set.Valid() {
			parts[i].request.Values = set.Values(o.env)
		}
		if !set.Valid() {
			return nil, set.Invalid()
		}
		parts[i].request.Files = set.Files
	}
	return parts, nil
}

// differing counts the resources that are there with something else in them.
func differing(ctx context.Context, client *api.Client, p *part) (n int, err error) {
	if len(p.request.Files) == 0 {
		return 0, nil
	}
	plan, err := client.Apply(ctx, p.request, api.ApplyOptions{DryRun: true})
	if err != nil {
		return 0, err
	}
	for _, item := range plan.Items {
		if item.Action == api.ActionUpdate {
			n++
		}
	}
	return n, nil
}

// create makes a project, and returns a client that may work in it: of the key
// that came with it, or of the caller, who is its first owner.
func (o *RestoreOptions) create(ctx context.Context, all *api.Client, conn command.Connection, p *part) (*api.Client, error) {
	made, err := all.CreateProject(ctx, p.Name)
	if problem := (*schema.Problem)(nil); errors.As(err, &problem) && problem.Type == schema.ProblemConflict {
		return nil, command.WithTry(err, "it is there, and your key is of another project: log in as its owner, or use its own key")
	}
	if err != nil {
		return nil, err
	}
	o.did("project/"+p.Name, "created")
	if made.Token != "" {
		fmt.Fprintf(o.env.Err, "The key of project %s's owner, shown this once: %s\n", terminal.Safe(p.Name), terminal.Safe(made.Token))
		conn.Token = made.Token
	}
	return clientIn(o.env, conn, p.Name), nil
}

// restore brings one project back, resources first: the rest can be made by hand.
func (o *RestoreOptions) restore(ctx context.Context, owner, client *api.Client, p *part) error {
	if len(p.request.Files) > 0 {
		result, err := client.Apply(ctx, p.request, api.ApplyOptions{})
		if err != nil {
			return err
		}
		for _, item := range result.Items {
			o.did(p.Name+"/"+item.Ref.String(), output.Applied(item.Action))
		}
	}
	settings, err := client.Settings(ctx)
	if err != nil {
		return fmt.Errorf("its settings: %w", err)
	}
	if *settings != p.Settings {
		if _, err := owner.SetSettings(ctx, p.Settings); err != nil {
			return fmt.Errorf("its settings: %w", err)
		}
		o.did(p.Name+"/settings", "configured")
	}
	for _, k := range p.UserKeys {
		if _, err := client.PutUserKey(ctx, k.ID, api.PutUserKeyRequest{PublicKey: k.PublicKey, Algorithm: k.Algorithm}); err != nil {
			return fmt.Errorf("its users' key %s: %w", k.ID, err)
		}
		o.did(p.Name+"/user-key/"+k.ID, "configured")
	}
	return o.invite(ctx, client, p)
}

// invite invites who is neither a member nor invited.
func (o *RestoreOptions) invite(ctx context.Context, client *api.Client, p *part) error {
	there, err := client.Members(ctx)
	if err != nil {
		return fmt.Errorf("its members: %w", err)
	}
	for _, m := range p.Members {
		if slices.ContainsFunc(there.Items, func(t api.Member) bool { return t.Email == m.Email }) {
			continue
		}
		invitation, err := client.Invite(ctx, m.Email, m.Role)
		if err != nil {
			return fmt.Errorf("invite %s: %w", m.Email, err)
		}
		fmt.Fprintf(o.env.Err, "The invitation of %s to project %s as %s, shown this once: %s\n",
			terminal.Safe(m.Email), terminal.Safe(p.Name), terminal.Safe(m.Role), terminal.Safe(invitation.Token))
		o.did(p.Name+"/member/"+m.Email, "invited")
	}
	return nil
}

func (o *RestoreOptions) did(what, action string) {
	o.done = append(o.done, output.Did{Resource: what, Action: action})
}
