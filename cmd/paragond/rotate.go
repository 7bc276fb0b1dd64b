package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"paragon/engine/config"
	"paragon/engine/queue"
	"paragon/engine/seal"
	"paragon/schema"
)

// rotateOptions are what both rotations take.
type rotateOptions struct {
	postgres, redis, keyFile string
}

func (o *rotateOptions) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.postgres, "postgres", env("PARAGON_POSTGRES", ""), "URL of Postgres (PARAGON_POSTGRES)")
	f.StringVar(&o.redis, "redis", env("PARAGON_REDIS", ""), "URL of Redis (PARAGON_REDIS)")
	f.StringVar(&o.keyFile, "master-key-file", "", "file with the master keys; else PARAGON_MASTER_KEY or PARAGON_MASTER_KEY_FILE")
}

// with calls f with the configuration service of the installation.
func (o *rotateOptions) with(ctx context.Context, f func(*config.Service) error) (err error) {
	if o.postgres == "" || o.redis == "" {
		return usageError{errors.New("a rotation needs the installation's Postgres and Redis: give --postgres and --redis")}
	}
	keyring, err := seal.LoadKeyring(seal.Source{File: o.keyFile})
	if err != nil {
		return fmt.Errorf("read the master keys: %w", err)
	}
	db, err := openStore(ctx, o.postgres)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rdb, err := queue.NewRedis(o.redis, queue.RedisOptions{Name: "paragond-rotate"})
	if err != nil {
		return usageError{fmt.Errorf("--redis: %w", err)}
	}
	defer func() { err = errors.Join(err, rdb.Close()) }()
	service := config.New(config.Options{Store: db, Redis: rdb, Keyring: keyring, Log: slog.New(slog.DiscardHandler)})
	if err := f(service); err != nil {
		return err
	}
	if err := service.Reconcile(ctx); err != nil {
		return fmt.Errorf("the keys are rotated, and count once an api role has published them: %w", err)
	}
	return nil
}

func newRotateMasterKey() *cobra.Command {
	o := &rotateOptions{}
	cmd := &cobra.Command{
		Use:   "rotate-master-key",
		Short: "Seal every data key again under the first master key",
		Long: "rotate-master-key seals the data key of every project again under the first of the master\n" +
			"keys. Runs go on meanwhile. Before it, every process has to have both keys, the new one in\n" +
			"front; after it, the old one can be taken away. The values under the data keys stay as they are.",
		Example: "  paragond rotate-master-key --master-key-file master.keys",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.with(cmd.Context(), func(s *config.Service) error {
				n, err := s.RotateMasterKey(cmd.Context(), config.System)
				if err != nil {
					return fmt.Errorf("rotate the master key: %w", err)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "sealed again under the first master key: %d data keys\n", n)
				return err
			})
		},
	}
	o.add(cmd)
	return cmd
}

func newRotateDataKey() *cobra.Command {
	o := &rotateOptions{}
	var project string
	var settle time.Duration
	cmd := &cobra.Command{
		Use:   "rotate-data-key",
		Short: "Give a project a new data key and seal its secrets again",
		Long: "rotate-data-key makes a new data key for a project, waits until every process has it, and\n" +
			"seals the project's secrets again under it, as new revisions. Runs go on meanwhile. What was\n" +
			"sealed before (checkpoints, earlier revisions) still opens.",
		Example: "  paragond rotate-data-key --for-project default",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.with(cmd.Context(), func(s *config.Service) error {
				n, err := s.RotateDataKey(cmd.Context(), config.System, project, settle)
				if err != nil {
					return fmt.Errorf("rotate the data key of %s: %w", project, err)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "project %s has a new data key; secrets sealed again: %d\n", project, n)
				return err
			})
		},
	}
	o.add(cmd)
	cmd.Flags().StringVar(&project, "for-project", schema.DefaultProject, "the project")
	cmd.Flags().DurationVar(&settle, "settle", 5*time.Second, "how long the processes have to learn the new key before it seals")
	return cmd
}
