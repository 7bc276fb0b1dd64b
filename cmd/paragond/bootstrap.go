package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"paragon/engine/config"
	"paragon/engine/queue"
	"paragon/engine/seal"
	"paragon/schema"
	"paragon/schema/api/contexts"
)

type bootstrapOptions struct {
	postgres, redis, keyFile string
	context, server          string
}

func newBootstrap() *cobra.Command {
	o := &bootstrapOptions{}
	cmd := &cobra.Command{
		Use:   "bootstrap",
		Short: "Make the first owner key of a new installation",
		Long: "bootstrap makes the first project and its first owner key, and prints the key's token, this\n" +
			"once. It refuses when there are keys already: an owner makes more with paragonctl key create.\n" +
			"With --write-context it writes a paragonctl context instead of printing the token.",
		Example: "  paragond bootstrap --postgres postgres://paragon@db/paragon --redis redis://cache:6379\n" +
			"  paragond bootstrap --write-context prod --server https://paragon.example.com",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&o.postgres, "postgres", env("PARAGON_POSTGRES", ""), "URL of Postgres (PARAGON_POSTGRES)")
	f.StringVar(&o.redis, "redis", env("PARAGON_REDIS", ""), "URL of Redis (PARAGON_REDIS)")
	f.StringVar(&o.keyFile, "master-key-file", "", "file with the master key; else PARAGON_MASTER_KEY or PARAGON_MASTER_KEY_FILE")
	f.StringVar(&o.context, "write-context", "", "name of a paragonctl context to write")
	f.StringVar(&o.server, "server", "http://127.0.0.1:7420", "the API's address in that context")
	return cmd
}

func (o *bootstrapOptions) run(cmd *cobra.Command) (err error) {
	if o.postgres == "" || o.redis == "" {
		return usageError{errors.New("bootstrap needs the installation's Postgres and Redis: give --postgres and --redis")}
	}
	ctx := cmd.Context()
	keyring, err := seal.LoadKeyring(seal.Source{File: o.keyFile})
	if err != nil {
		return fmt.Errorf("read the master key: %w", err)
	}
	db, err := openStore(ctx, o.postgres)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rdb, err := queue.NewRedis(o.redis, queue.RedisOptions{Name: "paragond-bootstrap"})
	if err != nil {
		return usageError{fmt.Errorf("--redis: %w", err)}
	}
	defer func() { err = errors.Join(err, rdb.Close()) }()
	service := config.New(config.Options{Store: db, Redis: rdb, Keyring: keyring, Log: slog.New(slog.DiscardHandler)})
	token, err := service.Bootstrap(ctx, schema.DefaultProject)
	if err != nil {
		return fmt.Errorf("make the first key: %w", err)
	}
	if token == "" {
		return errors.New("there are keys already; an owner makes more with: paragonctl key create")
	}
	if err := service.Reconcile(ctx); err != nil {
		return fmt.Errorf("the key is made, and counts once an api role has published it: %w", err)
	}
	if o.context == "" {
		_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
		return err
	}
	path, err := contexts.Path(os.Getenv)
	if err != nil {
		return err
	}
	if err := contexts.Set(path, o.context, contexts.Context{Server: o.server, Project: schema.DefaultProject, Token: token}); err != nil {
		return fmt.Errorf("write the paragonctl context: %w", err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "paragonctl uses %s by context %q\n", o.server, o.context)
	return err
}
