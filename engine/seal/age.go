package seal

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
)

// ageKeyPrefix begins an identity in an age key file.
const ageKeyPrefix = "AGE-SECRET-KEY-1"

// ageMaster is an age identity as a master key: data keys are sealed as age
// files for its recipient.
type ageMaster struct {
	identity *age.X25519Identity
	mac      []byte
}

// NewAgeMaster returns a master key from an age X25519 identity
// ("AGE-SECRET-KEY-1…", as age-keygen writes it). Its id is the recipient. An
// error never holds the identity.
func NewAgeMaster(identity string) (Master, error) {
	id, err := age.ParseX25519Identity(identity)
	if err != nil {
		return nil, errors.New("it is not an age identity (make one with: age-keygen)")
	}
	// Whoever knows the recipient can encrypt for it. A code that only the
	// identity's holder can make keeps a data key of a stranger's making out.
	mac, err := hkdf.Key(sha256.New, []byte(id.String()), nil, "paragon age master v1", 32)
	if err != nil {
		return nil, fmt.Errorf("derive authentication key: %w", err)
	}
	return &ageMaster{identity: id, mac: mac}, nil
}

func (m *ageMaster) ID() string { return m.identity.Recipient().String() }

func (m *ageMaster) Seal(_ context.Context, plaintext, associated []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, m.identity.Recipient())
	if err != nil {
		return nil, fmt.Errorf("encrypt with age: %w", err)
	}
	_, err = w.Write(append(m.code(plaintext, associated), plaintext...))
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, fmt.Errorf("encrypt with age: %w", err)
	}
	return out.Bytes(), nil
}

func (m *ageMaster) Open(_ context.Context, ciphertext, associated []byte) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(ciphertext), m.identity)
	if err != nil {
		return nil, ErrOpen
	}
	sealed, err := io.ReadAll(r)
	if err != nil || len(sealed) < sha256.Size {
		return nil, ErrOpen
	}
	plain := sealed[sha256.Size:]
	if !hmac.Equal(sealed[:sha256.Size], m.code(plain, associated)) {
		return nil, ErrOpen
	}
	return plain, nil
}

// code binds what is sealed to its associated data, and to this identity.
func (m *ageMaster) code(plaintext, associated []byte) []byte {
	h := hmac.New(sha256.New, m.mac)
	h.Write(bind(string(associated), string(plaintext)))
	return h.Sum(nil)
}

// newMaster makes a master key of an entry of a key file.
func newMaster(entry string) (Master, error) {
	if strings.HasPrefix(entry, ageKeyPrefix) {
		return NewAgeMaster(entry)
	}
	key, err := decodeKey(entry)
	if err != nil {
		return nil, err
	}
	return NewLocalMaster(key)
}
