-- The large values that history refers to: what object storage has of a day
-- beside them belongs to nobody once no run of that day is live.

-- +goose Up
CREATE TABLE payloads (
    project TEXT NOT NULL,
    day     TEXT NOT NULL, -- 2026-11-28
    digest  TEXT NOT NULL,
    PRIMARY KEY (project, day, digest)
);
