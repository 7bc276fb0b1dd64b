package schema

import (
	"strings"
	"time"
)

// runIDAlphabet is Crockford's Base32 in lower case; its order is that of its
// bytes, so that ids compare as their times do.
const runIDAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// runIDLength is that of "r" and a ULID; the ULID's first runIDTimeLength
// characters are the Unix time in milliseconds.
const (
	runIDLength     = 27
	runIDTimeLength = 10
)

// RunIDBound is a text that sorts, byte by byte, after every id of a run that
// was created before t and before every other one. It counts whole
// milliseconds, as ids do: a run created later in t's own millisecond is not
// before t. A time before 1970 counts as 1970.
func RunIDBound(t time.Time) string {
	ms := max(t.UnixMilli(), 0)
	var id [1 + runIDTimeLength]byte
	id[0] = 'r'
	for i := len(id) - 1; i > 0; i-- {
		id[i] = runIDAlphabet[ms&31]
		ms >>= 5
	}
	return string(id[:])
}

// RunIDTime reads, to the millisecond, when the run with an id was created. It
// is false for a text that is not the id of a run.
func RunIDTime(id string) (t time.Time, ok bool) {
	if len(id) != runIDLength || id[0] != 'r' || id[1] > '7' {
		return time.Time{}, false // a first character above 7 would be more than 48 bits of time
	}
	var ms int64
	for i := 1; i < runIDLength; i++ {
		digit := runIDDigits[id[i]]
		if digit < 0 {
			return time.Time{}, false
		}
		if i <= runIDTimeLength {
			ms = ms<<5 | int64(digit)
		}
	}
	return time.UnixMilli(ms).UTC(), true
}

// runIDDigits are the values of the letters of an id, -1 for what is none.
var runIDDigits = func() (d [256]int8) {
	for c := range d {
		d[c] = int8(strings.IndexByte(runIDAlphabet, byte(c)))
	}
	return d
}()
