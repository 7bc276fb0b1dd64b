package record

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// errShort says that a record ends too early.
var errShort = errors.New("the record is cut off")

// writer appends fields.
type writer struct{ b []byte }

func (w *writer) number(n int64) { w.b = binary.AppendVarint(w.b, n) }

func (w *writer) text(s string) {
	w.b = binary.AppendUvarint(w.b, uint64(len(s)))
	w.b = append(w.b, s...)
}

// when writes a time in microseconds, 0 for none: as exact as the store is.
func (w *writer) when(t time.Time) {
	if t.IsZero() {
		w.number(0)
		return
	}
	w.number(t.UnixMicro())
}

func (w *writer) optional(t *time.Time) {
	if t == nil {
		w.number(0)
		return
	}
	w.when(*t)
}

// document writes a value as JSON, nothing for none.
func (w *writer) document(v any, none bool) error {
	if none {
		w.text("")
		return nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.text(string(raw))
	return nil
}

// reader takes fields; after the first that fails it returns zeros.
type reader struct {
	s   string
	err error
}

func (r *reader) number() int64 {
	u := r.unsigned()
	return int64(u>>1) ^ -int64(u&1) // zigzag, as binary.AppendVarint
}

func (r *reader) unsigned() uint64 {
	var u uint64
	for i := 0; i < len(r.s) && i < binary.MaxVarintLen64; i++ {
		c := r.s[i]
		u |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.s = r.s[i+1:]
			return u
		}
	}
	r.fail(errShort)
	return 0
}

func (r *reader) text() string {
	n := r.unsigned()
	if n > uint64(len(r.s)) {
		r.fail(errShort)
		return ""
	}
	out := r.s[:n]
	r.s = r.s[n:]
	return out
}

func (r *reader) raw() json.RawMessage {
	if s := r.text(); s != "" {
		return json.RawMessage(s)
	}
	return nil
}

func (r *reader) when() time.Time {
	if us := r.number(); us != 0 {
		return time.UnixMicro(us).UTC()
	}
	return time.Time{}
}

func (r *reader) optional() *time.Time {
	t := r.when()
	if t.IsZero() {
		return nil
	}
	return &t
}

func (r *reader) document(into any) {
	if s := r.text(); s != "" && r.err == nil {
		if err := json.Unmarshal([]byte(s), into); err != nil {
			r.fail(err)
		}
	}
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.s = ""
}

// begin reads the version that a record begins with, from the first known one
// to the last.
func (r *reader) begin(first, last byte) byte {
	if r.s == "" {
		r.fail(errShort)
		return 0
	}
	version := r.s[0]
	if version < first || version > last {
		r.fail(fmt.Errorf("version %d of the record is not known to this binary", version))
		return 0
	}
	r.s = r.s[1:]
	return version
}
