package seal

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
)

// ForToken is a data key made of a caller's token: what it seals only a request
// with the same token opens. The token must be random or signed, as API keys,
// sessions and users' tokens are; the hash that is stored of it is of no use here.
func ForToken(token string) (*DataKey, error) {
	key, err := hkdf.Key(sha256.New, []byte(token), nil, "paragon answers v1", dataKeySize)
	if err != nil {
		return nil, fmt.Errorf("derive a key from a token: %w", err)
	}
	return newDataKey("", key)
}
