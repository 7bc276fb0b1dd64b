package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"paragon/engine/config"
	"paragon/engine/daemon/embedded"
	"paragon/engine/destination"
	"paragon/engine/outbound"
	"paragon/engine/payload"
	"paragon/engine/queue"
	"paragon/engine/seal"
	"paragon/engine/store/sqlite"
	"paragon/engine/tracing"
	"paragon/schema"
	"paragon/schema/api"
)

// DevOptions are what `paragond dev` is told.
type DevOptions struct {
	// Dir holds the data: paragon.db, master.key, payloads and a lock, and the key of the starts before.
	Dir string
	// Listen is the API's address, FarSide that of the far side; an empty
	// FarSide leaves it out.
	Listen, FarSide string
	Version         api.Version
	// Mail is as in Options.
	Mail destination.Mail
	// Tracer is as in Options.
	Tracer *tracing.Tracer
	Log    *slog.Logger
}

// Dev is a running `paragond dev`.
type Dev struct {
	*Daemon
	// Token is an owner key, the same at each start on one Dir.
	Token string
	// FarSide is the far side's URL, empty without one.
	FarSide string

	closers []func() error
}

// StartDev starts all roles in this process on the embedded default.
func StartDev(ctx context.Context, opts DevOptions) (dev *Dev, err error) {
	dev = &Dev{}
	defer func() {
		if err != nil {
			err = errors.Join(err, dev.close())
			dev = nil
		}
	}()
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return dev, fmt.Errorf("make the data directory: %w", err)
	}
	unlock, err := lockDir(opts.Dir)
	if err != nil {
		return dev, err
	}
	dev.closers = append(dev.closers, unlock)
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", opts.Listen)
	if err != nil {
		return dev, fmt.Errorf("listen on %s: %w; is another paragond running? choose another address with --listen", opts.Listen, err)
	}
	dev.closers = append(dev.closers, func() error { return ignoreClosed(ln.Close()) })
	o := Options{
		Roles: AllRoles, Listener: ln, Durable: true, Version: opts.Version, Mail: opts.Mail, Tracer: opts.Tracer, Log: opts.Log,
		Outbound: outbound.Settings{AllowLoopback: true},
	}
	if o.Keyring, err = seal.LoadKeyring(seal.Source{File: filepath.Join(opts.Dir, "master.key"), Generate: true}); err != nil {
		return dev, fmt.Errorf("read the master key: %w", err)
	}
	if err := dev.openData(ctx, opts.Dir, &o); err != nil {
		return dev, err
	}
	large, err := payload.OpenDir(filepath.Join(opts.Dir, "payloads"))
	if err != nil {
		return dev, err
	}
	o.Payloads = payload.New(large)
	if opts.FarSide != "" {
		far, err := embedded.StartFarSide(ctx, opts.FarSide)
		if err != nil {
			return dev, err
		}
		dev.FarSide = far.URL()
		dev.closers = append(dev.closers, far.Close)
	}
	d, err := Start(ctx, o)
	if err != nil {
		return dev, err
	}
	dev.Daemon = d
	if dev.Token, err = d.devKey(ctx, filepath.Join(opts.Dir, "dev.token")); err != nil {
		return dev, errors.Join(err, d.Stop(ctx))
	}
	return dev, nil
}

// openData opens the store and Redis.
func (dev *Dev) openData(ctx context.Context, dir string, o *Options) error {
	db, err := sqlite.Open(ctx, filepath.Join(dir, "paragon.db"))
	if err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	dev.closers = append(dev.closers, db.Close)
	if err := db.Migrate(ctx); err != nil {
		return fmt.Errorf("bring the store to the current schema: %w", err)
	}
	o.Store = db
	server, err := embedded.StartRedis(ctx)
	if err != nil {
		return err
	}
	dev.closers = append(dev.closers, func() error { server.Close(); return nil })
	if o.Redis, err = queue.NewRedis(server.URL(), queue.RedisOptions{Name: "paragond-dev"}); err != nil {
		return err
	}
	dev.closers = append(dev.closers, o.Redis.Close)
	return nil
}

// devKeyName is the name of the key of dev.
const devKeyName = "dev"

// devKey is the key of the start before, which a file keeps beside the data, so
// that a dashboard which was open goes on; or a new one.
func (d *Daemon) devKey(ctx context.Context, file string) (string, error) {
	if kept, err := os.ReadFile(file); err == nil {
		key := d.cache.Key(config.HashToken(string(kept)))
		if key != nil && key.Name == devKeyName && key.Role == string(config.RoleOwner) && !key.Expired(time.Now()) {
			return string(kept), nil
		}
	}
	token, err := d.freshKey(ctx)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		return "", fmt.Errorf("keep the key for the next start: %w", err)
	}
	return token, nil
}

// freshKey replaces the key of dev by a new one.
func (d *Daemon) freshKey(ctx context.Context) (string, error) {
	keys, err := d.config.ListKeys(ctx, schema.DefaultProject)
	if err != nil {
		return "", fmt.Errorf("list keys: %w", err)
	}
	for _, k := range keys {
		if k.Name == devKeyName {
			if err := d.config.DeleteKey(ctx, config.System, schema.DefaultProject, k.ID); err != nil {
				return "", fmt.Errorf("remove the key of the start before: %w", err)
			}
		}
	}
	made, err := d.config.CreateKey(ctx, config.System, schema.DefaultProject, api.CreateKeyRequest{Name: devKeyName, Role: string(config.RoleOwner)})
	if err != nil {
		return "", fmt.Errorf("make a key: %w", err)
	}
	return made.Token, nil
}

// Stop stops the process, then what it brought along.
func (dev *Dev) Stop(ctx context.Context) error {
	return errors.Join(dev.Daemon.Stop(ctx), dev.close())
}

func (dev *Dev) close() error {
	var errs []error
	for i := len(dev.closers) - 1; i >= 0; i-- {
		errs = append(errs, dev.closers[i]())
	}
	dev.closers = nil
	return errors.Join(errs...)
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
