package execution

import (
	"paragon/engine/stats"
	"paragon/schema"
	"paragon/workflows/interpret"
)

// What a segment counts for the live numbers. The runs of a loop's chunks are
// no runs to whoever looks; their attempts are attempts.

func (s *segment) countStart() {
	st := s.state
	if st.begins && st.start.Chunk == nil {
		s.w.opts.Stats.RunStarted(st.start.Project, st.start.Workflow, st.startedAt.Sub(st.start.CreatedAt))
	}
}

func (s *segment) countAttempt(action interpret.Action) {
	if action.Step.Kind != interpret.KindChunk {
		s.w.opts.Stats.Attempted(s.state.start.Project, s.state.start.Workflow, action.Attempt > 1)
	}
}

// countEnd counts an end that is written.
func (s *segment) countEnd(run *schema.Run) {
	if s.state.start.Chunk != nil {
		return
	}
	how := stats.Succeeded
	switch run.Status {
	case schema.RunFailed:
		how = stats.Failed
	case schema.RunCanceled:
		how = stats.Canceled
	}
	began := run.CreatedAt
	if run.StartedAt != nil {
		began = *run.StartedAt
	}
	s.w.opts.Stats.RunEnded(run.Project, run.Workflow, how, run.EndedAt.Sub(began))
}
