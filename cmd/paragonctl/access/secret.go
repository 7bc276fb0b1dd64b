package access

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/complete"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/schema/api"
)

// NewSecret makes the secret group.
func NewSecret(env *command.Env) *cobra.Command {
	return command.NewGroup("secret", "Set, list and delete secrets", newSecretSet(env), newSecretList(env), newSecretDelete(env))
}

// SecretSetOptions are what `secret set` takes.
type SecretSetOptions struct {
	env         *command.Env
	name        string
	stdin       bool
	file        string
	variable    string
	envFile     string
	description string
}

func newSecretSet(env *command.Env) *cobra.Command {
	o := &SecretSetOptions{env: env}
	cmd := &cobra.Command{
		Use:   "set NAME [-]",
		Short: "Set the value of a secret",
		Long: `Set the value of a secret. The value is never an argument, where other users of the
machine and the shell's history would see it: it is asked for, or read from
standard input (-), a file or a variable of the environment. One line break at
its end is not part of it.`,
		Example: `  paragonctl secret set CRM_TOKEN
  pass show crm | paragonctl secret set CRM_TOKEN -
  paragonctl secret set CRM_TOKEN --from-file token.txt
  paragonctl secret set --env-file .env`,
		Args:              command.Args(0, 2, "a name, and - for standard input"),
		ValidArgsFunction: complete.Resources(env, schema.KindSecret),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.parse(args); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.file, "from-file", "", "read the value from a file")
	f.StringVar(&o.variable, "from-env", "", "read the value from a variable of the environment")
	f.StringVar(&o.envFile, "env-file", "", "set a secret for each NAME=VALUE line of a file")
	f.StringVar(&o.description, "description", "", "what the secret is for")
	return cmd
}

func (o *SecretSetOptions) parse(args []string) error {
	if len(args) == 2 {
		if args[1] != "-" {
			return &command.Failure{Code: command.ExitUsage, Err: errors.New("a secret's value is not given on the command line, where others can see it"),
				Try: "leave it out to be asked for it, or use - for standard input, --from-file or --from-env"}
		}
		o.stdin = true
	}
	if len(args) > 0 {
		o.name = args[0]
	}
	sources := 0
	for _, used := range []bool{o.stdin, o.file != "", o.variable != "", o.envFile != ""} {
		if used {
			sources++
		}
	}
	switch {
	case sources > 1:
		return command.Usage("-, --from-file, --from-env and --env-file exclude each other")
	case o.envFile != "" && o.name != "":
		return command.Usage("--env-file names its secrets itself; leave %s out", o.name)
	case o.envFile == "" && o.name == "":
		return command.Usage("secret set needs the name of the secret")
	}
	return nil
}

func (o *SecretSetOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	names, values := []string{o.name}, map[string]string{}
	if o.envFile != "" {
		if names, values, err = readEnvFile(o.envFile); err != nil {
			return err
		}
	} else {
		value, err := o.value(ctx)
		if err != nil {
			return err
		}
		if value == "" {
			return &command.Failure{Code: command.ExitInvalid, Err: fmt.Errorf("set secret %s: the value is empty", o.name)}
		}
		values[o.name] = value
	}
	var docs bytes.Buffer
	for _, name := range names {
		text, err := secretDocument(name, o.description)
		if err != nil {
			return err
		}
		docs.WriteString("---\n")
		docs.Write(text)
		docs.WriteByte('\n')
	}
	result, err := client.Apply(ctx, api.ApplyRequest{
		Files:  []api.File{{Name: "secret", Content: docs.String()}},
		Values: values,
	}, api.ApplyOptions{})
	if err != nil {
		return fmt.Errorf("set %s: %w", secretNames(names), err)
	}
	for _, item := range result.Items {
		word := map[api.Action]string{api.ActionCreate: "created", api.ActionUpdate: "configured"}[item.Action]
		if word == "" {
			word = string(item.Action)
		}
		fmt.Fprintf(o.env.Out, "%s %s\n", terminal.Safe(item.String()), o.env.OutStyle().Action(word))
	}
	return nil
}

// secretDocument is the document of a secret whose value travels beside it.
// JSON is YAML, too.
func secretDocument(name, description string) ([]byte, error) {
	spec, err := json.Marshal(schema.SecretSpec{Description: description, ValueFrom: &schema.SecretSource{Env: name}})
	if err != nil {
		return nil, err
	}
	return json.Marshal(schema.Resource{
		APIVersion: schema.APIVersion, Kind: schema.KindSecret,
		Metadata: schema.Metadata{Name: name}, Spec: spec,
	})
}

func secretNames(names []string) string {
	if len(names) == 1 {
		return "secret " + names[0]
	}
	return fmt.Sprintf("%d secrets", len(names))
}

// value reads the secret from where the flags say.
func (o *SecretSetOptions) value(ctx context.Context) (string, error) {
	switch {
	case o.stdin:
		return o.env.ReadSecret()
	case o.file != "":
		text, err := os.ReadFile(o.file)
		if err != nil {
			return "", &command.Failure{Code: command.ExitInvalid, Err: fmt.Errorf("set secret %s: %w", o.name, err)}
		}
		return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
	case o.variable != "":
		value := o.env.Getenv(o.variable)
		if value == "" {
			return "", &command.Failure{Code: command.ExitInvalid, Err: fmt.Errorf("set secret %s: the variable %s is not set", o.name, o.variable)}
		}
		return value, nil
	}
	value, err := o.env.AskSecret(ctx, "Value of "+o.name)
	if errors.Is(err, terminal.ErrNoPrompt) {
		return "", &command.Failure{Code: command.ExitUsage, Err: fmt.Errorf("set secret %s: there is no terminal to ask for the value", o.name),
			Try: "use - for standard input, --from-file or --from-env"}
	}
	return value, err
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// readEnvFile reads NAME=VALUE lines: empty lines and comments are skipped,
// "export " in front and quotes around the value go away. Errors never quote a
// line, which may hold a secret.
func readEnvFile(path string) (names []string, values map[string]string, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, &command.Failure{Code: command.ExitInvalid, Err: fmt.Errorf("read the secrets: %w", err)}
	}
	values = map[string]string{}
	scan := bufio.NewScanner(bytes.NewReader(text))
	scan.Buffer(nil, 1<<20)
	for n := 1; scan.Scan(); n++ {
		line := strings.TrimSpace(scan.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		name = strings.TrimSpace(name)
		if !ok || !envName.MatchString(name) {
			return nil, nil, &command.Failure{Code: command.ExitInvalid, Err: fmt.Errorf("%s:%d: this is not NAME=VALUE", path, n)}
		}
		value = strings.TrimSpace(value)
		if len(value) >= 2 && (value[0] == '"' || value[0] == '\'') && value[len(value)-1] == value[0] {
			value = value[1 : len(value)-1]
		}
		if value == "" {
			return nil, nil, &command.Failure{Code: command.ExitInvalid, Err: fmt.Errorf("%s:%d: the value of %s is empty", path, n, name)}
		}
		if _, twice := values[name]; !twice {
			names = append(names, name)
		}
		values[name] = value
	}
	if err := scan.Err(); err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(names) == 0 {
		return nil, nil, &command.Failure{Code: command.ExitInvalid, Err: fmt.Errorf("%s holds no NAME=VALUE line", path)}
	}
	return names, values, nil
}

// SecretListOptions are what `secret list` takes.
type SecretListOptions struct {
	env *command.Env
	out output.Flags
}

func newSecretList(env *command.Env) *cobra.Command {
	o := &SecretListOptions{env: env}
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"},
		Short: "List secrets: names, digests and versions, never values",
		Args:  command.Args(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.out.Check(); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	o.out.Register(cmd)
	return cmd
}

func (o *SecretListOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	var items []api.StoredResource
	for item, err := range client.All(ctx, schema.KindSecret) {
		if err != nil {
			return fmt.Errorf("list secrets: %w", err)
		}
		items = append(items, item)
	}
	view := output.ListOf(items, func(r api.StoredResource) string { return r.Metadata.Name })
	g := &output.Grid{Columns: []output.Column{
		{Title: "NAME"}, {Title: "VERSION"}, {Title: "DIGEST"}, {Title: "UPDATED"}, {Title: "BY", Cut: true}, {Title: "DESCRIPTION", Cut: true},
	}}
	for _, r := range items {
		var spec schema.SecretSpec
		// A spec of a newer server still lists.
		_ = json.Unmarshal(r.Spec, &spec)
		digest, version := r.Status.Digest, r.Status.Revision
		if spec.Digest != "" {
			digest = spec.Digest
		}
		if spec.Version != 0 {
			version = spec.Version
		}
		g.Rows = append(g.Rows, []string{
			r.Metadata.Name, fmt.Sprint(version), digest[:min(len(digest), 12)], output.Age(o.env.Now(), r.Status.UpdatedAt),
			r.Status.UpdatedBy, spec.Description,
		})
	}
	view.Table, view.Empty = g, "No secrets."
	return o.out.Print(ctx, o.env.Streams, view)
}

// SecretDeleteOptions are what `secret delete` takes.
type SecretDeleteOptions struct {
	env   *command.Env
	cmd   *cobra.Command
	names []string
	force bool
	yes   bool
}

func newSecretDelete(env *command.Env) *cobra.Command {
	o := &SecretDeleteOptions{env: env}
	cmd := &cobra.Command{
		Use:               "delete NAME...",
		Aliases:           []string{"rm"},
		Short:             "Delete secrets",
		Args:              command.Args(1, -1, "a secret's name"),
		ValidArgsFunction: complete.Resources(env, schema.KindSecret),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.cmd, o.names = cmd, args
			return o.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&o.force, "force", false, "also one that workflows still use")
	cmd.Flags().BoolVar(&o.yes, "yes", false, "don't ask")
	return cmd
}

func (o *SecretDeleteOptions) run(ctx context.Context) error {
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := o.env.Confirmed(o.cmd, o.yes, "Delete secret "+strings.Join(o.names, ", ")+"?"); err != nil {
		return err
	}
	for _, name := range o.names {
		if err := client.Delete(ctx, schema.Ref{Kind: schema.KindSecret, Name: name}, api.DeleteOptions{Force: o.force}); err != nil {
			err = fmt.Errorf("delete secret %s: %w", name, err)
			switch command.ExitCode(err) {
			case command.ExitNotFound:
				return command.WithTry(err, "`paragonctl secret list` lists them")
			case command.ExitConflict:
				return command.WithTry(err, "change what uses it first; --force deletes it all the same")
			}
			return err
		}
		fmt.Fprintf(o.env.Out, "secret/%s %s\n", terminal.Safe(name), o.env.OutStyle().Action("deleted"))
	}
	return nil
}
