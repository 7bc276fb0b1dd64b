package execution

import (
	"context"
	"errors"
	"fmt"

	"paragon/engine/cache"
	"paragon/schema"
	"paragon/schema/api"
	"paragon/workflows"
	"paragon/workflows/interpret"
)

// Users tells for whom workflows run. Its errors are *schema.Problem for what a
// caller can act on. It reads Redis alone.
type Users interface {
	// For returns a user as a run of the workflow sees it. It is a problem of
	// type not-found when the user is not there, and a conflict when the user is
	// disabled, or the workflow runs for users and not for this one.
	For(ctx context.Context, wf *cache.Workflow, user string) (*schema.RunUser, error)
	// Stopped tells whether nothing runs for a user: it is disabled or gone.
	Stopped(ctx context.Context, project, user string) (bool, error)
}

// forUser is the user whom a run is for; nil for none. A request that names no
// user costs nothing here.
func (in *intake) forUser(ctx context.Context, wf *cache.Workflow, req Request) (*schema.RunUser, error) {
	switch {
	case req.For != nil:
		return req.For, nil
	case req.User == "" && wf.Users == nil:
		return nil, nil
	case req.User == "":
		return nil, &schema.Problem{
			Type: schema.ProblemInvalid, Title: "Invalid input", Status: 422,
			Detail: fmt.Sprintf("workflow %q runs for users: say for whom, with the header Paragon-User or the field user", wf.Name),
			Errors: []schema.Diagnostic{{Severity: schema.SeverityError, Code: "missing-field", Field: "user", Message: "is required"}},
		}
	case in.users == nil:
		return nil, notFound("user %q does not exist: this server has no users", req.User)
	}
	who, err := in.users.For(ctx, wf, req.User)
	return who, usersError(err)
}

// usersError makes a problem of users that can't be read.
func usersError(err error) error {
	var problem *schema.Problem
	if err == nil || errors.As(err, &problem) {
		return err
	}
	return unavailable("the user can't be read: Redis does not answer", err)
}

// notFor tells whether an error says that a workflow does not run for a user,
// which is no fault of an event or a webhook.
func notFor(err error) bool {
	var problem *schema.Problem
	return errors.As(err, &problem) && (problem.Type == schema.ProblemConflict || problem.Type == schema.ProblemNotFound)
}

// stopForUser ends a run for a user who is disabled or gone: a run that was
// being accepted, or that slept, while that happened.
func (s *segment) stopForUser() error {
	user := s.state.start.userID()
	if user == "" || s.w.opts.Users == nil {
		return nil
	}
	var stopped bool
	err := persist(s.w.writes, func() (err error) {
		stopped, err = s.w.opts.Users.Stopped(s.w.writes, s.state.start.Project, user)
		return err
	})
	if stopped {
		s.machine.Cancel(fmt.Sprintf("canceled: user %s is disabled or was deleted", user))
	}
	return err
}

// StopFor ends what runs for a user, of one workflow or (empty) of all, in the
// background: an operation that goes on in another process should this one end.
func (s *Service) StopFor(ctx context.Context, project, user, workflow string) error {
	f := api.RunsFilter{User: user, Workflow: workflow}
	n, err := s.CountRuns(ctx, project, api.OperationCancel, f)
	if err != nil || n == 0 {
		return err
	}
	_, err = s.StartOperation(ctx, project, api.OperationCancel, f, "", "user/"+user)
	return err
}

// UserOf returns a user as a run of a workflow of users would see it, which the
// expressions of a trigger's scope then see, too. It is nil when the workflow
// does not run for this user.
func (s *Service) UserOf(ctx context.Context, wf *cache.Workflow, user string, scope *workflows.Scope) (*schema.RunUser, error) {
	who, err := s.intake.forUser(ctx, wf, Request{User: user})
	if notFor(err) {
		return nil, nil
	}
	person := interpret.PersonOf(who)
	scope.User, scope.Settings = person.User, person.Settings
	return who, err
}
