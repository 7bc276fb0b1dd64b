package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"paragon/engine/servicetest"
)

// A COPY that ends in the middle leaves its rows alone: they are written over
// with the next batch at once, which the race detector watches.
func TestACopyThatEndsInTheMiddleLetsGoOfItsRows(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), servicetest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.Exec(t.Context(), "CREATE TABLE numbers (n bigint)"); err != nil {
		t.Fatal(err)
	}
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const many = 10_000_000 // minutes of rows
	rows := make([]int64, 1000)
	err = copyRowsInto(ctx, tx, "numbers", []string{"n"}, many, func(row *copyRow, i int) error {
		if i == 100_000 {
			cancel()
		}
		row.bigint(rows[i%len(rows)])
		return nil
	})
	for i := range rows {
		rows[i] = 1
	}
	if err == nil {
		t.Fatal("a canceled COPY says that it went well")
	}
}

func TestAReleasedCopyReadsNoMore(t *testing.T) {
	t.Parallel()
	encoded := 0
	r := &copyReader{n: 1 << 20, encode: func(row *copyRow, i int) error { encoded++; row.bigint(int64(i)); return nil }}
	r.row.json, r.row.columns = json.NewEncoder(&r.row.document), 1
	buf := make([]byte, copyChunk*2)
	if _, err := r.Read(buf); err != nil {
		t.Fatal(err)
	}
	r.release()
	before := encoded
	if n, err := r.Read(buf); n != 0 || !errors.Is(err, io.ErrClosedPipe) || encoded != before {
		t.Errorf("a released copy read %d bytes (%v) and encoded %d rows", n, err, encoded-before)
	}
}
