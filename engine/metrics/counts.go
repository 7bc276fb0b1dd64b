package metrics

import "paragon/engine/stats"

// series are those of a kind, by project and name.
func series(totals map[string]stats.Set, kind stats.Kind) map[named]*stats.Counts {
	out := map[named]*stats.Counts{}
	for project, set := range totals {
		for name, counts := range set {
			if name.Kind == kind {
				out[named{project, name.Name}] = counts
			}
		}
	}
	return out
}

func merge(sum, v *stats.Counts) *stats.Counts {
	if sum == nil {
		sum = &stats.Counts{Duration: stats.Histogram{}, Wait: stats.Histogram{}}
	}
	sum.Merge(v)
	return sum
}

// workflows are the runs by workflow, those without labels of their own as one.
func (c *collector) workflows(totals map[string]stats.Set) map[named]*stats.Counts {
	return fold(&c.slots.workflows, series(totals, stats.Workflow), func(n *stats.Counts) int64 { return n.Started }, merge)
}

// runs adds what became of runs.
func (r *reading) runs(totals map[string]stats.Set) {
	for w, n := range r.c.workflows(totals) {
		r.counter(started, n.Started, w.project, w.name)
		r.counter(ended, n.Succeeded, w.project, w.name, "succeeded")
		r.counter(ended, n.Failed, w.project, w.name, "failed")
		r.counter(ended, n.Canceled, w.project, w.name, "canceled")
		r.counter(attempts, n.Attempts, w.project, w.name)
		r.counter(retries, n.Retried, w.project, w.name)
		r.histogram(duration, n.Duration, n.DurationUs, w.project, w.name)
		r.histogram(wait, n.Wait, n.WaitUs, w.project, w.name)
	}
}

// calls adds the requests to integrations.
func (r *reading) calls(totals map[string]stats.Set) {
	for i, n := range fold(&r.c.slots.integrations, series(totals, stats.Proxy), (*stats.Counts).Ended, merge) {
		r.counter(calls, n.Succeeded, i.project, i.name, "succeeded")
		r.counter(calls, n.Failed, i.project, i.name, "failed")
		r.counter(calls, n.Canceled, i.project, i.name, "canceled")
	}
}
