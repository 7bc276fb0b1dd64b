package sqlite

import (
	"context"
	"time"

	"paragon/engine/store"
)

// ClaimAnswer writes a claim, or returns what is there.
func (s *Store) ClaimAnswer(ctx context.Context, claim store.Answer, now time.Time) (*store.Answer, error) {
	const what = "claim an idempotency key"
	for {
		result, err := s.write.ExecContext(ctx, `INSERT INTO answers (id, owner, request, expires_at) VALUES (?1, ?2, ?3, ?4)
			ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, request = excluded.request, expires_at = excluded.expires_at, sealed = NULL
			WHERE answers.expires_at <= ?5`, claim.ID, claim.Owner, claim.Request, claim.ExpiresAt.UnixMicro(), now.UnixMicro())
		if n, err := changed(result, err); err != nil || n > 0 {
			return nil, s.wrap(ctx, what, err)
		}
		there, err := list(ctx, s.read, scanAnswer, `SELECT id, owner, request, sealed, expires_at FROM answers WHERE id = ?1`, claim.ID)
		if err != nil {
			return nil, s.wrap(ctx, what, err)
		}
		if len(there) > 0 {
			return &there[0], nil
		}
		// It was given up in between.
	}
}

// SaveAnswer writes the answer of a claim.
func (s *Store) SaveAnswer(ctx context.Context, a store.Answer) (held bool, err error) {
	result, err := s.write.ExecContext(ctx, `UPDATE answers SET sealed = ?3, expires_at = ?4 WHERE id = ?1 AND owner = ?2`,
		a.ID, a.Owner, a.Sealed, a.ExpiresAt.UnixMicro())
	n, err := changed(result, err)
	return n > 0, s.wrap(ctx, "keep an answer", err)
}

// DropAnswer gives a claim up.
func (s *Store) DropAnswer(ctx context.Context, id, owner []byte) error {
	_, err := s.write.ExecContext(ctx, `DELETE FROM answers WHERE id = ?1 AND owner = ?2 AND sealed IS NULL`, id, owner)
	return s.wrap(ctx, "give an idempotency key up", err)
}

// DeleteAnswers removes what has expired.
func (s *Store) DeleteAnswers(ctx context.Context, now time.Time) (int64, error) {
	result, err := s.write.ExecContext(ctx, `DELETE FROM answers WHERE expires_at <= ?1`, now.UnixMicro())
	n, err := changed(result, err)
	return n, s.wrap(ctx, "forget answers", err)
}

func scanAnswer(row scanner) (a store.Answer, err error) {
	var expires int64
	err = row.Scan(&a.ID, &a.Owner, &a.Request, &a.Sealed, &expires)
	a.ExpiresAt = timeOf(&expires)
	return a, err
}
