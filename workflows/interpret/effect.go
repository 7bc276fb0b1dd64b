package interpret

import (
	"encoding/json"
	"slices"
	"time"

	"paragon/schema"
	"paragon/workflows"
)

// progressEffect begins an attempt when one is due.
func (m *Machine) progressEffect(n *node) {
	switch {
	case n.inflight:
	case n.rec.Status == schema.StepWaiting: // a called run that has not ended
		if n.rec.WaitUntil.IsZero() || m.now.Before(n.rec.WaitUntil) {
			return
		}
		called := calledRun(n)
		n.rec.Result = nil
		m.failNode(n, &schema.RunError{Type: "timeout", Message: "the called run " + called + " did not end before the step's timeout"})
	case n.rec.Status == schema.StepRetrying && m.now.Before(n.rec.RetryAt):
	default:
		n.rec.Status = schema.StepRunning
		n.inflight, n.asked = true, m.decision
		m.inflight[n.path] = n
		m.lend(n)
		m.decision.Perform = append(m.decision.Perform, Action{
			Step: n.step, Path: n.path, Attempt: n.rec.Attempt + 1, Scope: m.at(n), Chunk: n.part,
		})
	}
}

// Complete tells how an attempt that Next asked for ended. Outcomes of aborted
// or unknown paths are dropped. It takes effect at the next decision; its
// record is in that decision.
func (m *Machine) Complete(path string, out Outcome) {
	n := m.inflight[path]
	if n == nil || m.ended {
		return
	}
	delete(m.inflight, path)
	n.inflight = false
	m.giveBack(n)
	if out.Interrupted {
		return // the attempt is not charged; it is due again
	}
	m.attempts++
	n.rec.Attempt++
	out.Attempt.Number = n.rec.Attempt
	n.rec.Attempts = append(n.rec.Attempts, out.Attempt)
	m.now = clock(out.Attempt.EndedAt)
	switch {
	case out.Attempt.Error != nil:
		m.attemptFailed(n, out)
	case out.Called != "":
		n.rec.Status, n.rec.RetryAt, n.rec.Error = schema.StepWaiting, noTime, nil
		if limit := time.Duration(n.step.Spec.Timeout); limit > 0 {
			n.rec.WaitUntil = m.now.Add(limit)
		}
		n.rec.Result, _ = json.Marshal(calledForm{out.Called, n.part}) // plain values
		m.pend(n)
	default:
		n.rec.Status, n.rec.EndedAt = schema.StepSucceeded, m.now
		n.rec.Result, n.rec.Error = out.Result, nil
		n.rec.RetryAt = noTime
		n.result = decode(out.Result)
		m.pend(n)
	}
}

// pend keeps a record for the next decision.
func (m *Machine) pend(n *node) {
	m.pending = append(m.pending, n.rec)
	n.rec.Attempts = nil
}

func (m *Machine) attemptFailed(n *node, out Outcome) {
	failed := *out.Attempt.Error
	failed.Step, failed.At = n.path, n.step.At
	n.rec.Error = &failed
	wait, again := m.retry(n, out)
	if !again {
		n.rec.Status, n.rec.EndedAt, n.rec.RetryAt = schema.StepFailed, m.now, noTime
	} else {
		n.rec.Status, n.rec.RetryAt = schema.StepRetrying, m.now.Add(wait)
	}
	m.pend(n)
}

// retry says whether the step is tried again, and after which wait.
func (m *Machine) retry(n *node, out Outcome) (time.Duration, bool) {
	policy := n.step.Retry
	if policy == nil || out.Fatal || n.rec.Attempt >= policy.MaxAttempts || !retryable(policy.On, out.Attempt.Error) {
		return 0, false
	}
	wait := backoff(policy, n.rec.Attempt, m.in.ID+"/"+n.path)
	if asked := time.Duration(out.Attempt.RetryAfter); asked > wait {
		// The far side's word counts, within what the policy allows.
		wait = min(asked, policy.MaxInterval)
	}
	if policy.MaxElapsed > 0 && m.now.Add(wait).Sub(n.rec.StartedAt) > policy.MaxElapsed {
		return 0, false
	}
	return wait, true
}

// CallEnded tells that a called run has ended. It reports whether the step at
// the path waited for that run.
func (m *Machine) CallEnded(path, run string, now time.Time, end End) bool {
	n := m.find(path)
	if m.ended || n == nil || !waitsForRun(n) || n.rec.Status != schema.StepWaiting || calledRun(n) != run {
		return false
	}
	n.rec.EndedAt, n.rec.WaitUntil = clock(now), noTime
	if end.Status == schema.RunSucceeded {
		n.rec.Status, n.rec.Result, n.rec.Error = schema.StepSucceeded, end.Output, nil
		n.result = decode(end.Output)
	} else if n.part != nil && end.Error != nil {
		// The failure of an item is the loop's, as if the run had executed it.
		failed := *end.Error
		n.rec.Status, n.rec.Result, n.rec.Error = schema.StepFailed, nil, &failed
	} else {
		message := "the called run " + run + " was " + string(end.Status)
		if end.Error != nil {
			message = "the called run " + run + " failed: " + end.Error.Message
		}
		n.rec.Status, n.rec.Result = schema.StepFailed, nil
		n.rec.Error = &schema.RunError{Type: "call", Message: message, Step: n.path, At: n.step.At}
	}
	m.pend(n)
	return true
}

// waitsForRun tells whether a node is one that waits for another run's end.
func waitsForRun(n *node) bool { return n.step.Kind == workflows.StepCall || n.step.Kind == KindChunk }

func calledRun(n *node) string {
	if n.awaits == "" {
		n.awaits, _ = Called(&n.rec)
	}
	return n.awaits
}

// calledForm is what the record of a step that waits for another run says.
type calledForm struct {
	ID    string `json:"id"`
	Chunk *Chunk `json:"chunk,omitempty"`
}

// Called is the run that a record waits for, empty for none, and the chunk that
// this run executes; nil for a called run.
func Called(rec *schema.StepRecord) (id string, chunk *Chunk) {
	if rec.Status != schema.StepWaiting || rec.Kind != string(workflows.StepCall) && rec.Kind != string(KindChunk) {
		return "", nil
	}
	var form calledForm
	if json.Unmarshal(rec.Result, &form) != nil {
		return "", nil // it is ours; an unreadable one names no run
	}
	return form.ID, form.Chunk
}

// find returns the open node at a path, nil when there is none.
func (m *Machine) find(path string) *node {
	var found *node
	look := func(n *node) {
		if n.path == path {
			found = n
		}
	}
	m.eachOpen(m.root, look)
	if m.failure != nil {
		m.eachOpen(m.failure, look)
	}
	return found
}

// eachOpen visits the nodes of a block that have not ended, outer ones first,
// in a fixed order.
func (m *Machine) eachOpen(b *block, visit func(*node)) {
	n := b.cur
	if n == nil || n.rec.Status.Ended() {
		return
	}
	visit(n)
	if n.branch != nil {
		m.eachOpen(n.branch, visit)
	}
	for _, inner := range n.branches {
		m.eachOpen(inner, visit)
	}
	if n.items != nil {
		for _, it := range n.items.open {
			m.eachOpen(it.block, visit)
		}
		for _, c := range n.items.chunks {
			if !c.rec.Status.Ended() {
				visit(c)
			}
		}
	}
}

// abandon gives up what is open inside a block step that has failed.
func (m *Machine) abandon(n *node) {
	cause := &schema.RunError{Type: "canceled", Message: "another part of " + n.path + " failed"}
	for _, b := range n.branches {
		m.cancelOpen(b, cause)
	}
	if n.items != nil {
		for _, it := range n.items.open {
			m.cancelOpen(it.block, cause)
		}
		for _, c := range n.items.chunks {
			if !c.rec.Status.Ended() {
				m.cancelNode(c, cause)
			}
		}
	}
}

// cancelOpen cancels what is open in a block, the inner steps before the block
// around them: a run restored in between still finds the rest.
func (m *Machine) cancelOpen(b *block, cause *schema.RunError) {
	var open []*node
	m.eachOpen(b, func(n *node) { open = append(open, n) })
	for _, n := range slices.Backward(open) {
		m.cancelNode(n, cause)
	}
}

func (m *Machine) cancelNode(n *node, cause *schema.RunError) {
	switch {
	case n.inflight:
		delete(m.inflight, n.path)
		n.inflight = false
		if n.asked == m.decision { // not begun
			m.decision.Perform = withoutPath(m.decision.Perform, n.path)
			m.giveBack(n)
		} else {
			m.decision.Abort = append(m.decision.Abort, n.path)
		}
	case n.part != nil && n.rec.Status == schema.StepWaiting:
		m.decision.Cancel = append(m.decision.Cancel, calledRun(n))
	}
	n.rec.Status, n.rec.EndedAt, n.rec.Result = schema.StepCanceled, m.now, nil
	n.rec.Error = &schema.RunError{Type: cause.Type, Message: cause.Message, Step: n.path, At: n.step.At}
	n.rec.RetryAt, n.rec.WaitUntil = noTime, noTime
	m.record(n)
}

func withoutPath(actions []Action, path string) []Action {
	for i := range actions {
		if actions[i].Path == path {
			return append(actions[:i], actions[i+1:]...)
		}
	}
	return actions
}

func retryable(on workflows.RetryOn, err *schema.RunError) bool {
	if on.Any {
		return true
	}
	switch err.Type {
	case "timeout":
		return on.Timeout
	case "network":
		return on.Network
	case "http":
		return on.Codes[err.Status] || on.Classes[err.Status/100]
	}
	return false
}
