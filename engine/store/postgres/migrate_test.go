package postgres_test

import (
	"database/sql"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // "pgx" for database/sql
	"github.com/pressly/goose/v3"

	"paragon/engine/servicetest"
	"paragon/engine/store"
	"paragon/engine/store/storetest"
)

func TestMigrations(t *testing.T) {
	at := func(t time.Time) any { return t }
	storetest.Migrations(t, goose.DialectPostgres, "migrations/postgres", at, func(t *testing.T) (store.Store, *sql.DB) {
		url := servicetest.Postgres(t)
		db, err := sql.Open("pgx", url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return open(t, url), db
	})
}
