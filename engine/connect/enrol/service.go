package enrol

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/cache"
	"paragon/engine/connect/users"
	"paragon/engine/store"
	"paragon/schema"
	"paragon/schema/api"
)

// Options configure a Service.
type Options struct {
	Store  store.Config
	Redis  redis.UniversalClient
	Config *cache.Cache
	// Stop ends the runs for a user, of one workflow or (empty) of all.
	Stop func(ctx context.Context, project, user, workflow string) error
	// Poll is how often workflows whose users are to be judged anew are looked
	// for. Default 1s.
	Poll time.Duration
	// Log is where trouble is told; nil is slog.Default. Now is the clock; nil
	// is time.Now.
	Log *slog.Logger
	Now func() time.Time
}

// Service changes what users chose, and keeps Redis to who has which workflow.
// It is safe for concurrent use.
type Service struct {
	Options

	mu   sync.Mutex
	quit context.CancelFunc
	done chan struct{}
	// forgotten is the version of the configuration at which all that is to be
	// forgotten was; -1 before the first.
	forgotten atomic.Int64
}

// NewService makes a service. Its methods work before Start, too.
func NewService(o Options) *Service {
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Service{Options: o}
	s.forgotten.Store(-1)
	return s
}

// List shows the workflows with users as they are for a user, by name.
func (s *Service) List(ctx context.Context, project, user string) ([]api.UserWorkflow, error) {
	u, chosen, err := s.read(ctx, project, user)
	if err != nil {
		return nil, err
	}
	out := []api.UserWorkflow{}
	for _, wf := range s.withUsers(project) {
		out = append(out, s.shown(wf, u, chosen[wf.Name]))
	}
	return out, nil
}

// Get shows a workflow as it is for a user.
func (s *Service) Get(ctx context.Context, project, user, workflow string) (*api.UserWorkflow, error) {
	wf, err := s.workflow(project, workflow)
	if err != nil {
		return nil, err
	}
	u, chosen, err := s.read(ctx, project, user)
	if err != nil {
		return nil, err
	}
	out := s.shown(wf, u, chosen[workflow])
	return &out, nil
}

// Put writes what a user chose: what the request leaves out stays as it is. Who
// may not have the workflow can't enable it, and settings that do not fit are
// refused.
func (s *Service) Put(ctx context.Context, actor users.Actor, project, user, workflow string, req api.PutUserWorkflowRequest) (*api.UserWorkflow, error) {
	wf, err := s.workflow(project, workflow)
	if err != nil {
		return nil, err
	}
	settings, err := checkSettings(req.Settings)
	if err != nil {
		return nil, err
	}
	var next store.UserWorkflow
	var before, after verdict
	var u *store.User
	err = s.update(ctx, actor, project, "put", "user/"+user+"/workflow/"+workflow, user, func(tx store.ConfigTx) (any, error) {
		var chosen *store.UserWorkflow
		if u, chosen, err = s.current(ctx, tx, project, user, workflow); err != nil {
			return nil, err
		}
		before = judge(wf, u, chosen, s.Now())
		next = store.UserWorkflow{Project: project, User: user, Workflow: workflow, Enabled: before.enabled, Settings: before.settings,
			UpdatedAt: s.Now().UTC().Truncate(time.Microsecond), UpdatedBy: actor.Name}
		if req.Enabled != nil {
			next.Enabled = *req.Enabled
		}
		if settings != nil {
			next.Settings = settings
		}
		after = judge(wf, u, &next, s.Now())
		if err := refusal(wf, &after, req); err != nil {
			return nil, err
		}
		if chosen != nil && chosen.Enabled == next.Enabled && bytes.Equal(chosen.Settings, next.Settings) {
			next.UpdatedAt, next.UpdatedBy = chosen.UpdatedAt, chosen.UpdatedBy
			return nil, nil
		}
		return map[string]any{"enabled": next.Enabled, "settings": next.Settings}, tx.PutUserWorkflow(ctx, next)
	})
	if err != nil {
		return nil, err
	}
	if before.has() != nil && !after.enabled {
		if err := s.Stop(ctx, project, user, workflow); err != nil {
			return nil, err
		}
	}
	out := s.shown(wf, u, &next)
	return &out, nil
}

// refusal is why a choice is not taken.
func refusal(wf *cache.Workflow, v *verdict, req api.PutUserWorkflowRequest) error {
	if req.Enabled != nil && *req.Enabled && v.reason == api.ReasonNotAllowed {
		return problem(403, schema.ProblemForbidden, "Forbidden", "the user may not have workflow %q: %s", wf.Name, v.why)
	}
	if len(v.wrong) > 0 && (v.enabled || req.Settings != nil) {
		p := problem(422, schema.ProblemInvalid, "Invalid settings", "the settings do not fit workflow %q: %s %s", wf.Name, v.wrong[0].Field, v.wrong[0].Message)
		p.Errors = v.wrong
		return p
	}
	return nil
}

// maxSettings bounds what a user sets for a workflow, in bytes.
const maxSettings = 64 << 10

// checkSettings makes settings compact; nil keeps what is there.
func checkSettings(raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	if len(raw) > maxSettings {
		return nil, problem(422, schema.ProblemInvalid, "Invalid settings", "settings has %d bytes, %d are the most", len(raw), maxSettings)
	}
	var fields map[string]json.RawMessage
	var b bytes.Buffer
	if json.Unmarshal(raw, &fields) != nil || json.Compact(&b, raw) != nil {
		return nil, problem(422, schema.ProblemInvalid, "Invalid settings", "settings must be a JSON object")
	}
	return b.Bytes(), nil
}

// Delete forgets what a user chose: what the workflow has by default holds
// again.
func (s *Service) Delete(ctx context.Context, actor users.Actor, project, user, workflow string) error {
	return s.update(ctx, actor, project, "delete", "user/"+user+"/workflow/"+workflow, user, func(tx store.ConfigTx) (any, error) {
		err := tx.DeleteUserWorkflow(ctx, user, workflow)
		if errors.Is(err, store.ErrNotFound) {
			return nil, problem(404, schema.ProblemNotFound, "Not found", "user %q has not chosen anything of workflow %q", user, workflow)
		}
		return struct{}{}, err
	})
}

// update changes what a user chose in one transaction with its audit record,
// and brings it to Redis. What does not get there is brought later.
func (s *Service) update(ctx context.Context, actor users.Actor, project, action, object, user string, f func(store.ConfigTx) (any, error)) error {
	var changes []store.UserChange
	_, err := s.Store.Update(ctx, project, func(tx store.ConfigTx) error {
		detail, err := f(tx)
		if changes = tx.UserChanges(); err != nil || len(changes) == 0 {
			return err
		}
		raw, err := json.Marshal(detail)
		if err != nil {
			return err
		}
		return tx.Audit(ctx, store.AuditRecord{At: s.Now().UTC(), Actor: actor.Name, Action: action, Object: object, Outcome: "done", From: actor.From, Detail: raw})
	})
	if err != nil {
		return storeError(err)
	}
	// It is stored: that the caller went away must not keep it from the others.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for _, ch := range changes {
		if err := s.Changed(ctx, ch); err != nil {
			s.Log.WarnContext(ctx, "what a user chose is stored but not published; it will be as soon as Redis is back", "project", project, "user", user, "error", err)
			return nil // users.Service goes on with it
		}
		if err := s.Store.SettleUserChanges(ctx, []int64{ch.ID}); err != nil {
			return nil //nolint:nilerr // it is published once more
		}
	}
	return nil
}

// Changed brings a change of a user to Redis, and ends the runs for a user who
// is disabled or gone. Done again, it changes nothing.
func (s *Service) Changed(ctx context.Context, ch store.UserChange) error {
	u, err := s.Store.User(ctx, ch.Project, ch.User)
	gone := errors.Is(err, store.ErrNotFound)
	if err != nil && !gone {
		return err
	}
	chosen := map[string]*store.UserWorkflow{}
	if !gone {
		if chosen, err = s.chosen(ctx, ch.Project, ch.User); err != nil {
			return err
		}
	}
	var states []state
	for _, wf := range s.withUsers(ch.Project) {
		st := state{project: ch.Project, workflow: wf.Name, revision: wf.Revision, change: ch.ID, user: ch.User}
		if !gone {
			v := judge(wf, u, chosen[wf.Name], s.Now())
			st.who = v.has()
		}
		states = append(states, st)
	}
	if len(states) > 0 {
		if _, err := s.write(ctx, states); err != nil {
			return err
		}
	}
	if gone || u.Disabled {
		return s.Stop(ctx, ch.Project, ch.User, "")
	}
	return nil
}

// write writes states. One that is older than what is there by the workflow's
// revision is an error: this process will know the later one in a moment.
func (s *Service) write(ctx context.Context, states []state) ([]int, error) {
	codes, err := putAll(ctx, s.Redis, states)
	if err != nil {
		return nil, err
	}
	for i, code := range codes {
		if code != wroteNothing {
			continue
		}
		have, err := s.Redis.HGet(ctx, keyOf(states[i].project, states[i].workflow)+":v:"+states[i].user, "r").Int64()
		if err == nil && have > states[i].revision {
			return codes, fmt.Errorf("workflow %s has a later revision (%d) than this process knows (%d)", states[i].workflow, have, states[i].revision)
		}
	}
	return codes, nil
}

func (s *Service) shown(wf *cache.Workflow, u *store.User, chosen *store.UserWorkflow) api.UserWorkflow {
	v := judge(wf, u, chosen, s.Now())
	out := api.UserWorkflow{Workflow: wf.Name, Enabled: v.enabled, Active: v.reason == "", Reason: v.reason, Detail: v.why, Settings: v.settings}
	if out.Default = chosen == nil; chosen != nil {
		out.UpdatedAt, out.UpdatedBy = chosen.UpdatedAt, chosen.UpdatedBy
	}
	return out
}

// read reads a user and what the user chose, by workflow.
func (s *Service) read(ctx context.Context, project, user string) (*store.User, map[string]*store.UserWorkflow, error) {
	u, err := s.Store.User(ctx, project, user)
	if err != nil {
		return nil, nil, noUser(err, project, user)
	}
	chosen, err := s.chosen(ctx, project, user)
	return u, chosen, storeError(err)
}

func (s *Service) chosen(ctx context.Context, project, user string) (map[string]*store.UserWorkflow, error) {
	list, err := s.Store.UserWorkflows(ctx, project, user)
	out := make(map[string]*store.UserWorkflow, len(list))
	for i := range list {
		out[list[i].Workflow] = &list[i]
	}
	return out, err
}

// current reads a user in a transaction, and what was chosen of a workflow.
func (s *Service) current(ctx context.Context, tx store.ConfigTx, project, user, workflow string) (*store.User, *store.UserWorkflow, error) {
	u, err := tx.User(ctx, user)
	if err != nil {
		return nil, nil, noUser(err, project, user)
	}
	chosen, err := tx.UserWorkflow(ctx, user, workflow)
	if errors.Is(err, store.ErrNotFound) {
		return u, nil, nil
	}
	return u, chosen, err
}

// withUsers lists a project's workflows with users, by name.
func (s *Service) withUsers(project string) (out []*cache.Workflow) {
	p := s.Config.Project(project)
	if p == nil {
		return nil
	}
	for _, wf := range p.Workflows() {
		if wf.Broken == nil && wf.Users != nil {
			out = append(out, wf)
		}
	}
	return out
}

func (s *Service) workflow(project, name string) (*cache.Workflow, error) {
	for _, wf := range s.withUsers(project) {
		if wf.Name == name {
			return wf, nil
		}
	}
	return nil, problem(404, schema.ProblemNotFound, "Not found", "there is no workflow %q with users in project %s", name, project)
}

func noUser(err error, project, user string) error {
	if errors.Is(err, store.ErrNotFound) {
		return problem(404, schema.ProblemNotFound, "Not found", "there is no user %s in project %s", user, project)
	}
	return storeError(err)
}

// storeError makes a problem of the errors of the store that a caller can act
// on.
func storeError(err error) error {
	if errors.Is(err, store.ErrUnavailable) {
		p := problem(503, schema.ProblemUnavailable, "Service unavailable", "the database can't be reached now, so what users chose can't be read or changed; runs for them go on. Try again.")
		p.RetryAfter = 2
		return errors.Join(p, err)
	}
	return err
}
