package main

import (
	"crypto/tls"
	"errors"
	"log/slog"

	"github.com/spf13/cobra"

	"paragon/engine/daemon"
)

// tlsFlags name the certificate of the API.
type tlsFlags struct{ cert, key string }

func (o *tlsFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.cert, "tls-cert", env("PARAGON_TLS_CERT", ""), "file with the API's certificate and its chain in PEM; with it the API speaks HTTPS alone (PARAGON_TLS_CERT)")
	f.StringVar(&o.key, "tls-key", env("PARAGON_TLS_KEY", ""), "file with that certificate's key; both are read again when they change (PARAGON_TLS_KEY)")
}

// config is the TLS of the API; nil for none.
func (o *tlsFlags) config(log *slog.Logger) (*tls.Config, error) {
	if o.cert == "" && o.key == "" {
		return nil, nil
	}
	if o.cert == "" || o.key == "" {
		return nil, usageError{errors.New("--tls-cert and --tls-key belong together: give both")}
	}
	c, err := daemon.NewCertificate(o.cert, o.key, log)
	if err != nil {
		return nil, err
	}
	return c.Config(), nil
}
