package seal

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"
)

const (
	dataKeySize = 32
	// valueFormat is the first byte of a sealed value.
	valueFormat = 1
)

// DataKey seals the values of one project. XChaCha20-Poly1305 has random
// nonces of 192 bits, so that one key may seal any number of values. It is
// safe for concurrent use.
type DataKey struct {
	project string
	aead    tink.AEAD
	mac     []byte
}

func newDataKey(project string, key []byte) (*DataKey, error) {
	if len(key) != dataKeySize {
		return nil, fmt.Errorf("data key of project %s: %w", project, ErrOpen)
	}
	// The data key itself encrypts nothing: separate keys for sealing and for
	// digests are derived from it.
	enc, err := hkdf.Expand(sha256.New, key, "paragon seal v1", 32)
	if err != nil {
		return nil, fmt.Errorf("derive sealing key: %w", err)
	}
	mac, err := hkdf.Expand(sha256.New, key, "paragon digest v1", 32)
	if err != nil {
		return nil, fmt.Errorf("derive digest key: %w", err)
	}
	aead, err := subtle.NewXChaCha20Poly1305(enc)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	return &DataKey{project: project, aead: aead, mac: mac}, nil
}

// Seal encrypts a value, bound to the project and to the place (a kind and a
// name, say): it opens with the same place only.
func (d *DataKey) Seal(plaintext []byte, place ...string) ([]byte, error) {
	sealed, err := d.aead.Encrypt(plaintext, d.associated(place))
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
	plain, err := d.aead.Decrypt(sealed[1:], d.associated(place))
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
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
