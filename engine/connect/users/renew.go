package users

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/connect/oauth"
	"paragon/engine/store"
	"paragon/workflows"
)

const (
	// lockLife is how long one process may take to renew a token. It is longer
	// than asking can take (oauth.Timeout, twice), so that the lock ends by itself
	// only when its process died.
	lockLife = 2*oauth.Timeout + 10*time.Second
	// waitPoll is how often a process that waits for another one looks, should a
	// notice be lost.
	waitPoll = 250 * time.Millisecond
	// restAfter is how long nobody asks after a server did not answer.
	restAfter = 2 * time.Second
	// early is how long before its end a token is renewed, at most.
	early = time.Minute
)

// ended tells whether the access token counts no longer; soon, whether it is
// time to renew it.
func (c *Credential) ended(now time.Time) bool {
	return !c.ExpiresAt.IsZero() && !now.Before(c.ExpiresAt)
}

func (c *Credential) soon(now time.Time) bool {
	if c.ExpiresAt.IsZero() {
		return false
	}
	life := max(c.ExpiresAt.Sub(c.UpdatedAt), 0)
	return !now.Before(c.ExpiresAt.Add(-min(early, life/5)))
}

// newer tells whether a credential is of a later state than another.
func (c *Credential) newer(than *Credential) bool {
	return c.Generation > than.Generation || c.Generation == than.Generation && c.Version > than.Version
}

// fresh returns a credential whose token counts: the one given, or a renewed one.
func (l *Lender) fresh(ctx context.Context, c *Credential, i *workflows.Integration) (*Credential, error) {
	now := l.book.now()
	if c.Kind != KindOAuth2 || !c.soon(now) {
		return c, nil
	}
	if c.Secret.RefreshToken == "" {
		if !c.ended(now) {
			return c, nil
		}
		return l.invalidate(ctx, c, "its token ended, and there is no refresh token")
	}
	renewed, err := l.renew(ctx, c, i)
	if err != nil && !c.ended(now) && errors.Is(err, ErrUnavailable) {
		return c, nil // it was early to renew; a later call tries again
	}
	return renewed, err
}

// renewal is one that is under way in this process.
type renewal struct {
	done chan struct{}
	c    *Credential
	err  error
}

// renew returns a later state of a credential: that of another process, or what
// the authorization server gives now. In this process one asks for all, and goes
// on when the caller goes away: what the server gives must not be lost.
func (l *Lender) renew(ctx context.Context, c *Credential, i *workflows.Integration) (*Credential, error) {
	key := credentialKey(c.Place)
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil, fmt.Errorf("%w: this process stops", ErrUnavailable)
	}
	r := l.renewals[key]
	if r == nil {
		r = &renewal{done: make(chan struct{})}
		l.renewals[key] = r
		l.running.Go(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*lockLife)
			defer cancel()
			r.c, r.err = l.renewOnce(ctx, c, i)
			l.mu.Lock()
			delete(l.renewals, key)
			l.mu.Unlock()
			close(r.done)
		})
	}
	l.mu.Unlock()
	select {
	case <-r.done:
		return r.c, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// renewOnce renews under a lock that all processes share, or waits for who has
// it.
func (l *Lender) renewOnce(ctx context.Context, c *Credential, i *workflows.Integration) (*Credential, error) {
	b := l.book
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return nil, fmt.Errorf("renew a token: %w", err)
	}
	holder := hex.EncodeToString(id)
	for {
		notice, leave := b.notice(credentialKey(c.Place))
		now, err := b.readCredential(ctx, c.Place)
		if err != nil || now.newer(c) {
			leave()
			return now, err
		}
		resting, locked, err := l.lock(ctx, c.Place, holder)
		switch {
		case err != nil:
			leave()
			return nil, err
		case resting != "":
			leave()
			return nil, fmt.Errorf("%w: %s", ErrUnavailable, resting)
		case locked:
			leave()
			return l.renewLocked(ctx, c, i, holder)
		}
		poll := time.NewTimer(waitPoll)
		select {
		case <-notice:
		case <-poll.C:
		case <-ctx.Done():
		}
		poll.Stop()
		leave()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%w: another process renews the token and does not come to an end", ErrUnavailable)
		}
	}
}

// renewLocked asks the authorization server, unless somebody renewed before the
// lock was had.
func (l *Lender) renewLocked(ctx context.Context, c *Credential, i *workflows.Integration, holder string) (*Credential, error) {
	defer l.unlock(ctx, c.Place, holder)
	now, err := l.book.readCredential(ctx, c.Place)
	if err != nil || now.newer(c) {
		return now, err
	}
	client, err := clientOf(l.book.config, now.Project, i, now.Settings)
	if err != nil {
		return nil, err
	}
	// As long as the lock lasts, however long it was waited for.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lockLife-5*time.Second)
	defer cancel()
	token, err := client.Refresh(ctx, l.http, now.Secret.RefreshToken)
	var refused *oauth.RefusedError
	switch {
	case errors.As(err, &refused) && !clientsFault(refused.Code):
		return l.invalidate(ctx, now, refused.Error())
	case err != nil:
		l.rest(ctx, c.Place, err.Error())
		return nil, fmt.Errorf("%w: the token can't be renewed: %w", ErrUnavailable, err)
	}
	next := *now
	next.Secret.Token = token.Access
	if token.Refresh != "" {
		next.Secret.RefreshToken = token.Refresh
	}
	at := l.book.now()
	next.ExpiresAt, next.UpdatedAt = time.Time{}, at
	if token.ExpiresIn > 0 {
		next.ExpiresAt = at.Add(token.ExpiresIn)
	}
	return l.commit(ctx, &next, holder)
}

// clientsFault tells refusals that are about the project's client, and no reason
// to give the user's consent up.
func clientsFault(code string) bool {
	switch code {
	case "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope", "invalid_request":
		return true
	}
	return false
}

// invalidate marks a credential as invalid, which happens once however many
// processes find it out, and returns the error that says so; or the credential
// that came in its place meanwhile.
func (l *Lender) invalidate(ctx context.Context, c *Credential, reason string) (*Credential, error) {
	next := *c
	next.Status, next.Reason, next.UpdatedAt = store.CredentialInvalid, cutText(reason, 500), l.book.now()
	now, err := l.commit(ctx, &next, "")
	if err == nil && now.Status == store.CredentialInvalid {
		err = &InvalidError{c.Place, now.Reason}
	}
	if err != nil {
		return nil, err
	}
	return now, nil
}

// commit writes the next state of a credential to Redis, and onto the stream that
// brings it to the store, if Redis still has the state that it was made from.
// Else it returns what is there now.
func (l *Lender) commit(ctx context.Context, next *Credential, holder string) (*Credential, error) {
	b := l.book
	sealed, err := b.seal(next.Place, next.Secret)
	if err != nil {
		return nil, err
	}
	body := asJSON(redisCredential{Kind: next.Kind, Sealed: sealed, Settings: next.settings, Status: next.Status, Reason: next.Reason,
		ExpiresAt: next.ExpiresAt, UpdatedAt: next.UpdatedAt})
	// What was asked for must not be lost because the caller went away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
	defer cancel()
	key := credentialKey(next.Place)
	version, err := commitScript.Run(ctx, b.rdb, []string{key, lockKey(next.Place), renewedKey(shardOf(next.Project, next.User))},
		next.Generation, next.Version, body, noticeChannel, renewedChannel, holder, asJSON(next.Place), next.Status).Int64()
	if err != nil {
		return nil, fmt.Errorf("%w: keep a renewed token: %w", ErrUnavailable, err)
	}
	b.forget(key)
	if version < 0 {
		return b.readCredential(ctx, next.Place)
	}
	if next.Status == store.CredentialInvalid {
		b.log.WarnContext(ctx, "a credential became invalid", "project", next.Project, "user", next.User, "integration", next.Integration,
			"account", next.Account, "reason", next.Reason)
	}
	written := *next
	written.Version = version
	return &written, nil
}

// renewedChannel says that there is something for the store.
const renewedChannel = "paragon:{connect}:renewed"

// commitScript writes the next version of a credential of the same generation,
// and returns its number, or -1 when another version is there. New tokens beat a
// refusal that somebody got meanwhile for the old ones.
//
//	KEYS credential, lock, stream. ARGV generation, version, body, channel of
//	notices, channel of the stream, holder of the lock, place, status.
var commitScript = redis.NewScript(`
if ARGV[6] ~= '' and redis.call('GET', KEYS[2]) == ARGV[6] then
  redis.call('DEL', KEYS[2])
end
local now = redis.call('HMGET', KEYS[1], 'g', 'v', 'b')
if not now[1] or now[1] ~= ARGV[1] or not now[3] or now[3] == '' then
  return -1
end
local v, base = tonumber(now[2]), tonumber(ARGV[2])
if v ~= base then
  local late = v == base + 1 and ARGV[8] == 'valid' and cjson.decode(now[3]).status == 'invalid'
  if not late then
    return -1
  end
end
v = v + 1
redis.call('HSET', KEYS[1], 'v', v, 'b', ARGV[3])
redis.call('XADD', KEYS[3], '*', 'place', ARGV[7], 'g', ARGV[1], 'v', v, 'b', ARGV[3])
redis.call('PUBLISH', ARGV[4], KEYS[1])
redis.call('PUBLISH', ARGV[5], KEYS[3])
return v
`)

// lockScript takes the lock of a credential unless somebody has it, or a failure
// is rested from, whose text it returns then.
//
//	KEYS lock, rest. ARGV holder, milliseconds.
var lockScript = redis.NewScript(`
local rest = redis.call('GET', KEYS[2])
if rest then
  return rest
end
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return 1
end
return 0
`)

func (l *Lender) lock(ctx context.Context, p Place, holder string) (resting string, locked bool, err error) {
	reply, err := lockScript.Run(ctx, l.book.rdb, []string{lockKey(p), restKey(p)}, holder, lockLife.Milliseconds()).Result()
	if err != nil {
		return "", false, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if text, ok := reply.(string); ok {
		return text, false, nil
	}
	return "", reply == int64(1), nil
}

// unlockScript gives the lock back and wakes who waits for it.
//
//	KEYS lock, credential. ARGV holder, channel.
var unlockScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
  redis.call('PUBLISH', ARGV[2], KEYS[2])
end
return 1
`)

func (l *Lender) unlock(ctx context.Context, p Place, holder string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
	defer cancel()
	if err := unlockScript.Run(ctx, l.book.rdb, []string{lockKey(p), credentialKey(p)}, holder, noticeChannel).Err(); err != nil {
		l.book.log.WarnContext(ctx, "the lock of a credential ends by itself only", "integration", p.Integration, "error", err)
	}
}

// rest keeps everybody from asking for a while.
func (l *Lender) rest(ctx context.Context, p Place, reason string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
	defer cancel()
	if err := l.book.rdb.Set(ctx, restKey(p), cutText(reason, 500), restAfter).Err(); err != nil {
		l.book.log.WarnContext(ctx, "a pause after a failed renewal could not be noted", "integration", p.Integration, "error", err)
	}
}

// cutText bounds a text, by characters.
func cutText(text string, most int) string {
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}
