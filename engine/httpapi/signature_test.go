package httpapi

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // a sender that signs so
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"paragon/schema"
)

const slackBody = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"

func secrets(name string) (string, bool) {
	v, ok := map[string]string{
		"GITHUB": "It's a Secret to Everybody", "SLACK": "8f742231b10e8888abcd99yyyzzz85a5",
		"STANDARD": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "PLAIN": "plain-secret", "EMPTY": "",
	}[name]
	return v, ok
}

func headers(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func preset(name, secret string) *schema.WebhookAuth {
	return &schema.WebhookAuth{Preset: &schema.WebhookPreset{Name: name, Secret: secret}}
}

func sum(t *testing.T, algorithm, key, text string) []byte {
	t.Helper()
	h := hmac.New(sha256.New, []byte(key))
	switch algorithm {
	case "sha1":
		h = hmac.New(sha1.New, []byte(key))
	case "sha512":
		h = hmac.New(sha512.New, []byte(key))
	}
	h.Write([]byte(text))
	return h.Sum(nil)
}

// The examples are those of the senders' own documentation.
func TestDocumentedSignatures(t *testing.T) {
	const githubSum = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	const slackSum = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
	const standardSum = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
	stripeSum := hex.EncodeToString(sum(t, "", "plain-secret", "1700000000.{}"))
	for name, tc := range map[string]struct {
		auth *schema.WebhookAuth
		h    http.Header
		body string
		now  int64
		want string // in the error; empty: accepted
	}{
		"github":              {auth: preset("github", "GITHUB"), h: headers("X-Hub-Signature-256", githubSum), body: "Hello, World!"},
		"github other body":   {auth: preset("github", "GITHUB"), h: headers("X-Hub-Signature-256", githubSum), body: "Hello, World?", want: "does not fit"},
		"github no header":    {auth: preset("github", "GITHUB"), h: headers(), body: "Hello, World!", want: "missing"},
		"github no prefix":    {auth: preset("github", "GITHUB"), h: headers("X-Hub-Signature-256", githubSum[7:]), body: "Hello, World!", want: "begin with"},
		"github cut":          {auth: preset("github", "GITHUB"), h: headers("X-Hub-Signature-256", githubSum[:40]), body: "Hello, World!", want: "hex"},
		"github short":        {auth: preset("github", "GITHUB"), h: headers("X-Hub-Signature-256", githubSum[:41]), body: "Hello, World!", want: "does not fit"},
		"slack":               {auth: preset("slack", "SLACK"), h: headers("X-Slack-Request-Timestamp", "1531420618", "X-Slack-Signature", slackSum), body: slackBody, now: 1531420618},
		"slack 5m later":      {auth: preset("slack", "SLACK"), h: headers("X-Slack-Request-Timestamp", "1531420618", "X-Slack-Signature", slackSum), body: slackBody, now: 1531420618 + 300},
		"slack too late":      {auth: preset("slack", "SLACK"), h: headers("X-Slack-Request-Timestamp", "1531420618", "X-Slack-Signature", slackSum), body: slackBody, now: 1531420618 + 301, want: "from now"},
		"slack from the days": {auth: preset("slack", "SLACK"), h: headers("X-Slack-Request-Timestamp", "1531420618", "X-Slack-Signature", slackSum), body: slackBody, now: 1531420618 - 301, want: "from now"},
		"slack no time":       {auth: preset("slack", "SLACK"), h: headers("X-Slack-Signature", slackSum), body: slackBody, now: 1531420618, want: "missing"},
		"slack no signature":  {auth: preset("slack", "SLACK"), h: headers("X-Slack-Request-Timestamp", "1531420618"), body: slackBody, now: 1531420618, want: "missing"},
		"standard": {auth: preset("standard", "STANDARD"), now: 1614265330, body: `{"test": 2432232314}`,
			h: headers("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp", "1614265330", "webhook-signature", standardSum)},
		"svix, the second of two": {auth: preset("standard", "STANDARD"), now: 1614265330, body: `{"test": 2432232314}`,
			h: headers("svix-id", "msg_p5jXN8AQM9LWM0D4loKWxJek", "svix-timestamp", "1614265330", "svix-signature", "v1a,xx v1,aaaa "+standardSum)},
		"standard other id": {auth: preset("standard", "STANDARD"), now: 1614265330, body: `{"test": 2432232314}`, want: "does not fit",
			h: headers("webhook-id", "msg_other", "webhook-timestamp", "1614265330", "webhook-signature", standardSum)},
		"standard bad secret": {auth: preset("standard", "PLAIN"), now: 1614265330, h: headers("webhook-id", "a", "webhook-timestamp", "1614265330", "webhook-signature", standardSum), want: "not set"},
		"stripe":              {auth: preset("stripe", "PLAIN"), now: 1700000100, body: "{}", h: headers("Stripe-Signature", "t=1700000000,v1=00ff,v1="+stripeSum+",v0=aa")},
		"stripe v0 only":      {auth: preset("stripe", "PLAIN"), now: 1700000100, body: "{}", h: headers("Stripe-Signature", "t=1700000000,v0="+stripeSum), want: "missing"},
		"stripe other time":   {auth: preset("stripe", "PLAIN"), now: 1700000100, body: "{}", h: headers("Stripe-Signature", "t=1700000001,v1="+stripeSum), want: "does not fit"},
		"stripe old":          {auth: preset("stripe", "PLAIN"), now: 1700009999, body: "{}", h: headers("Stripe-Signature", "t=1700000000,v1="+stripeSum), want: "from now"},
		"unknown preset":      {auth: preset("nobody", "PLAIN"), want: "not known"},
		"unknown auth":        {auth: &schema.WebhookAuth{}, want: "not known"},
		"no auth":             {},
		"no secret":           {auth: preset("github", "NONE"), h: headers("X-Hub-Signature-256", githubSum), want: "not set"},
		"empty secret":        {auth: preset("github", "EMPTY"), h: headers("X-Hub-Signature-256", "sha256="+hex.EncodeToString(sum(t, "", "", "x"))), body: "x", want: "not set"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", nil)
			r.Header = tc.h
			err := verifier{secret: secrets, now: time.Unix(tc.now, 0)}.verify(tc.auth, r, []byte(tc.body))
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if (tc.want == "not set") != errors.Is(err, errSecret) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Whoever signs a time is believed for the tolerance, 5 minutes unless it is set.
func TestTolerance(t *testing.T) {
	const signed = 1700000000
	secret := func(string) (string, bool) { return "whsec_cGxhaW4tc2VjcmV0", true } // of plain-secret
	slack := "v0=" + hex.EncodeToString(sum(t, "", "whsec_cGxhaW4tc2VjcmV0", "v0:1700000000:{}"))
	stripe := "t=1700000000,v1=" + hex.EncodeToString(sum(t, "", "whsec_cGxhaW4tc2VjcmV0", "1700000000.{}"))
	standard := "v1," + base64.StdEncoding.EncodeToString(sum(t, "", "plain-secret", "id.1700000000.{}"))
	own := hex.EncodeToString(sum(t, "", "whsec_cGxhaW4tc2VjcmV0", "1700000000.{}"))
	for name, h := range map[string]http.Header{
		"slack":    headers("X-Slack-Request-Timestamp", "1700000000", "X-Slack-Signature", slack),
		"stripe":   headers("Stripe-Signature", stripe),
		"standard": headers("webhook-id", "id", "webhook-timestamp", "1700000000", "webhook-signature", standard),
		"hmac":     headers("X-Time", "1700000000", "X-Sig", own),
	} {
		for _, tolerance := range []time.Duration{0, time.Minute, time.Hour} {
			most := tolerance
			if most == 0 {
				most = 5 * time.Minute
			}
			auth := preset(name, "S")
			auth.Preset.Tolerance = schema.Duration(tolerance)
			if name == "hmac" {
				auth = &schema.WebhookAuth{HMAC: &schema.HMACAuth{Secret: "S", Header: "X-Sig", TimestampHeader: "X-Time", Tolerance: schema.Duration(tolerance)}}
			}
			for distance, accept := range map[time.Duration]bool{-most - time.Second: false, -most: true, 0: true, most: true, most + time.Second: false} {
				r := httptest.NewRequest("POST", "/", nil)
				r.Header = h
				err := verifier{secret: secret, now: time.Unix(signed, 0).Add(distance)}.verify(auth, r, []byte("{}"))
				if (err == nil) != accept {
					t.Errorf("%s, tolerance %s, %s away: %v", name, tolerance, distance, err)
				}
			}
		}
	}
}

func TestHMACVariants(t *testing.T) {
	const body = `{"a":1}`
	now := time.Unix(1700000000, 0)
	encode := map[string]func([]byte) string{"hex": hex.EncodeToString, "": hex.EncodeToString, "base64": base64.StdEncoding.EncodeToString}
	for _, algorithm := range []string{"", "sha1", "sha256", "sha512"} {
		for encoding, enc := range encode {
			for _, prefix := range []string{"", "v1="} {
				for _, stamp := range []string{"", "1700000007", "1699999000", "x"} {
					auth := &schema.HMACAuth{Secret: "PLAIN", Header: "X-Sig", Algorithm: algorithm, Encoding: encoding, Prefix: prefix}
					text := body
					r := httptest.NewRequest("POST", "/", nil)
					if stamp != "" {
						auth.TimestampHeader = "X-Time"
						r.Header.Set("X-Time", stamp)
						text = stamp + "." + body
					}
					good := enc(sum(t, algorithm, "plain-secret", text))
					for _, sig := range []string{prefix + good, prefix + good[1:], "v0=" + good, prefix, strings.Repeat("A", 5000)} {
						r.Header.Set("X-Sig", sig)
						err := verifier{secret: secrets, now: now}.verify(&schema.WebhookAuth{HMAC: auth}, r, []byte(body))
						accept := sig == prefix+good && (stamp == "" || stamp == "1700000007")
						if accept != (err == nil) {
							t.Errorf("%s %s %q %q %q: %v", algorithm, encoding, prefix, stamp, sig, err)
						}
					}
				}
			}
		}
	}
	r := httptest.NewRequest("POST", "/", nil)
	r.Header.Set("X-Sig", "00")
	for _, auth := range []*schema.HMACAuth{{Secret: "PLAIN", Header: "X-Sig", Algorithm: "md5"}, {Secret: "PLAIN", Header: "X-Sig", Encoding: "rot13"}} {
		if err := (verifier{secret: secrets, now: now}).verify(&schema.WebhookAuth{HMAC: auth}, r, nil); err == nil {
			t.Errorf("%+v: accepted", auth)
		}
	}
}

func TestPlainAuth(t *testing.T) {
	basic := &schema.WebhookAuth{Basic: &schema.BasicAuth{Username: "bob", Password: "PLAIN"}}
	bearer := &schema.WebhookAuth{Bearer: &schema.BearerAuth{Token: "PLAIN"}}
	inHeader := &schema.WebhookAuth{APIKey: &schema.APIKeyAuth{Secret: "PLAIN", Header: "X-Key"}}
	inQuery := &schema.WebhookAuth{APIKey: &schema.APIKeyAuth{Secret: "PLAIN", Query: "key"}}
	b := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	for i, tc := range []struct {
		auth         *schema.WebhookAuth
		name, value  string
		query        string
		accept       bool
		secretAbsent bool
	}{
		{auth: basic, name: "Authorization", value: b("bob:plain-secret"), accept: true},
		{auth: basic, name: "Authorization", value: b("bob:plain-secret2")},
		{auth: basic, name: "Authorization", value: b("eve:plain-secret")},
		{auth: basic, name: "Authorization", value: b("bob:")},
		{auth: basic, name: "Authorization", value: "Bearer plain-secret"},
		{auth: basic},
		{auth: bearer, name: "Authorization", value: "bearer plain-secret", accept: true},
		{auth: bearer, name: "Authorization", value: "Bearer plain-secre"},
		{auth: bearer, name: "Authorization", value: "Bearer "},
		{auth: bearer},
		{auth: inHeader, name: "X-Key", value: "plain-secret", accept: true},
		{auth: inHeader, name: "X-Key", value: "PLAIN"},
		{auth: inHeader, query: "?X-Key=plain-secret"},
		{auth: inQuery, query: "?key=plain-secret", accept: true},
		{auth: inQuery, query: "?key=", name: "Key", value: "plain-secret"},
		{auth: &schema.WebhookAuth{Bearer: &schema.BearerAuth{Token: "EMPTY"}}, name: "Authorization", value: "Bearer ", secretAbsent: true},
	} {
		r := httptest.NewRequest("POST", "/"+tc.query, nil)
		if tc.name != "" {
			r.Header.Set(tc.name, tc.value)
		}
		err := verifier{secret: secrets}.verify(tc.auth, r, nil)
		if (err == nil) != tc.accept || errors.Is(err, errSecret) != tc.secretAbsent {
			t.Errorf("%d: %v", i, err)
		}
		if err != nil && strings.Contains(err.Error(), "plain-secret") {
			t.Errorf("%d: the error shows the secret", i)
		}
	}
}

// Whatever a stranger sends in the headers that are looked at, it is refused
// in words, and never accepted without the key.
func FuzzSignature(f *testing.F) {
	f.Add("sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17", "1531420618", []byte("Hello, World!"), uint8(0))
	f.Add("t=1531420618,v1=00,v1=", "1531420618", []byte("{}"), uint8(1))
	f.Add("v0=", "-1", []byte(nil), uint8(2))
	f.Add("v1,AAAA v1,", "99999999999999999999", []byte("x"), uint8(3))
	f.Add("Basic Ym9iOg==", "", []byte("x"), uint8(5))
	f.Fuzz(func(t *testing.T, signature, stamp string, body []byte, which uint8) {
		auths := []*schema.WebhookAuth{preset("github", "K"), preset("stripe", "K"), preset("slack", "K"), preset("standard", "K"),
			{HMAC: &schema.HMACAuth{Secret: "K", Header: "X-Sig", Encoding: "base64", TimestampHeader: "X-Time"}},
			{Basic: &schema.BasicAuth{Username: "u", Password: "K"}}, {Bearer: &schema.BearerAuth{Token: "K"}}, {APIKey: &schema.APIKeyAuth{Secret: "K", Header: "X-Sig"}}}
		r := httptest.NewRequest("POST", "/", nil)
		for _, name := range []string{"X-Hub-Signature-256", "Stripe-Signature", "X-Slack-Signature", "Webhook-Signature", "X-Sig", "Authorization"} {
			r.Header.Set(name, signature)
		}
		for _, name := range []string{"X-Slack-Request-Timestamp", "Webhook-Timestamp", "X-Time", "Webhook-Id"} {
			r.Header.Set(name, stamp)
		}
		now := time.Unix(1531420618, 0)
		if n, err := strconv.ParseInt(stamp, 10, 64); err == nil && n >= 0 && n < 1<<40 {
			now = time.Unix(n, 0) // let the signature decide
		}
		key := func(string) (string, bool) { return "whsec_bm9ib2R5IGtub3dzIHRoaXMga2V5IGF0IGFsbA==", true }
		if (verifier{secret: key, now: now}).verify(auths[int(which)%len(auths)], r, body) == nil {
			t.Fatalf("accepted %q", signature)
		}
	})
}
