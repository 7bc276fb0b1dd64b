// Package postgres keeps the store in PostgreSQL 14 or newer.
//
// Configuration is serialized by one locked row; history is partitioned by
// the day, written by COPY, and dropped by whole partitions.
package postgres
