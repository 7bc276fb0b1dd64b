package execution

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"sync"
	"time"
)

// crockford is the alphabet of ids (Crockford's Base32, lower case): its order
// is that of ASCII, so that ids sort as their values do.
const crockford = "0123456789abcdefghjkmnpqrstvwxyz"

// MaxLanes is how many lanes an id can name.
const MaxLanes = 32 * 32

// idLength is that of a run's id: "r", 10 characters of Unix milliseconds, 14
// of chance, 2 of the lane. Without the "r" it has the form of a ULID.
const idLength = 27

// entropy hands out random bytes from a block that is read at once: a read of
// the kernel's for each id would be a system call a run.
var entropy struct {
	sync.Mutex
	block [4096]byte
	left  []byte
}

func randomBytes(out []byte) {
	entropy.Lock()
	defer entropy.Unlock()
	if len(entropy.left) < len(out) {
		_, _ = rand.Read(entropy.block[:]) // never fails: crypto/rand ends the process itself
		entropy.left = entropy.block[:]
	}
	copy(out, entropy.left)
	entropy.left = entropy.left[len(out):]
}

// NewRunID makes the id of a run that was accepted at a time and lives in a
// lane below MaxLanes.
func NewRunID(at time.Time, lane int) string {
	var raw [16]byte
	randomBytes(raw[:])
	return runID(at, lane, raw)
}

// sameRunID is NewRunID with what a key gives in the place of chance: the same
// key, time and lane have the same id.
func sameRunID(at time.Time, lane int, key string) string {
	sum := sha256.Sum256([]byte(key))
	return runID(at, lane, [16]byte(sum[:16]))
}

// runID writes an id; 70 bits of raw are used.
func runID(at time.Time, lane int, raw [16]byte) string {
	id := make([]byte, idLength)
	id[0] = 'r'
	ms := uint64(at.UnixMilli())
	for i := 10; i >= 1; i-- {
		id[i] = crockford[ms&31]
		ms >>= 5
	}
	hi, lo := binary.BigEndian.Uint64(raw[:8]), binary.BigEndian.Uint64(raw[8:])
	for i := 11; i <= 17; i++ {
		id[i] = crockford[hi&31]
		hi >>= 5
	}
	for i := 18; i <= 24; i++ {
		id[i] = crockford[lo&31]
		lo >>= 5
	}
	id[25], id[26] = crockford[lane/32], crockford[lane%32]
	return string(id)
}

// LaneOfRun reads the lane from a run's id; false for a text that is no id.
func LaneOfRun(id string) (int, bool) {
	if len(id) != idLength || id[0] != 'r' {
		return 0, false
	}
	for i := 1; i < idLength; i++ {
		if digits[id[i]] < 0 {
			return 0, false
		}
	}
	return int(digits[id[25]])*32 + int(digits[id[26]]), true
}

// digits are the values of the letters of an id, -1 for what is none.
var digits = func() (d [256]int8) {
	for c := range d {
		d[c] = int8(strings.IndexByte(crockford, byte(c)))
	}
	return d
}()
