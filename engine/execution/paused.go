package execution

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"paragon/engine/queue"
	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
)

// A paused workflow's runs are accepted and not begun: the worker that claims
// one puts it aside, and a resume queues it again. What is paused is written to
// the store, which outlives Redis, and from there to the lanes.

// holdBack puts those of the runs just claimed aside whose workflow is paused,
// and returns the others. A run that has begun before goes on, and so do one
// that somebody wants to cancel and the chunks of a run that has begun.
func (l *ledger) holdBack(ctx context.Context, ln *lane, states []*state) ([]*state, error) {
	args := []any{ms(l.now()), l.worker}
	for _, st := range states {
		if st.fresh && st.damage == nil && st.signalCount == 0 && st.start.Chunk == nil {
			args = append(args, st.id, st.start.Project+"/"+st.start.Workflow)
		}
	}
	if len(args) == 2 {
		return states, nil
	}
	ids, err := holdBackScript.Run(ctx, l.rdb, []string{ln.key}, args...).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("hold runs of paused workflows in lane %d: %w", ln.number, err)
	}
	held := make(map[string]bool, len(ids))
	for _, id := range ids {
		held[id] = true
	}
	rest := states[:0]
	for _, st := range states {
		if !held[st.id] {
			rest = append(rest, st)
		}
	}
	return rest, nil
}

// letGo queues the held runs of a workflow that is not paused; with resume it
// ends the pause first.
func (l *ledger) letGo(ctx context.Context, q *queue.Client, ln *lane, workflow string, resume bool) error {
	flag := "0"
	if resume {
		flag = "1"
	}
	for {
		words, err := letGoScript.Run(ctx, l.rdb, []string{ln.key}, ms(l.now()), workflow, sweepBatch, flag).StringSlice()
		if err != nil {
			return fmt.Errorf("let the held runs of workflow %s in lane %d go: %w", workflow, ln.number, err)
		}
		if err := enqueueJobs(ctx, q, ln, jobsOf(words)); err != nil {
			return err
		}
		left, err := l.rdb.ZCard(ctx, ln.key+":held:"+workflow).Result()
		if err != nil {
			return fmt.Errorf("count the held runs of workflow %s: %w", workflow, err)
		}
		if left == 0 || len(words) == 0 {
			return nil
		}
	}
}

// PauseWorkflow holds the runs of a workflow that have not begun, until
// ResumeWorkflow. Those that have begun go on. To pause what is paused is no
// error.
func (s *Service) PauseWorkflow(ctx context.Context, project, name, actor string) error {
	if err := s.knowsWorkflow(project, name); err != nil {
		return err
	}
	if s.opts.Steering == nil {
		return errNoSteering
	}
	p := store.Pause{Kind: store.PauseWorkflow, Project: project, Name: name, At: s.opts.Now().UTC(), By: actor}
	if err := s.opts.Steering.PutPause(ctx, p); err != nil {
		return storeError(err, "")
	}
	return s.pause(ctx, p)
}

// pause applies a pause and tells of it.
func (s *Service) pause(ctx context.Context, p store.Pause) error {
	if err := s.applyPause(ctx, p); err != nil {
		return err
	}
	if s.opts.Paused != nil {
		s.opts.Paused(ctx, p)
	}
	return nil
}

// ResumeWorkflow ends PauseWorkflow: the held runs are queued. To resume what
// is not paused is no error.
func (s *Service) ResumeWorkflow(ctx context.Context, project, name string) error {
	if s.opts.Steering == nil {
		return errNoSteering
	}
	if err := s.opts.Steering.DeletePause(ctx, store.PauseWorkflow, project, name); err != nil {
		return storeError(err, "")
	}
	for _, ln := range s.ledger.lanes {
		if err := s.ledger.letGo(ctx, s.opts.Queue, ln, project+"/"+name, true); err != nil {
			return unavailable("the workflow could not be resumed in all lanes: Redis does not answer", err)
		}
	}
	return nil
}

var errNoSteering = errors.New("this process has no SQL store: what is paused can't be written")

func (s *Service) knowsWorkflow(project, name string) error {
	if p := s.opts.Config.Project(project); p == nil || p.Workflow(name) == nil {
		return notFound("workflow %q does not exist in project %q", name, project)
	}
	return nil
}

// PausedWorkflows lists the paused workflows of a project.
func (s *Service) PausedWorkflows(ctx context.Context, project string) ([]api.PausedWorkflow, error) {
	if s.opts.Steering == nil {
		return nil, errNoSteering
	}
	all, err := s.opts.Steering.Pauses(ctx)
	if err != nil {
		return nil, storeError(err, "")
	}
	out := []api.PausedWorkflow{}
	for _, p := range all {
		if p.Kind != store.PauseWorkflow || p.Project != project {
			continue
		}
		shown := api.PausedWorkflow{Workflow: p.Name, Since: p.At, By: p.By}
		for _, ln := range s.ledger.lanes {
			n, err := s.opts.Redis.ZCard(ctx, ln.key+":held:"+project+"/"+p.Name).Result()
			if err != nil {
				return nil, unavailable("the held runs can't be counted: Redis does not answer", err)
			}
			shown.Held += n
		}
		out = append(out, shown)
	}
	return out, nil
}

// Queues shows every queue: how many runs wait for a worker, and since when
// the oldest does.
func (s *Service) Queues(ctx context.Context) ([]api.Queue, error) {
	depths, err := s.inspector.Depths(ctx)
	if err != nil {
		return nil, unavailable("the queues can't be looked at: Redis does not answer", err)
	}
	views, err := s.ledger.views(ctx)
	if err != nil {
		return nil, unavailable("the queues can't be looked at: Redis does not answer", err)
	}
	out := make([]api.Queue, len(depths))
	for i, d := range depths {
		q := api.Queue{Name: d.Target.String(), Lane: d.Lane, Priority: d.Priority, Paused: d.Paused}
		v := views[d.Lane].queues[d.Priority]
		q.Runs, q.Oldest = v.runs, v.oldest
		out[i] = q
	}
	return out, nil
}

// PauseQueue keeps workers from taking runs from a queue ("0/high"), until
// ResumeQueue. What they have taken goes on.
func (s *Service) PauseQueue(ctx context.Context, name, actor string) error {
	if _, err := s.target(name); err != nil {
		return err
	}
	if s.opts.Steering == nil {
		return errNoSteering
	}
	p := store.Pause{Kind: store.PauseQueue, Name: name, At: s.opts.Now().UTC(), By: actor}
	if err := s.opts.Steering.PutPause(ctx, p); err != nil {
		return storeError(err, "")
	}
	return s.pause(ctx, p)
}

// ResumeQueue ends PauseQueue.
func (s *Service) ResumeQueue(ctx context.Context, name string) error {
	t, err := s.target(name)
	if err != nil {
		return err
	}
	if s.opts.Steering == nil {
		return errNoSteering
	}
	if err := s.opts.Steering.DeletePause(ctx, store.PauseQueue, "", name); err != nil {
		return storeError(err, "")
	}
	if err := s.inspector.Resume(ctx, t); err != nil {
		return unavailable("the queue could not be resumed: Redis does not answer", err)
	}
	return nil
}

// target reads a queue's name.
func (s *Service) target(name string) (queue.Target, error) {
	lane, priority, _ := strings.Cut(name, "/")
	n, err := strconv.Atoi(lane)
	t := queue.Target{Lane: n, Priority: schema.Priority(priority)}
	if err != nil || n < 0 || n >= len(s.ledger.lanes) || t.String() != name {
		return t, notFound("queue %q does not exist: a queue is a lane from 0 to %d and a priority, as in 0/high, 0/normal or 0/low", name, len(s.ledger.lanes)-1)
	}
	for _, p := range queue.Priorities() {
		if p == t.Priority {
			return t, nil
		}
	}
	return t, notFound("queue %q does not exist: the priorities are high, normal and low", name)
}

// applyPause writes a pause to Redis.
func (s *Service) applyPause(ctx context.Context, p store.Pause) error {
	if p.Kind == store.PauseQueue {
		t, err := s.target(p.Name)
		if err != nil {
			return nil // a lane that this installation had once
		}
		if err := s.inspector.Pause(ctx, t); err != nil {
			return unavailable("the queue could not be paused: Redis does not answer", err)
		}
		return nil
	}
	for _, ln := range s.ledger.lanes {
		if err := s.opts.Redis.SAdd(ctx, ln.key+":paused", p.Project+"/"+p.Name).Err(); err != nil {
			return unavailable("the workflow could not be paused in all lanes: Redis does not answer", err)
		}
	}
	return nil
}

// applyPauses writes all that is paused to Redis, which may have lost it.
func (s *Service) applyPauses(ctx context.Context) error {
	if s.opts.Steering == nil {
		return nil
	}
	all, err := s.opts.Steering.Pauses(ctx)
	if err != nil {
		return fmt.Errorf("list what is paused: %w", err)
	}
	for _, p := range all {
		if err := s.applyPause(ctx, p); err != nil {
			return err
		}
	}
	return nil
}
