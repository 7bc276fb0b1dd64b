package exchange

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"time"
)

// SignWebhook sets the headers of Standard Webhooks
// (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md): id
// and time, and with a key the HMAC-SHA256 of both and the body, joined by dots.
// Every delivery of one message has the same id.
func SignWebhook(h http.Header, key []byte, id string, at time.Time, body []byte) {
	stamp := strconv.FormatInt(at.Unix(), 10)
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", stamp)
	if len(key) == 0 {
		return
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + stamp + "."))
	mac.Write(body)
	h.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}
