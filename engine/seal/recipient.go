package seal

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// Recipient is somebody else whom values can be encrypted for: whoever holds the
// age identity opens them, and nobody here does.
type Recipient struct{ age.Recipient }

// ParseRecipient reads an age recipient ("age1…", as age-keygen prints it).
func ParseRecipient(text string) (Recipient, error) {
	found, err := age.ParseRecipients(strings.NewReader(text))
	if err != nil || len(found) != 1 {
		return Recipient{}, errors.New("it is not an age recipient (age1…; make one with: age-keygen)")
	}
	return Recipient{found[0]}, nil
}

// Encrypt returns a value as an armored age file.
func (r Recipient) Encrypt(plaintext []byte) (string, error) {
	var out bytes.Buffer
	armored := armor.NewWriter(&out)
	w, err := age.Encrypt(armored, r.Recipient)
	if err != nil {
		return "", fmt.Errorf("encrypt with age: %w", err)
	}
	_, err = w.Write(plaintext)
	if err = errors.Join(err, w.Close(), armored.Close()); err != nil {
		return "", fmt.Errorf("encrypt with age: %w", err)
	}
	return out.String(), nil
}
