package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"paragon/schema/api"
)

type doctorOptions struct {
	listen, postgres, redis, keyFile, payloads, output string
}

func newDoctor() *cobra.Command {
	o := &doctorOptions{}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check Redis, Postgres, the clocks, the master key, object storage and the address",
		Long: "doctor checks what `paragond serve` needs, changes nothing (but that it makes a directory\n" +
			"of --payloads, and tries a file in it), and says of each thing that is\n" +
			"not well what to do. It exits with 0 when all is well and with 1 when a check failed.\n" +
			"Without --postgres it checks what the roles worker and scheduler need.",
		Example: "  paragond doctor --postgres postgres://paragon@db/paragon --redis redis://cache:6379\n" +
			"  paragond doctor -o json",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", env("PARAGON_LISTEN", "127.0.0.1:7420"), "address of the API (PARAGON_LISTEN)")
	f.StringVar(&o.postgres, "postgres", env("PARAGON_POSTGRES", ""), "URL of Postgres (PARAGON_POSTGRES)")
	f.StringVar(&o.redis, "redis", env("PARAGON_REDIS", ""), "URL of Redis (PARAGON_REDIS)")
	f.StringVar(&o.keyFile, "master-key-file", "", "file with the master key; else PARAGON_MASTER_KEY or PARAGON_MASTER_KEY_FILE")
	f.StringVar(&o.payloads, "payloads", env("PARAGON_PAYLOADS", ""), "object storage for values above 256 KiB (PARAGON_PAYLOADS)")
	f.StringVarP(&o.output, "output", "o", "text", "text or json")
	return cmd
}

func (o *doctorOptions) run(cmd *cobra.Command) error {
	if o.output != "text" && o.output != "json" {
		return usageError{fmt.Errorf("--output %q: choose text or json", o.output)}
	}
	if o.redis == "" {
		return usageError{errors.New("doctor needs the installation's Redis: give --redis or PARAGON_REDIS")}
	}
	d := &doctor{opts: o}
	if err := d.checkAll(cmd.Context()); err != nil {
		return err
	}
	if err := writeChecks(cmd.OutOrStdout(), o.output, d.checks); err != nil {
		return err
	}
	failed := 0
	for _, c := range d.checks {
		if c.Status == api.CheckFailed {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d checks failed", failed, len(d.checks))
	}
	return nil
}

func writeChecks(w io.Writer, form string, checks []api.Check) error {
	if form == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(map[string]any{"items": checks})
	}
	for _, c := range checks {
		text := c.Found
		if c.Advice != "" {
			text += ". " + c.Advice
		}
		if _, err := fmt.Fprintf(w, "%-8s %-18s %s\n", c.Status, c.Name, text); err != nil {
			return err
		}
	}
	return nil
}
