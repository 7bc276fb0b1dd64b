package users

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/schema/api"
)

// CredentialSetOptions are what `credential set` takes.
type CredentialSetOptions struct {
	env *command.Env
	place
	username, clientID string
	tokens             string
	settings           string
	stdin              bool
	file, variable     string
	out                output.Flags
}

func newCredentialSet(env *command.Env) *cobra.Command {
	o := &CredentialSetOptions{env: env}
	cmd := &cobra.Command{
		Use:   "set INTEGRATION [-]",
		Short: "Set what a user, or the project, proves itself with at an API",
		Long: `Set what a user, or without --user the project itself, proves itself with at an API:
what the integration's auth asks for. The secret part is never an argument: it is
asked for, or read from standard input (-), a file or a variable of the
environment. It can't be read back. For OAuth2 with consent, "credential connect"
does all of it; tokens that another system got are taken over with --tokens.`,
		Example: `  paragonctl credential set crm --user u_1
  pass show crm | paragonctl credential set crm --user u_1 --account work -
  paragonctl credential set shop --username ada --settings '{"shop": "one"}' --from-env SHOP_PASSWORD
  paragonctl credential set mail --user u_1 --tokens tokens.json`,
		Args: command.Args(1, 2, "an integration, and - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.parse(args); err != nil {
				return err
			}
			return o.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.username, "username", "", "the user name (basic)")
	f.StringVar(&o.clientID, "client-id", "", "the id of the user's own OAuth2 client (client credentials)")
	f.StringVar(&o.tokens, "tokens", "", "a JSON file, or -, with accessToken, refreshToken and expiresAt (OAuth2 with consent)")
	f.StringVar(&o.settings, "settings", "", "what the integration's settings ask for, a JSON object")
	f.StringVar(&o.file, "from-file", "", "read the secret part from a file")
	f.StringVar(&o.variable, "from-env", "", "read the secret part from a variable of the environment")
	o.register(env, cmd)
	o.out.Register(cmd)
	return cmd
}

func (o *CredentialSetOptions) parse(args []string) error {
	o.integration = args[0]
	if len(args) == 2 {
		if args[1] != "-" {
			return &command.Failure{Code: command.ExitUsage, Err: errors.New("a credential is not given on the command line, where others can see it"),
				Try: "leave it out to be asked for it, or use - for standard input, --from-file or --from-env"}
		}
		o.stdin = true
	}
	sources := 0
	for _, used := range []bool{o.stdin, o.file != "", o.variable != "", o.tokens != ""} {
		if used {
			sources++
		}
	}
	if sources > 1 {
		return command.Usage("-, --from-file, --from-env and --tokens exclude each other")
	}
	return o.out.Check()
}

func (o *CredentialSetOptions) run(ctx context.Context) error {
	settings, err := readSettings(o.settings)
	if err != nil {
		return err
	}
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	req, err := o.request(ctx, client)
	if err != nil {
		return err
	}
	req.Settings = settings
	if _, err := client.PutCredential(ctx, o.user, o.integration, o.account, *req); err != nil {
		return listed(fmt.Errorf("set %s: %w", &o.place, err))
	}
	return o.out.PrintDone(ctx, o.env.Streams, []output.Did{{Resource: o.String(), Action: "set"}}, nil)
}

// request asks for what the integration's auth asks for.
func (o *CredentialSetOptions) request(ctx context.Context, client *api.Client) (*api.PutCredentialRequest, error) {
	kind, auth, err := authOf(ctx, client, o.integration)
	if err != nil {
		return nil, listed(fmt.Errorf("set %s: %w", &o.place, err))
	}
	if kind == "oauth2" {
		return o.takenOver()
	}
	if o.tokens != "" {
		return nil, command.Usage("--tokens is for OAuth2 with consent, and %s asks for %s", o.integration, kind)
	}
	req := &api.PutCredentialRequest{}
	var what string
	var to *string
	switch kind {
	case "basic":
		req.Basic = &api.BasicCredential{Username: o.username}
		what, to = "Password", &req.Basic.Password
		if o.username == "" && auth.Basic.Username == nil {
			if req.Basic.Username, err = o.ask(ctx, "--username", "User name"); err != nil {
				return nil, err
			}
		}
	case "bearer":
		req.Bearer = &api.BearerCredential{}
		what, to = "Token", &req.Bearer.Token
	case "apiKey":
		req.APIKey = &api.KeyCredential{}
		what, to = "API key", &req.APIKey.Key
	case "client":
		req.Client = &api.ClientCredential{ID: o.clientID}
		what, to = "Client secret", &req.Client.Secret
		if o.clientID == "" {
			if req.Client.ID, err = o.ask(ctx, "--client-id", "Client id"); err != nil {
				return nil, err
			}
		}
	default:
		return nil, &command.Failure{Code: command.ExitInvalid, Err: fmt.Errorf("set %s: integration %s sends no credential", &o.place, o.integration)}
	}
	if *to, err = o.secret(ctx, what); err != nil {
		return nil, err
	}
	if *to == "" {
		return nil, &command.Failure{Code: command.ExitInvalid, Err: fmt.Errorf("set %s: it is empty", &o.place)}
	}
	return req, nil
}

// takenOver reads tokens that another system got.
func (o *CredentialSetOptions) takenOver() (*api.PutCredentialRequest, error) {
	if o.tokens == "" {
		return nil, &command.Failure{Code: command.ExitUsage, Err: fmt.Errorf("users consent to integration %s", o.integration),
			Try: "`paragonctl credential connect " + o.integration + "`, or --tokens for tokens that another system got"}
	}
	text, err := readFile(o.env, o.tokens)
	if err != nil {
		return nil, err
	}
	tokens := &api.TokenCredential{}
	if err := json.Unmarshal(text, tokens); err != nil || tokens.AccessToken == "" {
		// The error's text may hold a piece of a token.
		return nil, &command.Failure{Code: command.ExitInvalid, Err: errors.New("--tokens: it is no JSON object with accessToken"),
			Try: `write it like {"accessToken": "…", "refreshToken": "…", "expiresAt": "2026-12-01T10:00:00Z"}`}
	}
	return &api.PutCredentialRequest{OAuth2: tokens}, nil
}

// ask asks for what is no secret.
func (o *CredentialSetOptions) ask(ctx context.Context, flag, question string) (string, error) {
	answer, err := o.env.Ask(ctx, question)
	if errors.Is(err, terminal.ErrNoPrompt) {
		return "", command.Usage("set %s: give %s; there is no terminal to ask for it", &o.place, flag)
	}
	return strings.TrimSpace(answer), err
}

// secret reads the secret part from where the flags say.
func (o *CredentialSetOptions) secret(ctx context.Context, what string) (string, error) {
	switch {
	case o.stdin:
		return o.env.ReadSecret()
	case o.file != "":
		text, err := os.ReadFile(o.file)
		if err != nil {
			return "", &command.Failure{Code: command.ExitInvalid, Err: fmt.Errorf("set %s: %w", &o.place, err)}
		}
		return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
	case o.variable != "":
		value := o.env.Getenv(o.variable)
		if value == "" {
			return "", &command.Failure{Code: command.ExitInvalid, Err: fmt.Errorf("set %s: the variable %s is not set", &o.place, o.variable)}
		}
		return value, nil
	}
	value, err := o.env.AskSecret(ctx, what+" for "+o.integration)
	if errors.Is(err, terminal.ErrNoPrompt) {
		return "", &command.Failure{Code: command.ExitUsage, Err: fmt.Errorf("set %s: there is no terminal to ask for it", &o.place),
			Try: "use - for standard input, --from-file or --from-env"}
	}
	return value, err
}

// readSettings reads --settings.
func readSettings(text string) (json.RawMessage, error) {
	if text == "" {
		return nil, nil
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		return nil, command.Usage(`--settings is no JSON object: write it like '{"shop": "one"}'`)
	}
	return json.RawMessage(text), nil
}

// kindOf is the kind of credential that an integration's spec asks for.
func kindOf(raw json.RawMessage) (string, *schema.IntegrationAuth, error) {
	var spec struct {
		Auth *schema.IntegrationAuth `json:"auth"`
	}
	if err := json.Unmarshal(raw, &spec); err != nil {
		return "", nil, fmt.Errorf("read the integration: %w", err)
	}
	switch a := spec.Auth; {
	case a == nil:
		return "none", nil, nil
	case a.Basic != nil:
		return "basic", a, nil
	case a.Bearer != nil:
		return "bearer", a, nil
	case a.APIKey != nil:
		return "apiKey", a, nil
	case a.OAuth2 != nil && a.OAuth2.Grant == schema.GrantAuthorizationCode:
		return "oauth2", a, nil
	case a.OAuth2 != nil:
		return "client", a, nil
	}
	return "none", spec.Auth, nil
}
