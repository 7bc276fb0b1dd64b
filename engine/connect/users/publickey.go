package users

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// The algorithms of tokens (RFC 7518 section 3.1, RFC 8037).
const (
	RS256 = "RS256"
	ES256 = "ES256"
	EdDSA = "EdDSA"
)

// minRSA is the shortest RSA key in bits (RFC 7518 section 3.3).
const minRSA = 2048

// ParsePublicKey reads a public key in PEM, or that of a certificate, and tells
// the one algorithm that it verifies. Its errors never hold the text: it may be
// a private key.
func ParsePublicKey(text string) (key crypto.PublicKey, algorithm string, err error) {
	block, rest := pem.Decode([]byte(text))
	switch {
	case block == nil:
		return nil, "", errors.New("it is not PEM: it begins with -----BEGIN PUBLIC KEY-----")
	case strings.Contains(block.Type, "PRIVATE"):
		return nil, "", errors.New("it is a private key, which belongs to the product alone: give the public one (openssl pkey -in key.pem -pubout)")
	case strings.TrimSpace(string(rest)) != "":
		return nil, "", errors.New("there is more behind the first key: give one")
	}
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var c *x509.Certificate
		if c, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = c.PublicKey
		}
	default:
		return nil, "", fmt.Errorf("%q is no public key", cut(block.Type))
	}
	if err != nil {
		return nil, "", errors.New("the key inside of the PEM can't be read")
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSA {
			return nil, "", fmt.Errorf("the RSA key has %d bits, %d are the least", k.N.BitLen(), minRSA)
		}
		return key, RS256, nil
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return nil, "", fmt.Errorf("the curve is %s, and ES256 wants P-256", k.Curve.Params().Name)
		}
		return key, ES256, nil
	case ed25519.PublicKey:
		return key, EdDSA, nil
	}
	return nil, "", errors.New("keys are RSA, ECDSA on P-256, or Ed25519")
}
