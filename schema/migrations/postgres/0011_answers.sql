-- What mutations with an Idempotency-Key were answered, for a day. All of it
-- is under a key made of the caller's token, which the store does not have.

-- +goose Up

CREATE TABLE answers (
    expires_at timestamptz NOT NULL,     -- of a claim: when another may take it
    id         bytea PRIMARY KEY,        -- keyed digest of project and Idempotency-Key
    owner      bytea NOT NULL,           -- the request that has, or had, the claim
    request    bytea NOT NULL,           -- keyed digest of what was asked
    sealed     bytea                     -- the answer; NULL: there is none yet
);
CREATE INDEX answers_expired ON answers (expires_at);
