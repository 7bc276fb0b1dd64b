package daemon

import (
	"context"

	"paragon/engine/destination"
	"paragon/engine/notice"
	"paragon/engine/outbound"
	"paragon/engine/store"
	"paragon/schema"
	"paragon/workflows/exchange"
)

// sending is the sender to destinations with the connections that it uses.
type sending struct {
	*destination.Sender
	http *exchange.Client
}

// startSender starts what tells destinations of failures.
func (d *Daemon) startSender(ctx context.Context) {
	o := &d.opts
	client := outbound.New(o.Outbound)
	client.Transport = o.Tracer.Transport(client.Transport)
	s := destination.NewSender(destination.Options{Redis: o.Redis, Lanes: o.Lanes, Config: d.cache, HTTP: client, Mail: o.Mail, Now: o.Now, Log: d.log})
	s.Start(ctx)
	d.sender = &sending{s, client}
}

func (s *sending) stop(ctx context.Context) error {
	defer s.http.Close()
	return s.Stop(ctx)
}

// paused notes a pause for the projects that it concerns: a queue carries the
// runs of all.
func (d *Daemon) paused(ctx context.Context, p store.Pause) {
	n := notice.Notice{Project: p.Project, Event: schema.EventWorkflowPaused, Subject: p.Name, Example: notice.Example{At: p.At}}
	if p.By != "" {
		n.Example.Message, n.Example.Details = "by "+p.By, map[string]string{"by": p.By}
	}
	projects := []string{p.Project}
	if p.Kind == store.PauseQueue {
		n.Event, projects = schema.EventQueuePaused, d.projects()
	}
	for _, n.Project = range projects {
		d.note(ctx, n)
	}
}

// note counts what went wrong, where somebody is told of it. What can't be
// counted is in the log.
func (d *Daemon) note(ctx context.Context, n notice.Notice) {
	if p := d.cache.Project(n.Project); !p.HasDestinations() {
		return
	}
	if err := notice.Note(ctx, d.opts.Redis, n); err != nil {
		d.log.Warn("destinations are not told", "project", n.Project, "event", n.Event, "subject", n.Subject, "error", err)
	}
}
