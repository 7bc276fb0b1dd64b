package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"paragon/engine/identity"
)

// oidcFlags name the OpenID provider by which people log in. Its secret has
// no flag: a command line is no place for one.
type oidcFlags struct{ issuer, clientID, secretFile string }

func (o *oidcFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.issuer, "oidc-issuer", env("PARAGON_OIDC_ISSUER", ""), "URL of the OpenID provider by which people log in (PARAGON_OIDC_ISSUER)")
	f.StringVar(&o.clientID, "oidc-client-id", env("PARAGON_OIDC_CLIENT_ID", ""), "how that provider knows Paragon (PARAGON_OIDC_CLIENT_ID)")
	f.StringVar(&o.secretFile, "oidc-client-secret-file", env("PARAGON_OIDC_CLIENT_SECRET_FILE", ""),
		"file with the client's secret; else PARAGON_OIDC_CLIENT_SECRET (PARAGON_OIDC_CLIENT_SECRET_FILE)")
}

// provider is the provider that the flags name, or nil.
func (o *oidcFlags) provider() (*identity.Provider, error) {
	if o.issuer == "" {
		if o.clientID != "" {
			return nil, errors.New("--oidc-client-id without --oidc-issuer means nothing")
		}
		return nil, nil
	}
	secret := os.Getenv("PARAGON_OIDC_CLIENT_SECRET")
	if o.secretFile != "" {
		text, err := os.ReadFile(o.secretFile)
		if err != nil {
			return nil, fmt.Errorf("read the OpenID client's secret: %w", err)
		}
		secret = string(text)
	}
	return identity.New(identity.Settings{Issuer: o.issuer, ClientID: o.clientID, ClientSecret: strings.TrimSpace(secret)})
}
