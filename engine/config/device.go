package config

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"paragon/engine/identity"
	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
)

// perPoll is how often an address may ask in loginWindow how its device logins
// stand: one login asks every 5 s.
const perPoll = 600

// StartDevice begins a login at the OpenID provider, by the device flow.
func (s *Service) StartDevice(ctx context.Context, from string) (*api.DeviceLogin, error) {
	if s.opts.Identity == nil {
		return nil, noProvider()
	}
	if err := s.count(ctx, tries{triesKey("device", from), perAddress}); err != nil {
		return nil, err
	}
	flow, err := s.opts.Identity.Start(ctx)
	if err != nil {
		return nil, s.providerAway(ctx, err)
	}
	return &api.DeviceLogin{DeviceCode: flow.DeviceCode, UserCode: flow.UserCode, VerificationURI: flow.VerificationURI,
		VerificationURIComplete: flow.VerificationURIComplete, ExpiresAt: flow.Expiry.UTC(), Interval: int(flow.Interval / time.Second)}, nil
}

// ClaimDevice asks once how a device login stands. A person who has answered
// is logged in: one who is known, or one who is invited, who becomes a member
// by it. The verified email of the provider says who it is.
func (s *Service) ClaimDevice(ctx context.Context, from, deviceCode string) (*api.DeviceAnswer, error) {
	if s.opts.Identity == nil {
		return nil, noProvider()
	}
	if err := s.count(ctx, tries{triesKey("poll", from), perPoll}); err != nil {
		return nil, err
	}
	who, err := s.opts.Identity.Claim(ctx, deviceCode)
	switch {
	case errors.Is(err, identity.ErrPending):
		return &api.DeviceAnswer{Status: api.DevicePending}, nil
	case errors.Is(err, identity.ErrSlowDown):
		return &api.DeviceAnswer{Status: api.DeviceSlowDown}, nil
	case errors.Is(err, identity.ErrDenied), errors.Is(err, identity.ErrExpired), errors.Is(err, identity.ErrUnverified):
		s.Refused(ctx, Actor{Name: "device", From: from}, schema.DefaultProject, "login", "person/?", err.Error())
		return nil, refusedLogin(err.Error())
	case err != nil:
		return nil, s.providerAway(ctx, err)
	}
	session, err := s.loginKnown(ctx, from, foldEmail(who.Email), who.Name)
	if err != nil {
		return nil, err
	}
	return &api.DeviceAnswer{Status: api.DeviceDone, Session: session}, nil
}

// loginKnown logs in who has an email, as somebody vouches for who may: a
// person who is known, or who is invited.
func (s *Service) loginKnown(ctx context.Context, from, email, name string) (*api.Session, error) {
	if !validEmail(email) {
		return nil, refusedLogin("the provider's email is none")
	}
	person, err := s.store.PersonByEmail(ctx, email)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, storeError("log in", err)
	}
	var invitations []store.Invitation
	if _, err := s.store.Update(ctx, schema.DefaultProject, func(tx store.ConfigTx) (err error) {
		invitations, err = tx.InvitationsTo(ctx, email, nil)
		return err
	}); err != nil {
		return nil, storeError("log in", err)
	}
	invitations = slices.DeleteFunc(invitations, func(i store.Invitation) bool { return !s.now().Before(i.ExpiresAt) })
	if person == nil {
		if len(invitations) == 0 {
			s.Refused(ctx, Actor{Name: cut(email, 100), From: from}, schema.DefaultProject, "login", "person/"+cut(email, 100), "not invited")
			return nil, refusedLogin("nobody has invited " + email + ": an admin does with paragonctl member invite")
		}
		if person, err = s.person(email, personName(name, email), ""); err != nil {
			return nil, err
		}
	}
	return s.join(ctx, *person, from, invitations)
}

func refusedLogin(why string) *schema.Problem {
	return &schema.Problem{Type: schema.ProblemUnauthenticated, Title: "Unauthenticated", Status: http.StatusUnauthorized, Detail: why}
}

func noProvider() *schema.Problem {
	return notFound("this server has no OpenID provider: log in by password, or let its operator set --oidc-issuer")
}

// providerAway tells the operator why, and the caller to try again.
func (s *Service) providerAway(ctx context.Context, err error) error {
	s.log.WarnContext(ctx, "the OpenID provider failed", "issuer", s.opts.Identity.Issuer(), "error", err)
	return &schema.Problem{Type: schema.ProblemUnavailable, Title: "Unavailable", Status: http.StatusServiceUnavailable,
		Detail: "the OpenID provider can't be asked now; the server's log says why. Try again.", RetryAfter: retryAfter}
}
