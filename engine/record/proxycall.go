package record

import (
	"fmt"
	"math"
	"slices"

	"paragon/schema"
)

// proxyCallVersion begins the record of a proxy call.
const proxyCallVersion = 1

// AppendProxyCall appends the form of a proxy call.
func AppendProxyCall(to []byte, c *schema.ProxyCall) []byte {
	w := writer{b: append(slices.Grow(to, 192+len(c.Path)+len(c.Error)), proxyCallVersion)}
	for _, s := range []string{c.ID, c.Project, c.Integration, c.User, c.Account, c.Actor, c.Method, c.Path, c.ErrorType, c.Error, c.TraceID, c.Job} {
		w.text(s)
	}
	w.number(int64(c.Status))
	w.number(c.Sent)
	w.number(c.Received)
	w.number(int64(c.Attempts))
	w.when(c.StartedAt)
	w.number(int64(math.Round(c.DurationMs * 1000)))
	return w.b
}

// ParseProxyCall reads the form of a proxy call.
func ParseProxyCall(s string, c *schema.ProxyCall) error {
	r := reader{s: s}
	r.begin(proxyCallVersion, proxyCallVersion)
	for _, to := range []*string{&c.ID, &c.Project, &c.Integration, &c.User, &c.Account, &c.Actor, &c.Method, &c.Path, &c.ErrorType, &c.Error, &c.TraceID, &c.Job} {
		*to = r.text()
	}
	c.Status = int(r.number())
	c.Sent, c.Received = r.number(), r.number()
	c.Attempts = int(r.number())
	c.StartedAt = r.when()
	c.DurationMs = float64(r.number()) / 1000
	if r.err != nil {
		return fmt.Errorf("record of a proxy call: %w", r.err)
	}
	return nil
}
