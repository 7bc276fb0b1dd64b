package config

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"paragon/engine/seal"
	"paragon/engine/store"
)

// AnswerLife is how long the answer to a mutation stands for its idempotency
// key.
const AnswerLife = 24 * time.Hour

// Answer is what a mutation was answered.
type Answer struct {
	Status int         `json:"status"`
	Header http.Header `json:"header,omitempty"`
	Body   []byte      `json:"body,omitempty"`
}

// Claim is one request's right to answer for an idempotency key.
type Claim struct {
	service *Service
	key     *seal.DataKey
	row     store.Answer
}

// ClaimAnswer claims an idempotency key of a caller, by token, in a project. It
// returns the claim, which the request keeps or gives up; or the answer that
// the same request got before. Another request under the key is a
// *schema.Problem: 422 when it asks for something else, 409 with a Retry-After
// while the first has no answer. A claim whose process was lost is over after
// life.
//
// What is stored is under a key made of the token: an answer may hold a token
// that is shown once, a request the value of a secret.
func (s *Service) ClaimAnswer(ctx context.Context, token, project, key string, request []byte, life time.Duration) (*Claim, *Answer, error) {
	sealing, err := seal.ForToken(token)
	if err != nil {
		return nil, nil, err
	}
	c := &Claim{service: s, key: sealing, row: store.Answer{
		ID:        []byte(sealing.Digest([]byte(key), "answer", project)),
		Owner:     []byte(rand.Text()),
		Request:   []byte(sealing.Digest(request, "request")),
		ExpiresAt: s.now().Add(life).UTC(),
	}}
	there, err := s.store.ClaimAnswer(ctx, c.row, s.now())
	if err != nil {
		return nil, nil, storeError("claim an idempotency key", err)
	}
	if there == nil {
		return c, nil, nil
	}
	if string(there.Request) != string(c.row.Request) {
		return nil, nil, invalid("the Idempotency-Key was used for another request in the last 24 hours: send a new one with each request that is not a repetition", nil)
	}
	if there.Sealed == nil {
		p := conflict("the first request with this Idempotency-Key is not answered yet: try again in a moment")
		p.RetryAfter = 1
		return nil, nil, p
	}
	answer, err := c.open(there.Sealed)
	return nil, answer, err
}

func (c *Claim) open(sealed []byte) (*Answer, error) {
	plain, err := c.key.Open(sealed, string(c.row.ID))
	if err != nil {
		return nil, err
	}
	var a Answer
	if err := json.Unmarshal(plain, &a); err != nil {
		return nil, errors.New("a stored answer can't be read")
	}
	return &a, nil
}

// Keep stores the answer for AnswerLife. One that passes, such as a 503 or a
// 429, is not kept: the key is free for the repetition.
func (c *Claim) Keep(ctx context.Context, a Answer) error {
	if passes(a.Status) {
		return storeError("give an idempotency key up", c.service.store.DropAnswer(ctx, c.row.ID, c.row.Owner))
	}
	plain, err := json.Marshal(a)
	if err != nil {
		return err
	}
	kept := c.row
	if kept.Sealed, err = c.key.Seal(plain, string(kept.ID)); err != nil {
		return err
	}
	kept.ExpiresAt = c.service.now().Add(AnswerLife).UTC()
	_, err = c.service.store.SaveAnswer(ctx, kept)
	return storeError("keep an answer", err)
}

// passes tells whether there is no answer (0), or a repetition may be answered differently for no other
// reason than that it comes later.
func passes(status int) bool {
	return status == 0 || status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout
}

// forgetAnswers removes the answers whose time is over.
func (s *Service) forgetAnswers(ctx context.Context) {
	if _, err := s.store.DeleteAnswers(ctx, s.now()); err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrUnavailable) {
		s.log.WarnContext(ctx, "old answers could not be removed; trying again", "error", err)
	}
}
