package users

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/connect/oauth"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows"
)

const (
	// flowLife is how long somebody has to consent; the outcome can be asked for
	// as long again.
	flowLife = 10 * time.Minute
	// maxParameter bounds what a callback brings, in bytes.
	maxParameter = 8 << 10
)

// flow is an authorization under way. Redis holds it sealed: first under its
// ticket, then under its state, each of which counts once.
type flow struct {
	ID string `json:"id"`
	Place
	Settings json.RawMessage `json:"settings,omitempty"`
	ReturnTo string          `json:"returnTo,omitempty"`
	Actor    Actor           `json:"actor"`
	// Verifier is PKCE's, Browser the hash of the cookie of who started.
	Verifier  string    `json:"verifier,omitempty"`
	Browser   string    `json:"browser,omitempty"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// flowStatus is how a flow stands, by its id.
type flowStatus struct {
	Project   string    `json:"project"`
	User      string    `json:"user,omitempty"`
	Status    string    `json:"status"`
	Error     string    `json:"error,omitempty"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// Outcome is how a consent went, for the browser.
type Outcome struct {
	// ReturnTo is where the browser goes; empty: a page says how it went.
	ReturnTo    string
	Integration string
	// Err is nil when it is connected.
	Err error
}

// Connect begins an authorization: the answer's URL starts it in the browser of
// who consents, once, within 10 minutes.
func (s *Service) Connect(ctx context.Context, actor Actor, p Place, req api.ConnectRequest) (*api.Connecting, error) {
	i, err := s.integration(p)
	if err != nil {
		return nil, err
	}
	if i.Auth() != workflows.AuthAuthorizationCode {
		return nil, invalid("integration", "integration %s has no one consent (auth: %s): set a credential instead", i.Name, i.Auth())
	}
	settings, err := checkSettings(i, req.Settings)
	if err != nil {
		return nil, err
	}
	if _, err := s.clientFor(i, p, settings); err != nil { // better now than in the browser
		return nil, err
	}
	if err := checkReturn(req.ReturnTo); err != nil {
		return nil, err
	}
	if p.User != "" {
		if _, err := s.book.User(ctx, p.Project, p.User); errors.Is(err, ErrNoUser) {
			return nil, noUser(p.Project, p.User)
		} else if err != nil {
			return nil, flowError(err)
		}
	}
	id, ticket, err := newNames()
	if err != nil {
		return nil, err
	}
	f := &flow{ID: id, Place: p, Settings: settings, ReturnTo: req.ReturnTo, Actor: actor, ExpiresAt: s.now().Add(flowLife).UTC().Truncate(time.Second)}
	if err := s.setStatus(ctx, f, api.ConnectPending, ""); err != nil {
		return nil, err
	}
	if err := s.keepFlow(ctx, "ticket", ticket, f); err != nil {
		return nil, err
	}
	start := s.opts.PublicURL + "/oauth/" + url.PathEscape(p.Project) + "/" + url.PathEscape(p.Integration) + "/start?ticket=" + ticket
	return &api.Connecting{ID: id, URL: start, ExpiresAt: f.ExpiresAt, Status: api.ConnectPending}, nil
}

// Connecting tells how an authorization stands; a user sees their own only.
func (s *Service) Connecting(ctx context.Context, project, user, id string) (*api.Connecting, error) {
	none := notFound("there is no authorization %s: it ended more than %s ago, or never began", cut(id), flowLife)
	text, err := s.book.rdb.Get(ctx, connectKey(cut(id))).Result()
	if errors.Is(err, redis.Nil) {
		return nil, none
	}
	if err != nil {
		return nil, flowError(err)
	}
	var st flowStatus
	if err := json.Unmarshal([]byte(text), &st); err != nil {
		return nil, fmt.Errorf("read an authorization: %w", err)
	}
	if st.Project != project || user != "" && st.User != user {
		return nil, none
	}
	if st.Status == api.ConnectPending && s.now().After(st.ExpiresAt) {
		st.Status, st.Error = api.ConnectFailed, "nobody consented in time"
	}
	return &api.Connecting{ID: id, ExpiresAt: st.ExpiresAt, Status: st.Status, Error: st.Error}, nil
}

// StartFlow spends a ticket: it returns where the browser goes to consent, and
// the cookie that must come back with it.
func (s *Service) StartFlow(ctx context.Context, project, integration, ticket string) (to, cookie string, err error) {
	f, err := s.takeFlow(ctx, "ticket", ticket)
	if err != nil {
		return "", "", err
	}
	if f.Project != project || f.Integration != integration {
		return "", "", expired()
	}
	i, err := s.integration(f.Place)
	if err != nil {
		return "", "", err
	}
	client, err := s.clientFor(i, f.Place, f.Settings)
	if err != nil {
		return "", "", err
	}
	cookie, state, err := newNames()
	if err != nil {
		return "", "", err
	}
	f.Verifier, f.Browser = oauth.NewVerifier(), digest(cookie)
	if to, err = client.AuthorizeURL(s.redirect(), state, f.Verifier); err != nil {
		return "", "", problemOf(err)
	}
	return to, cookie, s.keepFlow(ctx, "state", state, f)
}

// FinishFlow spends a state: it makes tokens of the code, and a credential of
// them. The error is for a browser that has no business here.
func (s *Service) FinishFlow(ctx context.Context, state, code, refusal, cookie string) (*Outcome, error) {
	if len(state) > maxParameter || len(code) > maxParameter {
		return nil, expired()
	}
	f, err := s.takeFlow(ctx, "state", state)
	if err != nil {
		return nil, err
	}
	if digest(cookie) != f.Browser {
		err = invalid("state", "this is not the browser in which the authorization began: begin again")
		_ = s.setStatus(ctx, f, api.ConnectFailed, "it went on in another browser than it began in") // the answer says it, too
		return nil, err
	}
	out := &Outcome{ReturnTo: f.ReturnTo, Integration: f.Integration, Err: s.finish(ctx, f, code, refusal)}
	status, text := api.ConnectDone, ""
	if out.Err != nil {
		status, text = api.ConnectFailed, PublicText(out.Err)
		s.log.WarnContext(ctx, "an authorization failed", "project", f.Project, "user", f.User, "integration", f.Integration, "error", out.Err)
	}
	if err := s.setStatus(ctx, f, status, text); err != nil {
		s.log.WarnContext(ctx, "the outcome of an authorization could not be noted", "id", f.ID, "error", err)
	}
	return out, nil
}

func (s *Service) finish(ctx context.Context, f *flow, code, refusal string) error {
	switch {
	case refusal != "":
		return invalid("error", "the server answered: %s", cutText(refusal, 200))
	case code == "":
		return invalid("code", "the server sent no code")
	}
	i, err := s.integration(f.Place)
	if err != nil {
		return err
	}
	client, err := s.clientFor(i, f.Place, f.Settings)
	if err != nil {
		return err
	}
	token, err := client.Exchange(ctx, s.opts.HTTP, code, s.redirect(), f.Verifier)
	if err != nil {
		return invalid("code", "the code could not be exchanged: %v", err)
	}
	var expires time.Time
	if token.ExpiresIn > 0 {
		expires = s.now().Add(token.ExpiresIn)
	}
	_, err = s.putCredential(ctx, f.Actor, "connect", f.Place, KindOAuth2, Secret{Token: token.Access, RefreshToken: token.Refresh}, f.Settings, expires)
	return err
}

// PublicURL is where browsers reach this server.
func (s *Service) PublicURL() string { return s.opts.PublicURL }

// redirect is where authorization servers send browsers back to.
func (s *Service) redirect() string { return s.opts.PublicURL + "/oauth/callback" }

func (s *Service) clientFor(i *workflows.Integration, p Place, raw json.RawMessage) (*oauth.Client, error) {
	var settings map[string]any
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &settings); err != nil {
			return nil, invalid("settings", "settings must be a JSON object")
		}
	}
	client, err := clientOf(s.book.config, p.Project, i, settings)
	return client, problemOf(err)
}

// keepFlow seals a flow and keeps it until it is taken, once.
func (s *Service) keepFlow(ctx context.Context, what, name string, f *flow) error {
	plain, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("keep an authorization: %w", err)
	}
	key := flowKey(what, name)
	sealed, err := s.book.config.Seal(f.Project, plain, key)
	if err != nil {
		return fmt.Errorf("keep an authorization: %w", err)
	}
	text := f.Project + "\n" + base64.StdEncoding.EncodeToString(sealed)
	return flowError(s.book.rdb.Set(ctx, key, text, f.ExpiresAt.Sub(s.now())).Err())
}

// takeFlow takes a flow: the second time there is none.
func (s *Service) takeFlow(ctx context.Context, what, name string) (*flow, error) {
	if name == "" {
		return nil, expired()
	}
	key := flowKey(what, name)
	text, err := s.book.rdb.GetDel(ctx, key).Result()
	if errors.Is(err, redis.Nil) {
		return nil, expired()
	}
	if err != nil {
		return nil, flowError(err)
	}
	project, encoded, _ := strings.Cut(text, "\n")
	sealed, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, expired()
	}
	plain, err := s.book.config.Open(project, sealed, key)
	if err != nil {
		return nil, expired()
	}
	f := &flow{}
	if json.Unmarshal(plain, f) != nil || s.now().After(f.ExpiresAt) {
		return nil, expired()
	}
	return f, nil
}

func (s *Service) setStatus(ctx context.Context, f *flow, status, text string) error {
	st := flowStatus{Project: f.Project, User: f.User, Status: status, Error: text, ExpiresAt: f.ExpiresAt}
	return flowError(s.book.rdb.Set(ctx, connectKey(f.ID), asJSON(st), 2*flowLife).Err())
}

func flowError(err error) error {
	if err == nil {
		return nil
	}
	return unavailable("an authorization can't go on now: Redis can't be reached. Try again.")
}

func expired() *schema.Problem {
	return &schema.Problem{Type: schema.ProblemInvalid, Title: "Invalid", Status: http.StatusBadRequest,
		Detail: "this link counts no longer: it was used already, is older than " + flowLife.String() + ", or never was. Begin again."}
}

// PublicText is what a failure says to who consented; empty without one.
func PublicText(err error) string {
	var p *schema.Problem
	switch {
	case err == nil:
		return ""
	case errors.As(err, &p):
		return p.Detail
	}
	return "it could not be stored; the server's log has the reason"
}

// checkReturn lets the browser go back to a page of the product's.
func checkReturn(to string) error {
	if to == "" {
		return nil
	}
	u, err := url.Parse(to)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" || len(to) > 2000 {
		return invalid("returnTo", "returnTo must be the https URL of a page")
	}
	return nil
}

// newNames makes two names that nobody can guess.
func newNames() (first, second string, err error) {
	random := make([]byte, 64)
	if _, err := rand.Read(random); err != nil {
		return "", "", fmt.Errorf("begin an authorization: %w", err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode(random[:32]), encode(random[32:]), nil
}

// flowKey is where a flow is kept. Who reads Redis learns no ticket and no state.
func flowKey(what, name string) string { return "paragon:{connect}:" + what + ":" + digest(name) }

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
