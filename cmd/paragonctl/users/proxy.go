package users

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/complete"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/schema/api"
)

// ProxyOptions are what `proxy` takes.
type ProxyOptions struct {
	env     *command.Env
	req     api.ProxyRequest
	data    string
	headers []string
	include bool
	later   later
}

// NewProxy makes the proxy command.
func NewProxy(env *command.Env) *cobra.Command {
	o := &ProxyOptions{env: env}
	cmd := &cobra.Command{
		Use:   "proxy INTEGRATION [METHOD] PATH",
		Short: "Call a third-party API with the credential of a user or of the project",
		Long: `Call a third-party API through Paragon, which puts the credential on, as curl would call
it: the answer's body is printed as it comes. PATH is below the integration's baseUrl, with
the query. Without METHOD it is GET, or POST with --data.

With --async Paragon makes the call as a job, and the job is printed; with --wait, too, the
answer is, once it is there. --callback names where the job is posted to when it has ended.

The exit code is 1 when the API answers with a status of 400 or more, or a job fails; what
Paragon itself refuses has the code of its kind.`,
		Example: `  paragonctl proxy crm GET /contacts --user u_1
  paragonctl proxy crm '/contacts?limit=10' -i
  paragonctl proxy crm POST /contacts --user u_1 -H 'Content-Type: application/json' -d @contact.json
  paragonctl proxy files GET /report.pdf > report.pdf
  paragonctl proxy crm POST /contacts -d @contact.json -H 'Idempotency-Key: order-17' --async --wait
  paragonctl proxy crm GET /export --async --callback https://app.example.com/done -o name`,
		Args:              command.Args(2, 3, "an integration and a path"),
		ValidArgsFunction: completeIntegrations(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.req.Integration, o.req.Path = args[0], args[len(args)-1]
			switch {
			case len(args) == 3:
				o.req.Method = strings.ToUpper(args[1])
			case cmd.Flags().Changed("data"):
				o.req.Method = http.MethodPost
			default:
				o.req.Method = http.MethodGet
			}
			return o.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.req.User, "user", "u", "", "call with the credential of this user (default: the project's)")
	f.StringVar(&o.req.Account, "account", "", "which of the credentials, where there are several")
	f.StringVarP(&o.data, "data", "d", "", "the body: text, @FILE, or - for standard input")
	f.StringArrayVarP(&o.headers, "header", "H", nil, "a header, 'Name: value'; may be given several times")
	f.BoolVarP(&o.include, "include", "i", false, "print the status and the headers of the answer before its body")
	o.later.register(cmd)
	return cmd
}

func (o *ProxyOptions) run(ctx context.Context) error {
	if err := o.later.check(o.include); err != nil {
		return err
	}
	if err := o.prepare(); err != nil {
		return err
	}
	body, err := o.body()
	if err != nil {
		return err
	}
	o.req.Body = body
	client, err := o.env.Client()
	if err != nil {
		return err
	}
	defer client.Close()
	if o.later.async {
		return o.callLater(ctx, client)
	}
	resp, err := client.Proxy(ctx, o.req)
	if err != nil {
		return fmt.Errorf("call %s: %w", o.req.Integration, err)
	}
	defer resp.Body.Close()
	return o.answered(resp)
}

// answered prints an answer and tells whether it is a good one.
func (o *ProxyOptions) answered(resp *http.Response) error {
	if err := o.print(resp); err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return &command.Failure{Code: command.ExitFailure, Err: fmt.Errorf("%s answered %s", o.req.Integration, terminal.Safe(resp.Status))}
	}
	return nil
}

// prepare reads the headers and looks at the path.
func (o *ProxyOptions) prepare() error {
	if strings.Contains(o.req.Path, "://") {
		return &command.Failure{Code: command.ExitUsage, Err: errors.New("PATH is below the integration's baseUrl, not a URL: a credential goes to its own API alone")}
	}
	o.req.Header = http.Header{}
	for _, line := range o.headers {
		name, value, found := strings.Cut(line, ":")
		if !found || strings.TrimSpace(name) == "" {
			return &command.Failure{Code: command.ExitUsage, Err: fmt.Errorf("--header %q is not of the form 'Name: value'", line)}
		}
		o.req.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return nil
}

// body is what --data says; nil for nothing.
func (o *ProxyOptions) body() (io.Reader, error) {
	switch {
	case o.data == "":
		return nil, nil
	case o.data == "-":
		return o.env.In, nil
	case strings.HasPrefix(o.data, "@"):
		text, err := os.ReadFile(o.data[1:])
		if err != nil {
			return nil, &command.Failure{Code: command.ExitInvalid, Err: fmt.Errorf("read the body: %w", err)}
		}
		return bytes.NewReader(text), nil
	}
	return strings.NewReader(o.data), nil
}

// print prints the answer; on a terminal its control characters are shown and
// not obeyed.
func (o *ProxyOptions) print(resp *http.Response) error {
	if o.include {
		fmt.Fprintf(o.env.Out, "%s %s\n", resp.Proto, terminal.Safe(resp.Status))
		names := make([]string, 0, len(resp.Header))
		for name := range resp.Header {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			for _, value := range resp.Header[name] {
				fmt.Fprintf(o.env.Out, "%s: %s\n", name, terminal.Safe(value))
			}
		}
		fmt.Fprintln(o.env.Out)
	}
	if !o.env.OutTTY {
		_, err := io.Copy(o.env.Out, resp.Body)
		return err
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, api.MaxResponse))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", o.req.Integration, err)
	}
	shown := terminal.SafeLines(string(text))
	if shown != "" && !strings.HasSuffix(shown, "\n") {
		shown += "\n"
	}
	_, err = io.WriteString(o.env.Out, shown)
	return err
}

// completeIntegrations completes the names of integrations, then methods.
func completeIntegrations(env *command.Env) func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		var names []cobra.Completion
		switch len(args) {
		case 0:
			for _, item := range complete.Stored(cmd.Context(), env, schema.KindIntegration) {
				names = append(names, item.Metadata.Name)
			}
		case 1:
			names = []cobra.Completion{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodHead}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
