package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// The outcomes of a check.
const (
	CheckOK     = "ok"
	CheckFailed = "failed"
	// CheckUnknown says that it could not be looked at, not that it is wrong.
	CheckUnknown = "unknown"
)

// Check is what one check of `doctor` says.
type Check struct {
	Name   string `json:"name"`
	Status string `json:"status"`
	// Found is what was seen.
	Found string `json:"found,omitempty"`
	// Advice says in a sentence what to do; empty when all is well.
	Advice string `json:"advice,omitempty"`
}

// MaxSkew is how far clocks may be apart before `doctor` complains.
const MaxSkew = time.Second

// ClockCheck compares a clock with our own: there is what it showed at some
// moment between sent and received, within grain, its resolution.
func ClockCheck(name string, there, sent, received time.Time, grain time.Duration) Check {
	early, late := there.Sub(received), there.Add(grain).Sub(sent)
	c := Check{Name: name, Status: CheckOK, Found: "no more than " + MaxSkew.String() + " apart"}
	apart := time.Duration(0)
	switch {
	case early > MaxSkew:
		apart = early
	case late < -MaxSkew:
		apart = late
	}
	if apart != 0 {
		c.Status = CheckFailed
		c.Found = fmt.Sprintf("it is ahead of this machine's by %s", apart.Round(10*time.Millisecond))
		if apart < 0 {
			c.Found = fmt.Sprintf("it is behind this machine's by %s", -apart.Round(10*time.Millisecond))
		}
		c.Advice = "Let NTP (chrony, systemd-timesyncd) set the clocks of both machines."
	}
	return c
}

// Readiness is what /readyz answers.
type Readiness struct {
	// Status is ok, draining or unavailable.
	Status string                    `json:"status"`
	Checks map[string]ReadinessCheck `json:"checks"`
	// Date is the server's clock by the header Date, in whole seconds; zero
	// when there is none.
	Date time.Time `json:"-"`
}

// ReadinessCheck is one of the checks of /readyz.
type ReadinessCheck struct {
	OK bool `json:"ok"`
	// Required says that without it the process is not ready.
	Required bool   `json:"required"`
	Error    string `json:"error,omitempty"`
}

// Ready asks /readyz once. That a process is not ready is no error.
func (c *Client) Ready(ctx context.Context) (*Readiness, error) {
	if c.baseErr != nil {
		return nil, c.baseErr
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.JoinPath("readyz").String(), nil)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	req.Header.Set("User-Agent", c.userAgent)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, &UnreachableError{Server: c.server, Err: err}
	}
	defer resp.Body.Close()
	body, err := readBody(resp.Body, maxErrorBody)
	if err != nil {
		return nil, err
	}
	var r Readiness
	if err := json.Unmarshal(body, &r); err != nil || r.Status == "" {
		return nil, fmt.Errorf("the answer to GET /readyz (status %d) is not what Paragon answers: is %s a Paragon server?", resp.StatusCode, c.server)
	}
	// A header that can't be read is as none.
	r.Date, _ = http.ParseTime(resp.Header.Get("Date"))
	return &r, nil
}
