package stats

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"paragon/engine/servicetest"
)

// cpu is what this process has used of processors.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkWrite is what a worker does twice a second, when it executes 5,000
// runs a second of 300 workflows.
func BenchmarkWrite(b *testing.B) {
	r := NewRecorder(client(b, servicetest.Redis(b)), nil, nil)
	var spent time.Duration
	for b.Loop() {
		for i := range 2500 {
			w := fmt.Sprint("workflow-", i%300)
			r.RunStarted("default", w, time.Duration(i)*10*time.Microsecond)
			r.Attempted("default", w, false)
			r.RunEnded("default", w, Succeeded, time.Duration(i)*40*time.Microsecond)
		}
		began := cpu()
		if err := r.flush(b.Context()); err != nil {
			b.Fatal(err)
		}
		spent += cpu() - began
	}
	b.ReportMetric(float64(spent.Microseconds())/float64(b.N)/1000, "cpu-ms/write")
}
