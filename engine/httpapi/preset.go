package httpapi

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"paragon/schema"
)

// preset verifies as well-known senders sign, each as its documentation says.
func (v verifier) preset(p *schema.WebhookPreset, h http.Header, body []byte) error {
	secret, err := v.value(p.Secret)
	if err != nil {
		return err
	}
	if p.Tolerance <= 0 {
		p = &schema.WebhookPreset{Name: p.Name, Secret: p.Secret, Tolerance: schema.Duration(defaultTolerance)}
	}
	switch p.Name {
	case "github":
		return v.hmac(&schema.HMACAuth{Secret: p.Secret, Header: "X-Hub-Signature-256", Prefix: "sha256="}, h, body)
	case "stripe":
		return v.stripe(p, secret, h, body)
	case "slack":
		stamp := strings.TrimSpace(h.Get("X-Slack-Request-Timestamp"))
		if err := v.timely(stamp, "X-Slack-Request-Timestamp", p.Tolerance); err != nil {
			return err
		}
		text, ok := strings.CutPrefix(strings.TrimSpace(h.Get("X-Slack-Signature")), "v0=")
		given, err := hex.DecodeString(text)
		if !ok || err != nil {
			return errors.New("the header X-Slack-Signature with v0= and a signature is missing")
		}
		return matches(given, mac(sha256.New, []byte(secret), []byte("v0:"+stamp+":"), body))
	case "standard":
		return v.standard(p, secret, h, body)
	}
	return fmt.Errorf("the preset %s is not known to this version", p.Name)
}

// stripe verifies Stripe-Signature: t=<time>,v1=<hex>,v1=<hex>…; any of the
// signatures will do, so that secrets can be rolled.
func (v verifier) stripe(p *schema.WebhookPreset, secret string, h http.Header, body []byte) error {
	var stamp string
	var signatures [][]byte
	for item := range strings.SplitSeq(h.Get("Stripe-Signature"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(item), "=")
		switch name {
		case "t":
			stamp = value
		case "v1":
			if b, err := hex.DecodeString(value); err == nil {
				signatures = append(signatures, b)
			}
		}
	}
	if len(signatures) == 0 {
		return errors.New("the header Stripe-Signature with t= and v1= is missing")
	}
	if err := v.timely(stamp, "Stripe-Signature", p.Tolerance); err != nil {
		return err
	}
	return anyMatches(signatures, mac(sha256.New, []byte(secret), []byte(stamp+"."), body))
}

// standard verifies Standard Webhooks (and Svix, under its own names): the id,
// the time and the body, joined by dots, under a secret in base64 behind
// whsec_; "v1,<base64>" separated by spaces.
func (v verifier) standard(p *schema.WebhookPreset, secret string, h http.Header, body []byte) error {
	header := func(name string) string {
		if value := strings.TrimSpace(h.Get("webhook-" + name)); value != "" {
			return value
		}
		return strings.TrimSpace(h.Get("svix-" + name))
	}
	id, stamp := header("id"), header("timestamp")
	if id == "" {
		return errors.New("the header webhook-id is missing")
	}
	if err := v.timely(stamp, "webhook-timestamp", p.Tolerance); err != nil {
		return err
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return fmt.Errorf("%w as whsec_ and base64: %s", errSecret, p.Secret)
	}
	var signatures [][]byte
	for item := range strings.FieldsSeq(header("signature")) {
		if text, ok := strings.CutPrefix(item, "v1,"); ok {
			if b, err := base64.StdEncoding.DecodeString(text); err == nil {
				signatures = append(signatures, b)
			}
		}
	}
	if len(signatures) == 0 {
		return errors.New("the header webhook-signature with v1 is missing")
	}
	return anyMatches(signatures, mac(sha256.New, key, []byte(id+"."+stamp+"."), body))
}

func anyMatches(signatures [][]byte, right []byte) error {
	for _, s := range signatures {
		if matches(s, right) == nil {
			return nil
		}
	}
	return errWrongSignature
}
