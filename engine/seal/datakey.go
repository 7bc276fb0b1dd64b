package seal

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"
)

const (
	dataKeySize = 32
	// valueFormat is the first byte of a sealed value.
	valueFormat = 1
)

// DataKey seals the values of one project. XChaCha20-Poly1305 has random
// nonces of 192 bits, so that one key may seal any number of values. After a
// rotation it holds the keys of before, too, and opens what they sealed. It is
// safe for concurrent use.
type DataKey struct {
	project string
	aeads   []tink.AEAD // the first seals, all open
	mac     []byte
}

// newDataKey makes a data key of one or several keys in a row.
func newDataKey(project string, keys []byte) (*DataKey, error) {
	if len(keys) == 0 || len(keys)%dataKeySize != 0 {
		return nil, fmt.Errorf("data key of project %s: %w", project, ErrOpen)
	}
	d := &DataKey{project: project}
	// A data key itself encrypts nothing: separate keys for sealing and for
	// digests are derived from it.
	for key := range slices.Chunk(keys, dataKeySize) {
		enc, err := hkdf.Expand(sha256.New, key, "paragon seal v1", 32)
		if err != nil {
			return nil, fmt.Errorf("derive sealing key: %w", err)
		}
		aead, err := subtle.NewXChaCha20Poly1305(enc)
		if err != nil {
			return nil, fmt.Errorf("make cipher: %w", err)
		}
		d.aeads = append(d.aeads, aead)
	}
	var err error
	if d.mac, err = hkdf.Expand(sha256.New, keys[:dataKeySize], "paragon digest v1", 32); err != nil {
		return nil, fmt.Errorf("derive digest key: %w", err)
	}
	return d, nil
}

// Seal encrypts a value, bound to the project and to the place (a kind and a
// name, say): it opens with the same place only.
func (d *DataKey) Seal(plaintext []byte, place ...string) ([]byte, error) {
	sealed, err := d.aeads[0].Encrypt(plaintext, d.associated(place))
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return append([]byte{valueFormat}, sealed...), nil
}

// Open decrypts a value sealed for the same place, or returns ErrOpen.
func (d *DataKey) Open(sealed []byte, place ...string) ([]byte, error) {
	if len(sealed) == 0 || sealed[0] != valueFormat {
		return nil, ErrOpen
	}
	associated := d.associated(place)
	for _, aead := range d.aeads {
		if plain, err := aead.Decrypt(sealed[1:], associated); err == nil {
			return plain, nil
		}
	}
	return nil, ErrOpen
}

// Digest is a keyed digest (HMAC-SHA-256, 128 bits of it, in hex) of a value
// at a place. Equal digests mean equal values; without the key nobody can try
// values against it, and the same value at two places has two digests.
func (d *DataKey) Digest(value []byte, place ...string) string {
	h := hmac.New(sha256.New, d.mac)
	h.Write(d.associated(place))
	h.Write([]byte{0})
	h.Write(value)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (d *DataKey) associated(place []string) []byte {
	return bind(append([]string{d.project}, place...)...)
}
