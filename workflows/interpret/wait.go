package interpret

import (
	"encoding/json"
	"time"

	"paragon/schema"
	"paragon/workflows"
)

// defaultWait bounds a waitFor without a timeout.
const defaultWait = 24 * time.Hour

func (m *Machine) beginDelay(n *node) {
	until, err := m.delayEnd(n)
	if err != nil {
		m.failNode(n, expressionError(err))
		return
	}
	if !until.After(m.now) {
		m.settle(n, schema.StepSucceeded, nil)
		return
	}
	n.rec.Status, n.rec.WaitUntil = schema.StepWaiting, until
	m.record(n)
}

func (m *Machine) delayEnd(n *node) (time.Time, error) {
	if length := n.step.Args.Field("for"); length != nil {
		value, err := length.Eval(m.at(n))
		if err != nil {
			return time.Time{}, err
		}
		d, err := workflows.ToDuration(value)
		return n.rec.StartedAt.Add(d), err
	}
	value, err := n.step.Args.Field("until").Eval(m.at(n))
	if err != nil {
		return time.Time{}, err
	}
	return workflows.ToTime(value, n.rec.StartedAt)
}

func (m *Machine) progressDelay(n *node) {
	if !m.now.Before(n.rec.WaitUntil) {
		m.settle(n, schema.StepSucceeded, nil)
	}
}

// beginWait records the wait with the event's name as its result so far, so
// that a replay waits for the same.
func (m *Machine) beginWait(n *node) {
	name, err := n.step.Args.Field("event").EvalString(m.at(n))
	if err != nil {
		m.failNode(n, expressionError(err))
		return
	}
	timeout := time.Duration(n.step.Spec.WaitFor.Timeout)
	if timeout == 0 {
		timeout = defaultWait
	}
	n.rec.Status, n.rec.WaitUntil = schema.StepWaiting, m.now.Add(timeout)
	n.rec.Result, _ = json.Marshal(map[string]string{"event": name}) // a plain string
	m.record(n)
}

func (m *Machine) progressWait(n *node) {
	if !m.now.Before(n.rec.WaitUntil) {
		name := waitedEvent(n)
		n.rec.Result = nil
		m.failNode(n, &schema.RunError{Type: "timeout", Message: "no event " + name + " came before the wait's timeout"})
	}
}

func waitedEvent(n *node) string {
	if n.awaits == "" {
		var wait struct{ Event string }
		_ = json.Unmarshal(n.rec.Result, &wait) // ours; an unreadable one waits for the timeout
		n.awaits = wait.Event
	}
	return n.awaits
}

// Offer offers an event, as a JSON value with name, data and receivedAt, to the
// steps that wait for its name, in a fixed order. An event that names a user is
// not for the run of another one. Offer reports whether any step took it: their
// conditions may say no. A condition that can't be evaluated fails
// its step.
func (m *Machine) Offer(now time.Time, event map[string]any) bool {
	name, _ := event["name"].(string)
	named, _ := event["user"].(string)
	if m.ended || name == "" || !m.in.is(named) {
		return false
	}
	var open []*node
	find := func(n *node) {
		if n.step.Kind == workflows.StepWaitFor && n.rec.Status == schema.StepWaiting && waitedEvent(n) == name {
			open = append(open, n)
		}
	}
	m.eachOpen(m.root, find)
	if m.failure != nil {
		m.eachOpen(m.failure, find)
	}
	m.now = clock(now)
	taken := false
	for _, n := range open {
		taken = m.offerTo(n, event) || taken
	}
	return taken
}

func (m *Machine) offerTo(n *node, event map[string]any) bool {
	if !m.now.Before(n.rec.WaitUntil) {
		return false
	}
	if n.step.Cond != nil {
		scope := m.at(n)
		scope.Event = event
		yes, err := n.step.Cond.EvalBool(scope)
		if err != nil {
			failed := expressionError(err)
			failed.Step, failed.At = n.path, n.step.At
			n.rec.Status, n.rec.EndedAt, n.rec.Error, n.rec.Result = schema.StepFailed, m.now, failed, nil
			n.rec.WaitUntil = noTime
			m.pend(n)
			return true
		}
		if !yes {
			return false
		}
	}
	raw, err := json.Marshal(event)
	if err != nil {
		return false
	}
	n.rec.Status, n.rec.EndedAt, n.rec.Result = schema.StepSucceeded, m.now, raw
	n.rec.WaitUntil = noTime
	n.result = decode(raw)
	m.pend(n)
	return true
}
