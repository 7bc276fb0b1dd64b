package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"paragon/engine/payload"
)

// storage adds what this process asked of object storage.
func (r *reading) storage(u payload.Usage) {
	type sum struct {
		count  int64
		took   time.Duration
		within map[float64]uint64
	}
	times := map[string]*sum{}
	for _, q := range u.Requests {
		r.counter(storageRequests, q.Count, q.Operation, q.Outcome)
		s := times[q.Operation]
		if s == nil {
			s = &sum{within: map[float64]uint64{}}
			times[q.Operation] = s
		}
		s.count += q.Count
		s.took += q.Took
		for i, bound := range payload.Bounds {
			s.within[bound.Seconds()] += uint64(q.Within[i])
		}
	}
	for operation, s := range times {
		r.out = append(r.out, prometheus.MustNewConstHistogram(r.c.descs[storageSeconds.Name], uint64(s.count), s.took.Seconds(), s.within, operation))
	}
	r.counter(storageBytes, u.Written, "written")
	r.counter(storageBytes, u.Read, "read")
	r.counter(storageSweeps, u.Sweeps-u.SweepsFailed, "done")
	r.counter(storageSweeps, u.SweepsFailed, "failed")
	r.counter(storageRemoved, u.Removed)
}
