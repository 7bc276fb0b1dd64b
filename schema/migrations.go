package schema

import "embed"

// Migrations holds the SQL that builds the store's tables, in goose's form:
// migrations/postgres/*.sql and migrations/sqlite/*.sql. They only go forward.
//
//go:embed migrations/postgres/*.sql migrations/sqlite/*.sql
var Migrations embed.FS
