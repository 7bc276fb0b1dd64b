package config

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
)

// SessionPrefix begins the token of a person's session.
const SessionPrefix = "pgs_"

const (
	// sessionLife is how long a login counts.
	sessionLife = 12 * time.Hour
	// loginWindow is over which failed logins are counted; perPerson and
	// perAddress are how many there may be for one email, and from one address.
	loginWindow = 15 * time.Minute
	perPerson   = 10
	perAddress  = 50
)

// Login is a person who is logged in.
type Login struct {
	Person    store.Person
	ExpiresAt time.Time
	// Roles are the person's, by project.
	Roles map[string]Role
}

// errLogin does not say which of the two is wrong: that would tell who has an
// account.
func errLogin() error {
	return &schema.Problem{Type: schema.ProblemUnauthenticated, Title: "Unauthenticated", Status: http.StatusUnauthorized,
		Detail: "the email or the password is wrong"}
}

// Login logs a person in by password. After too many failures for the email or
// from the address it refuses (429) without looking.
func (s *Service) Login(ctx context.Context, from, email, password string) (*api.Session, error) {
	email = foldEmail(email)
	if err := s.mayTry(ctx, from, email); err != nil {
		return nil, err
	}
	person, err := s.store.PersonByEmail(ctx, email)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, storeError("log in", err)
	}
	hash := ""
	if person != nil {
		hash = person.Password
	}
	ok, err := s.hashing.matches(ctx, hash, password[:min(len(password), maxPassword+1)])
	if err != nil {
		return nil, fmt.Errorf("check the password: %w", err)
	}
	if !ok {
		s.Refused(ctx, Actor{Name: cut(email, 100), From: from}, schema.DefaultProject, "login", "person/"+cut(email, 100), "wrong email or password")
		return nil, errLogin()
	}
	session, err := s.startSession(ctx, *person, from, nil)
	if err == nil {
		s.forgetTries(ctx, email)
	}
	return session, err
}

// startSession logs a person in, with what else f does in the transaction.
func (s *Service) startSession(ctx context.Context, p store.Person, from string, f func(tx store.ConfigTx) error) (*api.Session, error) {
	_, token, err := newToken(SessionPrefix)
	if err != nil {
		return nil, err
	}
	hash, now := HashToken(token), s.now().UTC()
	session := store.Session{Hash: hash[:], Person: p.ID, CreatedAt: now, ExpiresAt: now.Add(sessionLife), From: from}
	_, err = s.store.Update(ctx, schema.DefaultProject, func(tx store.ConfigTx) error {
		if f != nil {
			if err := f(tx); err != nil {
				return err
			}
		}
		if err := tx.PutSession(ctx, session); err != nil {
			return err
		}
		return s.audit(ctx, tx, Actor{Name: p.Email, From: from}, "login", "person/"+p.Email, map[string]any{"expiresAt": session.ExpiresAt})
	})
	if err != nil {
		return nil, storeError("log in", err)
	}
	return &api.Session{Token: token, ExpiresAt: session.ExpiresAt, Email: p.Email, Name: p.Name}, nil
}

// Session finds who a session's token is of. It asks the store at each call,
// so that a logout and a changed role count at once, everywhere.
func (s *Service) Session(ctx context.Context, token string) (*Login, error) {
	hash := HashToken(token)
	session, person, err := s.store.Session(ctx, hash[:])
	if errors.Is(err, store.ErrNotFound) || err == nil && !s.now().Before(session.ExpiresAt) {
		return nil, &schema.Problem{Type: schema.ProblemUnauthenticated, Title: "Unauthenticated", Status: http.StatusUnauthorized,
			Detail: "the login has ended: log in again with paragonctl auth login"}
	}
	if err != nil {
		return nil, storeError("check the login", err)
	}
	roles, err := s.store.Roles(ctx, person.ID)
	if err != nil {
		return nil, storeError("check the login", err)
	}
	login := &Login{Person: *person, ExpiresAt: session.ExpiresAt, Roles: make(map[string]Role, len(roles))}
	for project, role := range roles {
		login.Roles[project] = Role(role)
	}
	return login, nil
}

// Logout ends a session.
func (s *Service) Logout(ctx context.Context, actor Actor, token string) error {
	hash := HashToken(token)
	_, err := s.store.Update(ctx, schema.DefaultProject, func(tx store.ConfigTx) error {
		if err := tx.DeleteSession(ctx, hash[:]); err != nil {
			return err
		}
		return s.audit(ctx, tx, actor, "logout", "person/"+actor.Name, nil)
	})
	return storeError("log out", err)
}

// mayTry counts a try to log in, in Redis, so that all api processes count
// together. A login that can't be counted is refused.
func (s *Service) mayTry(ctx context.Context, from, email string) error {
	return s.count(ctx, tries{triesKey("person", email), perPerson}, tries{triesKey("address", from), perAddress})
}

// tries is a counter of loginWindow, and how far it may go.
type tries struct {
	key  string
	most int64
}

// count counts one more try in each, and refuses where there are too many.
func (s *Service) count(ctx context.Context, counters ...tries) error {
	for _, c := range counters {
		pipe := s.rdb.TxPipeline()
		n := pipe.Incr(ctx, c.key)
		pipe.ExpireNX(ctx, c.key, loginWindow)
		left := pipe.TTL(ctx, c.key)
		if _, err := pipe.Exec(ctx); err != nil {
			s.log.WarnContext(ctx, "login refused: it can't be counted", "error", err)
			return &schema.Problem{Type: schema.ProblemUnavailable, Title: "Unavailable", Status: http.StatusServiceUnavailable,
				Detail: "Redis can't be reached now, so logins can't be counted. Try again.", RetryAfter: retryAfter}
		}
		if n.Val() > c.most {
			return &schema.Problem{Type: schema.ProblemRateLimited, Title: "Too many logins", Status: http.StatusTooManyRequests,
				Detail: "there were too many tries to log in: wait, then try again", RetryAfter: max(int(left.Val().Seconds()), 1)}
		}
	}
	return nil
}

// forgetTries lets a person who got in start counting anew. The address goes
// on counting: else who has one account could try all others.
func (s *Service) forgetTries(ctx context.Context, email string) {
	_ = s.rdb.Del(ctx, triesKey("person", email)).Err() // the window ends by itself
}

// triesKey holds no email: Redis has no business with it.
func triesKey(what, of string) string {
	sum := sha256.Sum256([]byte(of))
	return "paragon:{login}:" + what + ":" + hex.EncodeToString(sum[:16])
}

// foldEmail is an email as it is kept.
func foldEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

// validEmail tells whether text may be an email: what is right is for the mail
// to show.
func validEmail(email string) bool {
	name, host, ok := strings.Cut(email, "@")
	return ok && name != "" && host != "" && len(email) <= 254 &&
		!strings.ContainsFunc(email, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '/' || r == 0xfffd }) && !strings.Contains(host, "@")
}

// cut bounds text that came from outside.
func cut(text string, most int) string { return text[:min(len(text), most)] }
