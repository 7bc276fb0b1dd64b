package proxy

import (
	"math/rand/v2"
	"time"

	"paragon/schema"
)

// crockford is the alphabet of ids (Crockford's Base32, lower case): its order
// is that of its bytes.
const crockford = "0123456789abcdefghjkmnpqrstvwxyz"

// newCallID makes the id of a call that began at a time. Its chance need not be
// hard to guess: an id is no key to anything.
func newCallID(at time.Time) string {
	var id [27]byte
	copy(id[:], schema.ProxyCallIDBound(at))
	for i := 11; i < len(id); {
		for bits, n := rand.Uint64(), 0; n < 12 && i < len(id); n++ {
			id[i] = crockford[bits&31]
			bits >>= 5
			i++
		}
	}
	return string(id[:])
}
