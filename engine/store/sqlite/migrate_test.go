package sqlite_test

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"paragon/engine/store"
	"paragon/engine/store/storetest"
)

func TestMigrations(t *testing.T) {
	at := func(t time.Time) any { return t.UnixMicro() }
	storetest.Migrations(t, goose.DialectSQLite3, "migrations/sqlite", at, func(t *testing.T) (store.Store, *sql.DB) {
		path := filepath.Join(t.TempDir(), "paragon.db")
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return open(t, path), db
	})
}
