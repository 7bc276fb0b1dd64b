package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"paragon/schema/api"
)

// vital are the checks without which no role can work.
var vital = []string{"redis", "redis role", "postgres", "postgres schema", "master key"}

// checkStart makes doctor's checks before the process begins: what no role can
// work without ends it, with what to do; the rest is said loudly, and with
// --strict ends it, too.
func (o *serveOptions) checkStart(ctx context.Context, log *slog.Logger) error {
	d := &doctor{opts: &doctorOptions{postgres: o.postgres, redis: o.redis, keyFile: o.keyFile, payloads: o.payloads}}
	for _, check := range []func(context.Context) error{d.redis, d.sql, d.storage} {
		ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
		err := check(ctx)
		cancel()
		if err != nil {
			return err
		}
	}
	for _, c := range d.checks {
		wrong := fmt.Errorf("%s: %s. %s", c.Name, c.Found, c.Advice)
		switch {
		case c.Status == api.CheckOK, c.Status == api.CheckUnknown && o.postgres == "" && (c.Name == "postgres" || c.Name == "master key"):
			// Well, or not needed by these roles.
		case c.Status == api.CheckFailed && slices.Contains(vital, c.Name):
			return wrong
		case o.strict && c.Status == api.CheckFailed:
			return errors.Join(errors.New("--strict refuses what may lose jobs or time"), wrong)
		default:
			log.Warn(wrong.Error(), "check", c.Name)
		}
	}
	return nil
}
