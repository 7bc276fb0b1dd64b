package postgres_test

import (
	"context"
	"testing"

	"paragon/engine/servicetest"
	"paragon/engine/store"
	"paragon/engine/store/postgres"
	"paragon/engine/store/storetest"
)

func TestMain(m *testing.M) { servicetest.Main(m) }

func open(t testing.TB, url string) store.Store {
	t.Helper()
	s, err := postgres.Open(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, servicetest.Postgres(t)) })
}
