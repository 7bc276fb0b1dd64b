package identity

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Settings name the provider, and Paragon as its client.
type Settings struct {
	// Issuer is the provider's URL, as its discovery document has it: https, or
	// http on a loopback address.
	Issuer string
	// ClientID is how the provider knows Paragon; ClientSecret is empty for a
	// public client.
	ClientID, ClientSecret string
}

// The errors of Claim that say how the flow stands (RFC 8628 section 3.5).
var (
	// ErrPending is that the person has not answered yet.
	ErrPending = errors.New("the person has not answered yet")
	// ErrSlowDown is that, and that the provider was asked too often.
	ErrSlowDown = errors.New("the provider was asked too often")
	// ErrDenied is that the person, or the provider, said no.
	ErrDenied = errors.New("the login was denied at the provider")
	// ErrExpired is that the code counts no longer, or never did.
	ErrExpired = errors.New("the code has expired: start the login again")
	// ErrUnverified is that the provider does not vouch for the email.
	ErrUnverified = errors.New("the provider does not say that the email is verified")
)

// Person is who the provider says that somebody is.
type Person struct {
	Subject, Email, Name string
}

// Flow is a login that has begun.
type Flow struct {
	// DeviceCode is what Claim takes; UserCode is what the person types at
	// VerificationURI. VerificationURIComplete has the code in it already, and
	// may be empty.
	DeviceCode, UserCode, VerificationURI, VerificationURIComplete string
	// Expiry is when the codes end.
	Expiry time.Time
	// Interval is how long to wait between two calls of Claim.
	Interval time.Duration
}

// Provider is an OpenID provider. Its methods are safe for concurrent use.
type Provider struct {
	settings Settings
	http     *http.Client

	mu    sync.Mutex
	found *oidc.Provider
}

// callTimeout bounds Start and Claim.
const callTimeout = 10 * time.Second

// New returns the provider. It is first asked at the first login, so that
// Paragon starts without it.
func New(s Settings) (*Provider, error) {
	u, err := url.Parse(s.Issuer)
	if err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return nil, fmt.Errorf("the OpenID issuer %q is not an https URL", s.Issuer)
	}
	if s.ClientID == "" {
		return nil, errors.New("the OpenID issuer needs a client id, too")
	}
	// Not the client's Timeout: x/oauth2 leaves a body open, and that its timer
	// would go on. Contexts bound the calls.
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = callTimeout
	return &Provider{settings: s, http: &http.Client{Transport: bounded{transport}}}, nil
}

// Issuer is the provider's URL.
func (p *Provider) Issuer() string { return p.settings.Issuer }

// Close lets go of idle connections.
func (p *Provider) Close() { p.http.CloseIdleConnections() }

// Start begins a login.
func (p *Provider) Start(ctx context.Context) (*Flow, error) {
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, p.http), callTimeout)
	defer cancel()
	_, cfg, err := p.client(ctx)
	if err != nil {
		return nil, err
	}
	if cfg.Endpoint.DeviceAuthURL == "" {
		return nil, fmt.Errorf("the provider %s has no device flow", p.settings.Issuer)
	}
	var opts []oauth2.AuthCodeOption
	if p.settings.ClientSecret != "" {
		// x/oauth2 sends no secret with this request; confidential clients need one.
		opts = append(opts, oauth2.SetAuthURLParam("client_secret", p.settings.ClientSecret))
	}
	res, err := cfg.DeviceAuth(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("begin a login at %s: %w", p.settings.Issuer, err)
	}
	f := &Flow{DeviceCode: res.DeviceCode, UserCode: res.UserCode, VerificationURI: res.VerificationURI,
		VerificationURIComplete: res.VerificationURIComplete, Expiry: res.Expiry, Interval: time.Duration(res.Interval) * time.Second}
	if f.Interval <= 0 {
		f.Interval = 5 * time.Second // RFC 8628 section 3.2
	}
	return f, nil
}

// Claim asks once whether the person has answered, and who they are. The
// email of a Person is verified.
func (p *Provider) Claim(ctx context.Context, deviceCode string) (*Person, error) {
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, p.http), callTimeout)
	defer cancel()
	found, cfg, err := p.client(ctx)
	if err != nil {
		return nil, err
	}
	token, err := cfg.Exchange(ctx, "", oauth2.SetAuthURLParam("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
		oauth2.SetAuthURLParam("device_code", deviceCode))
	if err != nil {
		return nil, flowError(err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := found.Verifier(&oidc.Config{ClientID: p.settings.ClientID}).Verify(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("check the provider's ID token: %w", err)
	}
	var claims claims
	if err := id.Claims(&claims); err != nil {
		return nil, fmt.Errorf("read the provider's ID token: %w", err)
	}
	if claims.Email == "" {
		// Many providers keep it out of the ID token.
		info, err := found.UserInfo(ctx, oauth2.StaticTokenSource(token))
		if err != nil {
			return nil, fmt.Errorf("ask the provider for the email: %w", err)
		}
		if info.Subject != id.Subject { // OpenID Connect Core section 5.3.2
			return nil, errors.New("the provider's ID token and user info are about two persons")
		}
		if err := info.Claims(&claims); err != nil {
			return nil, fmt.Errorf("read the provider's user info: %w", err)
		}
	}
	if claims.Email == "" || !bool(claims.Verified) {
		return nil, ErrUnverified
	}
	return &Person{Subject: id.Subject, Email: claims.Email, Name: claims.Name}, nil
}

type claims struct {
	Email    string `json:"email"`
	Verified truth  `json:"email_verified"`
	Name     string `json:"name"`
}

// truth is a boolean that some providers send as a string.
type truth bool

func (t *truth) UnmarshalJSON(b []byte) error {
	*t = truth(string(b) == "true" || string(b) == `"true"`)
	return nil
}

// client is the provider's discovery document and Paragon as its client. A
// document that can't be had is asked for again the next time.
func (p *Provider) client(ctx context.Context) (*oidc.Provider, *oauth2.Config, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found == nil {
		found, err := oidc.NewProvider(ctx, p.settings.Issuer)
		if err != nil {
			return nil, nil, fmt.Errorf("discover the OpenID provider: %w", err)
		}
		p.found = found
	}
	return p.found, &oauth2.Config{ClientID: p.settings.ClientID, ClientSecret: p.settings.ClientSecret,
		Endpoint: p.found.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "email", "profile"}}, nil
}

// flowError tells the answers that belong to the flow from failures.
func flowError(err error) error {
	if refused := (*oauth2.RetrieveError)(nil); errors.As(err, &refused) {
		switch refused.ErrorCode {
		case "authorization_pending":
			return ErrPending
		case "slow_down":
			return ErrSlowDown
		case "access_denied":
			return ErrDenied
		case "expired_token", "invalid_grant":
			return ErrExpired
		}
	}
	return fmt.Errorf("ask the provider for the token: %w", err)
}

func loopback(host string) bool {
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}

// maxAnswer bounds in bytes what the provider answers.
const maxAnswer = 1 << 20

// bounded cuts answers that are too long.
type bounded struct{ *http.Transport }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := b.Transport.RoundTrip(r)
	if err == nil {
		res.Body = http.MaxBytesReader(nil, res.Body, maxAnswer)
	}
	return res, err
}
