package users

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/store"
)

// keepingKey is held by the process that brings renewed tokens to the store, so
// that who is told of a failure is told by one.
const keepingKey = "paragon:{connect}:keeping"

// freeScript gives a lock back. KEYS lock. ARGV holder.
var freeScript = redis.NewScript(`if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 1`)

// keepRenewed writes what workers made of credentials to the store, and tells of
// those that became invalid. An entry leaves Redis once the store has it.
func (s *Service) keepRenewed(ctx context.Context) error {
	rdb := s.book.rdb
	held, err := rdb.SetNX(ctx, keepingKey, s.id, reconcileTimeout).Result()
	if err != nil || !held {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		_ = freeScript.Run(ctx, rdb, []string{keepingKey}, s.id).Err() // it ends by itself
	}()
	var errs []error
	for shard := range shards {
		errs = append(errs, s.keepShard(ctx, shard))
	}
	return errors.Join(errs...)
}

func (s *Service) keepShard(ctx context.Context, shard int) error {
	for {
		page, err := s.book.rdb.XRangeN(ctx, renewedKey(shard), "-", "+", pageSize).Result()
		if err != nil || len(page) == 0 {
			return err
		}
		for _, m := range page {
			if err := s.keepOne(ctx, shard, m); err != nil {
				return fmt.Errorf("bring a renewed token to the store: %w", err)
			}
			if err := s.book.rdb.XDel(ctx, renewedKey(shard), m.ID).Err(); err != nil {
				return err
			}
		}
	}
}

func (s *Service) keepOne(ctx context.Context, shard int, m redis.XMessage) error {
	c, err := parseRenewed(m)
	if err != nil {
		// Nobody can do anything with it: better said than kept for ever.
		s.log.ErrorContext(ctx, "what a worker made of a credential can't be read and is dropped", "entry", m.ID, "error", err)
		return nil
	}
	failed := c.Status == store.CredentialInvalid
	if failed && s.opts.Failed != nil {
		// First, so that a process that dies here tells of it again.
		f := Failure{ID: strconv.Itoa(shard) + "-" + m.ID, Place: c.CredentialID, Reason: c.Reason, At: c.UpdatedAt}
		if err := s.opts.Failed(ctx, f); err != nil {
			return err
		}
	}
	_, err = s.store.Update(ctx, c.Project, func(tx store.ConfigTx) error {
		applied, err := tx.RenewCredential(ctx, *c)
		if err != nil || !applied || !failed {
			return err
		}
		return tx.Audit(ctx, store.AuditRecord{At: s.now().UTC(), Actor: "paragond", Action: "invalidate", Object: objectOf(c.CredentialID), Outcome: "done",
			Detail: json.RawMessage(asJSON(map[string]string{"reason": c.Reason}))})
	})
	return err
}

func parseRenewed(m redis.XMessage) (*store.Credential, error) {
	text := func(field string) string { v, _ := m.Values[field].(string); return v }
	c := &store.Credential{UpdatedBy: "paragond"}
	var r redisCredential
	var errs [4]error
	errs[0] = json.Unmarshal([]byte(text("place")), &c.CredentialID)
	errs[1] = json.Unmarshal([]byte(text("b")), &r)
	c.Generation, errs[2] = strconv.ParseInt(text("g"), 10, 64)
	c.Version, errs[3] = strconv.ParseInt(text("v"), 10, 64)
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	c.Kind, c.Sealed, c.Settings, c.Status, c.Reason = r.Kind, r.Sealed, r.Settings, r.Status, r.Reason
	c.ExpiresAt, c.UpdatedAt = r.ExpiresAt.Truncate(time.Microsecond), r.UpdatedAt.Truncate(time.Microsecond)
	return c, nil
}
