package users

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"paragon/engine/connect"
	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows"
	"paragon/workflows/exchange"
)

// maxSettings bounds a credential's settings, in bytes.
const maxSettings = 64 << 10

// PutCredential sets what a user, or without one the project, proves itself
// with. No answer has it again.
func (s *Service) PutCredential(ctx context.Context, actor Actor, p Place, req api.PutCredentialRequest) (*api.Credential, error) {
	i, err := s.integration(p)
	if err != nil {
		return nil, err
	}
	kind, secret, expires, err := readSecret(req)
	if err != nil {
		return nil, err
	}
	if want := kindOf(i); kind != want {
		if want == "" {
			return nil, invalid("", "integration %s sends no credential (auth: none)", i.Name)
		}
		return nil, invalid(kind, "integration %s asks for %s, not for %s", i.Name, want, kind)
	}
	settings, err := checkSettings(i, req.Settings)
	if err != nil {
		return nil, err
	}
	return s.putCredential(ctx, actor, "put", p, kind, secret, settings, expires)
}

// putCredential seals and stores a credential.
func (s *Service) putCredential(ctx context.Context, actor Actor, action string, p Place, kind string, secret Secret, settings json.RawMessage, expires time.Time) (*api.Credential, error) {
	sealed, err := s.book.seal(p, secret)
	if err != nil {
		return nil, err
	}
	c := store.Credential{CredentialID: p, Kind: kind, Sealed: sealed, Settings: settings, Status: store.CredentialValid,
		ExpiresAt: expires.UTC().Truncate(time.Microsecond), UpdatedAt: s.now().UTC().Truncate(time.Microsecond), UpdatedBy: actor.Name}
	if expires.IsZero() {
		c.ExpiresAt = time.Time{}
	}
	err = s.update(ctx, actor, p.Project, action, objectOf(p), func(tx store.ConfigTx) (any, error) {
		if p.User != "" {
			if _, err := tx.User(ctx, p.User); errors.Is(err, store.ErrNotFound) {
				return nil, noUser(p.Project, p.User)
			} else if err != nil {
				return nil, err
			}
		}
		return map[string]any{"kind": kind, "settings": settings}, tx.PutCredential(ctx, c)
	})
	if err != nil {
		return nil, err
	}
	shown := shownCredential(c)
	return &shown, nil
}

// Credentials lists the credentials of a user, or the project's shared ones.
func (s *Service) Credentials(ctx context.Context, project, user string) ([]api.Credential, error) {
	if user != "" {
		if _, err := s.User(ctx, project, user); err != nil {
			return nil, err
		}
	}
	found, err := s.store.Credentials(ctx, project, user)
	if err != nil {
		return nil, storeError("list credentials", err)
	}
	return shownCredentials(found), nil
}

func shownCredentials(found []store.Credential) []api.Credential {
	list := make([]api.Credential, len(found))
	for i, c := range found {
		list[i] = shownCredential(c)
	}
	return list
}

// mostInvalid bounds how many invalid credentials are listed.
const mostInvalid = 500

// InvalidCredentials lists those of all users, and of the project, that must be
// connected again: the last ones to become so, at most 500.
func (s *Service) InvalidCredentials(ctx context.Context, project string) ([]api.Credential, error) {
	found, err := s.store.InvalidCredentials(ctx, project, mostInvalid)
	if err != nil {
		return nil, storeError("list invalid credentials", err)
	}
	return shownCredentials(found), nil
}

// DeleteCredential removes a credential, and takes its tokens back where the
// server can (RFC 7009): that it can't is in the log and no error.
func (s *Service) DeleteCredential(ctx context.Context, actor Actor, p Place) error {
	if err := checkPlace(p); err != nil {
		return err
	}
	s.revoke(ctx, p)
	return s.update(ctx, actor, p.Project, "delete", objectOf(p), func(tx store.ConfigTx) (any, error) {
		err := tx.DeleteCredential(ctx, p.User, p.Integration, p.Account)
		if errors.Is(err, store.ErrNotFound) {
			return nil, notFound("there is no credential for %s (account %s)", p.Integration, p.Account)
		}
		return struct{}{}, err
	})
}

// revoke tells the authorization server that a credential's tokens are not
// needed any more.
func (s *Service) revoke(ctx context.Context, p Place) {
	c, err := s.book.readCredential(ctx, p)
	if err != nil || c.Kind != KindOAuth2 || s.opts.HTTP == nil {
		return
	}
	i, err := s.integration(p)
	if err != nil {
		return // the integration went first
	}
	client, err := clientOf(s.book.config, p.Project, i, c.Settings)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, readTimeout)
		defer cancel()
		token, hint := c.Secret.RefreshToken, "refresh_token"
		if token == "" {
			token, hint = c.Secret.Token, "access_token"
		}
		err = client.Revoke(ctx, s.opts.HTTP, token, hint)
	}
	if err != nil {
		s.log.WarnContext(ctx, "the token of a deleted credential could not be revoked", "project", p.Project, "integration", p.Integration, "error", err)
	}
}

// integration finds the integration of a place.
func (s *Service) integration(p Place) (*workflows.Integration, error) {
	if err := checkPlace(p); err != nil {
		return nil, err
	}
	project := s.book.config.Project(p.Project)
	if project == nil {
		return nil, notFound("project %s does not exist", p.Project)
	}
	i := project.Integration(p.Integration)
	if i == nil {
		return nil, notFound("there is no integration %s in project %s: apply one", p.Integration, p.Project)
	}
	if i.Broken != nil {
		return nil, invalid("", "integration %s can't be used by this version: %v", p.Integration, i.Broken)
	}
	return i.Integration, nil
}

// readSecret reads the one part of a request that is a credential. Its errors
// hold nothing of it.
func readSecret(req api.PutCredentialRequest) (kind string, secret Secret, expires time.Time, err error) {
	n := 0
	part := func(name string, given bool, fields ...string) {
		if !given {
			return
		}
		n++
		kind = name
		for _, text := range fields {
			if text == "" || !exchange.ValidHeaderValue(text) {
				err = invalid(name, "%s: a part is empty, or holds a line break or another control character", name)
			}
		}
	}
	if b := req.Basic; b != nil {
		secret = Secret{Username: b.Username, Password: b.Password}
		part(KindBasic, true)
		if b.Username == "" && b.Password == "" || strings.Contains(b.Username, ":") {
			err = invalid(KindBasic, "basic: the user name can't hold a colon (RFC 7617), and one of the two is needed")
		}
	}
	if b := req.Bearer; b != nil {
		secret = Secret{Token: b.Token}
		part(KindBearer, true, b.Token)
	}
	if k := req.APIKey; k != nil {
		secret = Secret{Key: k.Key}
		part(KindAPIKey, true, k.Key)
	}
	if c := req.Client; c != nil {
		secret = Secret{ClientID: c.ID, ClientSecret: c.Secret}
		part(KindClient, true, c.ID, c.Secret)
	}
	if o := req.OAuth2; o != nil {
		secret, expires = Secret{Token: o.AccessToken, RefreshToken: o.RefreshToken}, o.ExpiresAt
		part(KindOAuth2, true, o.AccessToken)
	}
	if n != 1 {
		err = invalid("", "a credential has exactly one of basic, bearer, apiKey, client and oauth2")
	}
	return kind, secret, expires, err
}

// checkSettings checks a credential's settings by the integration's schema.
func checkSettings(i *workflows.Integration, raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) > maxSettings {
		return nil, invalid("settings", "settings have %d bytes, %d are the most", len(raw), maxSettings)
	}
	var given map[string]any
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &given); err != nil {
			return nil, invalid("settings", "settings must be a JSON object")
		}
	}
	if _, wrong := i.Settings(given); len(wrong) > 0 {
		return nil, &schema.Problem{Type: schema.ProblemInvalid, Title: "Invalid", Status: http.StatusUnprocessableEntity,
			Detail: "integration " + i.Name + ": " + wrong[0].Field + " " + wrong[0].Message, Errors: wrong}
	}
	if len(given) == 0 {
		return nil, nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return nil, invalid("settings", "settings must be a JSON object")
	}
	return b.Bytes(), nil
}

// objectOf names a credential in the audit log.
func objectOf(p Place) string {
	if p.User == "" {
		return "credential/" + p.Integration + "/" + p.Account
	}
	return "credential/" + p.User + "/" + p.Integration + "/" + p.Account
}

func shownCredential(c store.Credential) api.Credential {
	return api.Credential{User: c.User, Integration: c.Integration, Account: c.Account, Kind: c.Kind, Settings: c.Settings, Status: c.Status,
		Reason: c.Reason, ExpiresAt: c.ExpiresAt, UpdatedAt: c.UpdatedAt, UpdatedBy: c.UpdatedBy}
}

// problemOf makes a problem of an error of connect.
func problemOf(err error) error {
	var e *connect.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Reason == connect.ReasonUnavailable {
		return unavailable(e.Detail)
	}
	return invalid("", "%s", e.Detail)
}
