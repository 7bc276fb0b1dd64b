package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"paragon/engine/store/internal/column"
)

// The frame of COPY's binary format (PostgreSQL documentation, COPY, "Binary
// Format"): a signature, flags and the length of an extension in front, and a
// row of -1 columns at the end.
const (
	copyHeader  = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"
	copyTrailer = "\xff\xff"
)

// copyChunk is how many bytes of rows are encoded at a time.
const copyChunk = 64 << 10

// postgresEpoch is where Postgres counts a timestamptz's microseconds from.
var postgresEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

// copyRowsInto writes n rows into a table by COPY. It encodes them itself, as
// they are sent: pgx's encoder looks up each value's type, which took as long
// as the database.
func copyRowsInto(ctx context.Context, tx pgx.Tx, table string, columns []string, n int, encode func(row *copyRow, i int) error) error {
	if n == 0 {
		return nil
	}
	rows := &copyReader{n: n, encode: encode}
	defer rows.release()
	rows.row.json = json.NewEncoder(&rows.row.document)
	rows.row.columns = len(columns)
	rows.row.buf = append(rows.row.buf, copyHeader...)
	_, err := tx.Conn().PgConn().CopyFrom(ctx, rows, `COPY `+table+` (`+strings.Join(columns, ", ")+`) FROM STDIN BINARY`)
	return err
}

// copyReader encodes rows while it is read, until it is released: pgx comes back
// from a COPY whose connection broke or whose context ended while a goroutine of
// its own may still read, and the rows are then their owner's again.
type copyReader struct {
	mu       sync.Mutex
	released bool

	row    copyRow
	sent   int // of row.buf
	next   int
	n      int
	encode func(row *copyRow, i int) error
}

// release waits for a Read under way, and lets no other begin.
func (r *copyReader) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.released = true
}

func (r *copyReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.released {
		return 0, io.ErrClosedPipe
	}
	if r.sent == len(r.row.buf) {
		if r.next > r.n {
			return 0, io.EOF
		}
		r.row.buf, r.sent = r.row.buf[:0], 0
	}
	for len(r.row.buf) < copyChunk && r.next <= r.n {
		if r.next == r.n {
			r.row.buf = append(r.row.buf, copyTrailer...)
		} else {
			r.row.buf = binary.BigEndian.AppendUint16(r.row.buf, uint16(r.row.columns))
			if err := r.encode(&r.row, r.next); err != nil {
				return 0, err
			}
		}
		r.next++
	}
	n := copy(p, r.row.buf[r.sent:])
	r.sent += n
	return n, nil
}

// copyRow appends the values of a row's columns, in their order.
type copyRow struct {
	buf      []byte
	columns  int
	document bytes.Buffer
	json     *json.Encoder
}

func (r *copyRow) length(n int) { r.buf = binary.BigEndian.AppendUint32(r.buf, uint32(n)) }

func (r *copyRow) null() { r.length(-1) }

func (r *copyRow) bigint(v int64) {
	r.length(8)
	r.buf = binary.BigEndian.AppendUint64(r.buf, uint64(v))
}

// integer clamps, so that no count keeps a batch from being written.
func (r *copyRow) integer(v int) {
	r.length(4)
	r.buf = binary.BigEndian.AppendUint32(r.buf, uint32(int32(min(max(v, math.MinInt32), math.MaxInt32))))
}

func (r *copyRow) time(t time.Time) { r.bigint(t.UnixMicro() - postgresEpoch) }

// timeOrNull is NULL for the zero time.
func (r *copyRow) timeOrNull(t time.Time) {
	if t.IsZero() {
		r.null()
		return
	}
	r.time(t)
}

func (r *copyRow) text(s string) {
	s = column.Text(s)
	r.length(len(s))
	r.buf = append(r.buf, s...)
}

// textOrNull is NULL for the empty text.
func (r *copyRow) textOrNull(s string) {
	if s == "" {
		r.null()
		return
	}
	r.text(s)
}

// raw is a JSON document that is there already, NULL for none.
func (r *copyRow) raw(doc json.RawMessage) {
	switch {
	case len(doc) == 0:
		r.null()
	case column.IsText(doc):
		r.length(len(doc))
		r.buf = append(r.buf, doc...)
	default:
		r.text(string(doc))
	}
}

// encoded is a value as JSON.
func (r *copyRow) encoded(v any) error {
	r.document.Reset()
	if err := r.json.Encode(v); err != nil {
		return err
	}
	doc := r.document.Bytes()
	doc = doc[:len(doc)-1] // the encoder ends with a newline
	r.length(len(doc))
	r.buf = append(r.buf, doc...)
	return nil
}
