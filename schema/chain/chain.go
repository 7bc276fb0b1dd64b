package chain

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Record is what a hash covers.
type Record struct {
	// Seq counts the records of a project from 1, without a gap.
	Seq     int64
	Project string
	// At counts to the microsecond.
	At                                   time.Time
	Actor, Action, Object, Outcome, From string
	// Detail is JSON. Its white space does not count.
	Detail json.RawMessage
}

// Hash is the SHA-256 over the hash of the record before (nil for the first)
// and the record. Each field is preceded by its length, so that no two records
// read the same.
func Hash(prev []byte, r Record) []byte {
	h := sha256.New()
	var length [8]byte
	field := func(b []byte) {
		binary.BigEndian.PutUint64(length[:], uint64(len(b)))
		h.Write(length[:])
		h.Write(b)
	}
	field(prev)
	field(binary.BigEndian.AppendUint64(nil, uint64(r.Seq)))
	field(binary.BigEndian.AppendUint64(nil, uint64(r.At.UnixMicro())))
	for _, text := range []string{r.Project, r.Actor, r.Action, r.Object, r.Outcome, r.From} {
		field([]byte(text))
	}
	var detail bytes.Buffer
	if json.Compact(&detail, r.Detail) != nil {
		detail.Reset()
		detail.Write(r.Detail)
	}
	field(detail.Bytes())
	return h.Sum(nil)
}

// BrokenError says where a log is not what was written.
type BrokenError struct {
	Seq    int64
	Reason string
}

// Error names the record and what is wrong with it.
func (e *BrokenError) Error() string { return fmt.Sprintf("record %d: %s", e.Seq, e.Reason) }

// Verifier checks records, oldest first. The zero value begins at the start of
// a log.
type Verifier struct {
	seq  int64
	head []byte
}

// Add checks the next record against its hash. Its error is a *BrokenError.
func (v *Verifier) Add(r Record, hash []byte) error {
	if r.Seq != v.seq+1 {
		return &BrokenError{r.Seq, fmt.Sprintf("it follows record %d: what was between is missing, or out of order", v.seq)}
	}
	if !bytes.Equal(hash, Hash(v.head, r)) {
		return &BrokenError{r.Seq, "its hash does not fit: it was changed, or one before it"}
	}
	v.seq, v.head = r.Seq, hash
	return nil
}

// Head names the last record that was checked: its number and its hash, as
// "12:6f3a…". Whoever keeps it can tell later that the log still holds it.
func (v *Verifier) Head() string { return fmt.Sprintf("%d:%s", v.seq, hex.EncodeToString(v.head)) }

// Len is how many records were checked.
func (v *Verifier) Len() int64 { return v.seq }
