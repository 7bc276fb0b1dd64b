package users

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"paragon/cmd/paragonctl/internal/command"
	"paragon/cmd/paragonctl/internal/output"
	"paragon/cmd/paragonctl/internal/terminal"
	"paragon/schema"
	"paragon/schema/api"
)

// later is how `proxy` makes a job of a call.
type later struct {
	async, wait bool
	callback    string
	out         output.Flags
}

func (l *later) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&l.async, "async", false, "make the call as a job, and print the job")
	f.BoolVar(&l.wait, "wait", false, "with --async: wait for the job's end and print the answer")
	f.StringVar(&l.callback, "callback", "", "with --async: the URL that the job is posted to, signed, once it has ended")
	l.out.Register(cmd)
}

// check finds flags that don't go together. include is -i.
func (l *later) check(include bool) error {
	if err := l.out.Check(); err != nil {
		return err
	}
	switch {
	case l.async && include && !(l.wait && l.out.ForPeople()):
		return command.Usage("-i prints the head of an answer; with --async there is one to print with --wait, and without -o, --jq and --template")
	case l.async:
		return nil
	case l.wait:
		return command.Usage("--wait waits for a job: it goes with --async")
	case l.callback != "":
		return command.Usage("--callback is told of a job: it goes with --async")
	case l.out.Format != "" || !l.out.ForPeople():
		return command.Usage("-o, --jq and --template print a job: they go with --async; an answer is printed as it comes")
	}
	return nil
}

// placedJob is a job and where it is.
type placedJob struct {
	*api.ProxyJob
	Location string `json:"location"`
}

func (o *ProxyOptions) callLater(ctx context.Context, client *api.Client) error {
	job, location, err := client.ProxyLater(ctx, o.req, o.later.callback)
	if err != nil {
		return fmt.Errorf("call %s: %w", o.req.Integration, err)
	}
	if !o.later.wait {
		return o.printJob(ctx, job, location)
	}
	id := job.ID
	if job, err = client.WaitProxyJob(ctx, id); err != nil {
		if cause := context.Cause(ctx); errors.Is(cause, command.ErrInterrupted) {
			err = cause
		}
		return command.WithTry(fmt.Errorf("wait for call %s: %w", id, err),
			fmt.Sprintf("the call goes on: `paragonctl runs get %s` shows how it is, `paragonctl runs cancel %s` stops it", id, id))
	}
	var bad error
	switch {
	case !o.later.out.ForPeople():
		if err := o.printJob(ctx, job, location); err != nil {
			return err
		}
		if a := job.Answer; a != nil && a.Status >= http.StatusBadRequest {
			bad = fmt.Errorf("%s answered %s", o.req.Integration, statusLine(a.Status))
		}
	case job.Answer != nil:
		if err := o.answered(response(job.Answer)); err != nil {
			return err
		}
	}
	switch {
	case bad != nil:
	case job.Error != nil:
		bad = fmt.Errorf("call %s of %s: %w", id, o.req.Integration, job.Error)
	case job.Answer == nil || job.Status != string(schema.RunSucceeded):
		bad = fmt.Errorf("call %s of %s is %s", id, o.req.Integration, job.Status)
	default:
		return nil
	}
	return &command.Failure{Code: command.ExitFailure, Err: bad, Try: "`paragonctl runs logs " + id + "` shows each attempt"}
}

func (o *ProxyOptions) printJob(ctx context.Context, job *api.ProxyJob, location string) error {
	return o.later.out.Print(ctx, o.env.Streams, output.View{
		Value: placedJob{job, location}, Names: []string{job.ID},
		Text: func(w io.Writer, style terminal.Style) error {
			_, err := fmt.Fprintf(w, "job/%s %s\n%s\n", terminal.Safe(job.ID), style.RunStatus(schema.RunStatus(job.Status)), terminal.Safe(location))
			return err
		},
	})
}

// response is a kept answer in the form of one that comes.
func response(a *api.ProxyAnswer) *http.Response {
	return &http.Response{
		Proto: "HTTP/1.1", Status: statusLine(a.Status), StatusCode: a.Status,
		Header: a.Headers, Body: io.NopCloser(bytes.NewReader(a.Bytes())),
	}
}

func statusLine(status int) string { return fmt.Sprintf("%d %s", status, http.StatusText(status)) }
