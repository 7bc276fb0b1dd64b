package execution

import (
	"paragon/engine/notice"
	"paragon/schema"
)

// failure is the notice of a failed run, when a destination of its project is
// to be told: group and example, empty when none is. A part of a loop is told
// of as the run that it is a part of.
func (s *segment) failure(run *schema.Run) (group, example string, err error) {
	project := s.w.opts.Config.Project(run.Project)
	if !project.HasDestinations() || s.state.start.Chunk != nil {
		return "", "", nil
	}
	var labels map[string]string
	if wf := project.Workflow(run.Workflow); wf != nil {
		labels = wf.Labels
	}
	if !project.Wants(schema.EventRunFailed, run.Workflow, labels) {
		return "", "", nil
	}
	n := notice.Notice{Project: run.Project, Event: schema.EventRunFailed, Subject: run.Workflow,
		Example: notice.Example{At: *run.EndedAt, Run: run.ID}}
	if e := run.Error; e != nil {
		n.Example.Message = e.Message
		n.Example.Details = map[string]string{}
		for name, value := range map[string]string{"type": e.Type, "step": e.Step, "user": run.User} {
			if value != "" {
				n.Example.Details[name] = value
			}
		}
	}
	group, _, example, err = n.Words()
	return group, example, err
}
