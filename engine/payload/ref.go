package payload

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"paragon/schema"
)

// Above is the size from which on a value is kept in object storage: it is in
// bytes, and a value of exactly so many stays where it is.
const Above = 256 << 10

// Max is the size of the largest value that is kept, in bytes.
const Max = 64 << 20

// Ref stands for a value in object storage. It begins with a character that
// neither JSON nor a sealed value begins with, so that no value is ever taken
// for one: "@2026-11-28/<sha256>/<bytes>".
type Ref string

const (
	refMark   = '@'
	dayLayout = time.DateOnly
	refFixed  = 1 + len(dayLayout) + 1 + 2*sha256.Size + 1
)

// newRef is the reference to a value of a run.
func newRef(run string, value []byte) (Ref, error) {
	at, ok := schema.RunIDTime(run)
	if !ok {
		return "", fmt.Errorf("%q is not the id of a run", run)
	}
	sum := sha256.Sum256(value)
	return Ref(fmt.Sprintf("%c%s/%x/%d", refMark, Day(at), sum, len(value))), nil
}

// AsRef reads the reference that stands in the place of a value; false for a
// value that is there itself.
func AsRef[T ~string | ~[]byte](value T) (Ref, bool) {
	if len(value) < refFixed || value[0] != refMark {
		return "", false
	}
	return Ref(value), true
}

// Size is how many bytes the value has; 0 when the reference is damaged.
func (r Ref) Size() int64 {
	_, _, size, _ := r.parts()
	return size
}

// Digest is the SHA-256 of the value, in hexadecimal digits.
func (r Ref) Digest() string {
	_, digest, _, _ := r.parts()
	return digest
}

// Day is the day that the value is kept under, of the form 2026-11-28.
func (r Ref) Day() string {
	day, _, _, _ := r.parts()
	return day
}

// parts takes a reference apart, and tells whether it is one.
func (r Ref) parts() (day, digest string, size int64, ok bool) {
	rest, marked := strings.CutPrefix(string(r), string(refMark))
	parts := strings.Split(rest, "/")
	if !marked || len(parts) != 3 || !isDay(parts[0]) || !isDigest(parts[1]) {
		return "", "", 0, false
	}
	size, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil || size < 0 || size > Max {
		return "", "", 0, false
	}
	return parts[0], parts[1], size, true
}

// Day is the day (UTC) under which the values of runs created at a time are
// kept.
func Day(at time.Time) string { return at.UTC().Format(dayLayout) }

// DayOf is the day of a run.
func DayOf(run string) (day string, ok bool) {
	at, ok := schema.RunIDTime(run)
	return Day(at), ok
}

func isDay(text string) bool {
	_, err := time.Parse(dayLayout, text)
	return err == nil
}

func isDigest(text string) bool {
	_, err := hex.DecodeString(text)
	return err == nil && len(text) == 2*sha256.Size
}

// key is the name of an object: project, day and digest.
func key(project, day, digest string) string { return project + "/" + day + "/" + digest }
