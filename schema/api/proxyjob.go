package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
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

// ProxyLater calls an integration without waiting for its answer (RFC 7240
// section 4.1). With a callback the job is posted there once it has ended. The
// location is where the job is, as the server names it.
func (c *Client) ProxyLater(ctx context.Context, r ProxyRequest, callback string) (job *ProxyJob, location string, err error) {
	if r.Header = r.Header.Clone(); r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Add("Prefer", "respond-async")
	if callback != "" {
		r.Header.Set("Paragon-Callback", callback)
	}
	resp, err := c.Proxy(ctx, r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted || resp.Header.Get("Preference-Applied") == "" {
		return nil, "", fmt.Errorf("the server made no job of the call, but sent it and got %s: it is older than jobs are", resp.Status)
	}
	text, err := readBody(resp.Body, maxErrorBody)
	if err != nil {
		return nil, "", fmt.Errorf("read the job: %w", err)
	}
	job = &ProxyJob{}
	if err := json.Unmarshal(text, job); err != nil {
		return nil, "", fmt.Errorf("read the job: %w", err)
	}
	return job, resp.Header.Get("Location"), nil
}

// WaitProxyJob waits until a job has ended, or the context.
func (c *Client) WaitProxyJob(ctx context.Context, id string) (*ProxyJob, error) {
	// As WaitRun: the server may hold each answer, or not.
	const hold, longest = 20 * time.Second, 2 * time.Second
	for pause := 50 * time.Millisecond; ; pause = min(pause*3/2, longest) {
		asked := time.Now()
		job, err := c.ProxyJob(ctx, id, hold)
		if err != nil || job.Ended() {
			return job, err
		}
		if !sleep(ctx, pause-min(time.Since(asked), pause)) {
			return nil, context.Cause(ctx)
		}
	}
}
