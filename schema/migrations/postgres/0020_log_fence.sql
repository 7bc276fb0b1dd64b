-- How often a stream was fenced off: batches that were read before are void.

-- +goose Up
ALTER TABLE log_positions ADD COLUMN fence bigint NOT NULL DEFAULT 0;
