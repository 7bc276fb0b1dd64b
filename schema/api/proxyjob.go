package api

import (
	"context"
	"net/url"
	"time"

	"paragon/schema"
)

// ProxyJob is a call to an integration that its caller does not wait for
// (Prefer: respond-async).
type ProxyJob struct {
	// ID is that of the run that makes the call.
	ID string `json:"id"`
	// Status is the run's: queued, running, waiting, succeeded, failed or
	// canceled. It is succeeded once the call has an answer or none is to be
	// expected any more, and the callback is through.
	Status      string     `json:"status"`
	Integration string     `json:"integration"`
	User        string     `json:"user,omitempty"`
	Method      string     `json:"method"`
	Path        string     `json:"path"`
	CreatedAt   time.Time  `json:"createdAt"`
	EndedAt     *time.Time `json:"endedAt,omitempty"`
	// Answer is the far side's, whatever its status. Without one, Error says why.
	Answer *ProxyAnswer     `json:"answer,omitempty"`
	Error  *schema.RunError `json:"error,omitempty"`
}

// ProxyAnswer is what the far side answered.
type ProxyAnswer struct {
	Status  int                 `json:"status"`
	Headers map[string][]string `json:"headers"`
	// Body is the body where it is UTF-8, BodyBase64 where it is not.
	Body       string `json:"body"`
	BodyBase64 []byte `json:"bodyBase64,omitempty"`
}

// Bytes is the body as it came.
func (a *ProxyAnswer) Bytes() []byte {
	if len(a.BodyBase64) > 0 {
		return a.BodyBase64
	}
	return []byte(a.Body)
}

// Ended tells whether the job changes no more.
func (j *ProxyJob) Ended() bool { return schema.RunStatus(j.Status).Ended() }

// ProxyJob returns a call that goes through the queue; with a wait it answers
// when the job has ended, or then.
func (c *Client) ProxyJob(ctx context.Context, id string, wait time.Duration) (*ProxyJob, error) {
	v := url.Values{}
	if wait > 0 {
		v.Set("wait", wait.String())
	}
	return get[ProxyJob](ctx, c, c.path("proxy-jobs", id), v)
}
