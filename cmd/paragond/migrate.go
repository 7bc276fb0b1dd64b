package main

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"paragon/engine/store/postgres"
)

func newMigrate() *cobra.Command {
	var url string
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring a Postgres to the current schema",
		Long: "migrate brings a Postgres to the schema of this binary. Migrations only go forward; two\n" +
			"processes that migrate at once do not disturb each other.",
		Example: "  paragond migrate --postgres postgres://paragon@db/paragon",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if url == "" {
				return usageError{errors.New("migrate needs a Postgres: give --postgres or PARAGON_POSTGRES")}
			}
			db, err := postgres.Open(cmd.Context(), url)
			if err != nil {
				return fmt.Errorf("open Postgres: %w", err)
			}
			defer func() { err = errors.Join(err, db.Close()) }()
			if err := db.Migrate(cmd.Context()); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "the schema is current")
			return err
		},
	}
	cmd.Flags().StringVar(&url, "postgres", env("PARAGON_POSTGRES", ""), "URL of Postgres (PARAGON_POSTGRES)")
	return cmd
}

func parsePrefixes(texts []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("--allow-private %q: write it like 10.0.0.0/8", text)
		}
		out = append(out, p)
	}
	return out, nil
}
