package access

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// SecretSetOptions are what `secret set` and `secret rotate` take.
type SecretSetOptions struct {
	env *command.Env
	// rotate asks that the secret is there, and the value another one.
	rotate      bool
	name        string
	stdin       bool
	file        string
	variable    string
	envFile     string
	description string
	out         output.Flags
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
	}
	o.register(cmd)
	cmd.Flags().StringVar(&o.description, "description", "", "what the secret is for (default: what it said before)")
	return cmd
}

func newSecretRotate(env *command.Env) *cobra.Command {
	o := &SecretSetOptions{env: env, rotate: true}
	cmd := &cobra.Command{
		Use:   "rotate NAME [-]",
		Short: "Replace the value of a secret by a new one",
		Long: `Replace the value of a secret by a new one, which is read as "secret set" reads it. Other
than with "set", the secret must be there, and the value must be another than before: a
rotation that changes nothing fails. Requests that begin afterwards send the new value.`,
		Example: `  paragonctl secret rotate CRM_TOKEN
  openssl rand -hex 32 | paragonctl secret rotate WEBHOOK_SECRET -
  paragonctl secret rotate --env-file .env`,
	}
	o.register(cmd)
	return cmd
}

// register adds what set and rotate have in common.
func (o *SecretSetOptions) register(cmd *cobra.Command) {
	cmd.Args = command.Args(0, 2, "a name, and - for standard input")
	cmd.ValidArgsFunction = complete.Resources(o.env, schema.KindSecret)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := o.parse(args); err != nil {
			return err
		}
		if err := o.out.Check(); err != nil {
			return err
		}
		return o.run(cmd.Context())
	}
	f := cmd.Flags()
	f.StringVar(&o.file, "from-file", "", "read the value from a file")
	f.StringVar(&o.variable, "from-env", "", "read the value from a variable of the environment")
	f.StringVar(&o.envFile, "env-file", "", "set a secret for each NAME=VALUE line of a file")
	o.out.Register(cmd)
}

// verb says what the command does, for its messages.
func (o *SecretSetOptions) verb() string {
	if o.rotate {
		return "rotate"
	}
	return "set"
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
		return command.Usage("secret %s needs the name of the secret", o.verb())
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
			return &command.Failure{Code: command.ExitInvalid, Err: fmt.Errorf(o.verb()+" secret %s: the value is empty", o.name)}
		}
		values[o.name] = value
	}
	docs, err := o.documents(ctx, client, names)
	if err != nil {
		return err
	}
	req := api.ApplyRequest{Files: []api.File{{Name: "secret", Content: docs}}, Values: values}
	if o.rotate {
		if err := o.differs(ctx, client, req); err != nil {
			return err
		}
	}
	result, err := client.Apply(ctx, req, api.ApplyOptions{})
	if err != nil {
		return fmt.Errorf("%s %s: %w", o.verb(), secretNames(names), err)
	}
	return o.print(ctx, result)
}

// documents are the secrets whose values travel beside them: what was said about
// one before is kept.
func (o *SecretSetOptions) documents(ctx context.Context, client *api.Client, names []string) (string, error) {
	var docs strings.Builder
	for _, name := range names {
		ref := schema.Ref{Kind: schema.KindSecret, Name: name}
		stored, err := client.Get(ctx, ref)
		switch {
		case err == nil:
		case command.ExitCode(err) != command.ExitNotFound:
			return "", fmt.Errorf("%s secret %s: %w", o.verb(), name, err)
		case o.rotate:
			return "", command.WithTry(fmt.Errorf("rotate secret %s: %w", name, err), "`paragonctl secret list` lists them; `paragonctl secret set "+name+"` makes a new one")
		default:
			stored = &api.StoredResource{}
		}
		text, err := secretDocument(name, o.description, stored.Resource)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&docs, "---\n%s\n", text)
	}
	return docs.String(), nil
}

// differs makes sure, before anything is written, that every value is a new one.
func (o *SecretSetOptions) differs(ctx context.Context, client *api.Client, req api.ApplyRequest) error {
	plan, err := client.Apply(ctx, req, api.ApplyOptions{DryRun: true})
	if err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	for _, item := range plan.Items {
		if item.Action == api.ActionUnchanged {
			return &command.Failure{Code: command.ExitInvalid, Err: fmt.Errorf("rotate %s: the value is the one that it has; nothing was written", item.Ref),
				Try: "make a new value where the secret comes from"}
		}
	}
	return nil
}

func (o *SecretSetOptions) print(ctx context.Context, result *api.ApplyResult) error {
	view := output.View{Value: result, Items: []any{}}
	for _, item := range result.Items {
		view.Items = append(view.Items, item)
		view.Names = append(view.Names, item.Ref.String())
	}
	view.Text = func(w io.Writer, style terminal.Style) error {
		for _, item := range result.Items {
			word := map[api.Action]string{api.ActionCreate: "created", api.ActionUpdate: "configured"}[item.Action]
			switch {
			case word == "":
				word = string(item.Action)
			case o.rotate:
				word = "rotated"
			}
			if _, err := fmt.Fprintf(w, "%s %s\n", terminal.Safe(item.String()), style.Action(word)); err != nil {
				return err
			}
		}
		return nil
	}
	return o.out.Print(ctx, o.env.Streams, view)
}

// secretDocument is the document of a secret whose value travels beside it, with
// what was said about it before. JSON is YAML, too.
func secretDocument(name, description string, before schema.Resource) ([]byte, error) {
	if description == "" && len(before.Spec) > 0 {
		var spec schema.SecretSpec
		if err := json.Unmarshal(before.Spec, &spec); err != nil {
			return nil, fmt.Errorf("read secret %s: %w", name, err)
		}
		description = spec.Description
	}
	spec, err := json.Marshal(schema.SecretSpec{Description: description, ValueFrom: &schema.SecretSource{Env: name}})
	if err != nil {
		return nil, err
	}
	before.Metadata.Name = name
	return json.Marshal(schema.Resource{
		APIVersion: schema.APIVersion, Kind: schema.KindSecret,
		Metadata: before.Metadata, Spec: spec,
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
			return "", &command.Failure{Code: command.ExitInvalid, Err: fmt.Errorf(o.verb()+" secret %s: %w", o.name, err)}
		}
		return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
	case o.variable != "":
		value := o.env.Getenv(o.variable)
		if value == "" {
			return "", &command.Failure{Code: command.ExitInvalid, Err: fmt.Errorf(o.verb()+" secret %s: the variable %s is not set", o.name, o.variable)}
		}
		return value, nil
	}
	value, err := o.env.AskSecret(ctx, "Value of "+o.name)
	if errors.Is(err, terminal.ErrNoPrompt) {
		return "", &command.Failure{Code: command.ExitUsage, Err: fmt.Errorf(o.verb()+" secret %s: there is no terminal to ask for the value", o.name),
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
