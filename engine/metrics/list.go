package metrics

import "strings"

// Metric is one metric that a process offers.
type Metric struct {
	// Name begins with "paragon_".
	Name string
	// Labels are the names of its labels.
	Labels []string
	// Help is one sentence, for Prometheus and for docs/metrics.md.
	Help string
}

// Histogram tells whether Prometheus has it as buckets, sum and count.
func (m Metric) Histogram() bool { return strings.HasPrefix(m.Help, "Histogram: ") }

// The names are those that alerts and dashboards are written with: to rename
// one is to break them.
var (
	build       = Metric{"paragon_build_info", []string{"version", "commit", "go"}, "Always 1; the labels say which build this is."}
	sourceUp    = Metric{"paragon_source_up", []string{"source"}, "1 when the figures of a source (queues, workers, log, destinations) could be read, 0 when they are left out because it did not answer."}
	queueRuns   = Metric{"paragon_queue_runs", []string{"lane", "priority"}, "Runs that wait for a worker."}
	queueAge    = Metric{"paragon_queue_oldest_seconds", []string{"lane", "priority"}, "For how long the run has waited that has waited longest; 0 when none waits."}
	queuePaused = Metric{"paragon_queue_paused", []string{"lane", "priority"}, "1 while the queue is paused."}
	workers     = Metric{"paragon_workers", []string{"state"}, "Workers that are known, by state: alive, or silent for so long that others take their runs."}
	running     = Metric{"paragon_runs_running", nil, "Runs that workers have now."}
	started     = Metric{"paragon_runs_started_total", []string{"project", "workflow"}, "Counter: runs that this process was first to start."}
	ended       = Metric{"paragon_runs_ended_total", []string{"project", "workflow", "status"}, "Counter: runs that ended in this process, by status: succeeded, failed or canceled."}
	attempts    = Metric{"paragon_step_attempts_total", []string{"project", "workflow"}, "Counter: attempts at steps in this process."}
	retries     = Metric{"paragon_step_retries_total", []string{"project", "workflow"}, "Counter: those attempts that were not a step's first."}
	duration    = Metric{"paragon_run_duration_seconds", []string{"project", "workflow"}, "Histogram: how long runs that ended in this process took from their first start to their end."}
	wait        = Metric{"paragon_run_wait_seconds", []string{"project", "workflow"}, "Histogram: how long runs that this process was first to start had waited since they were accepted."}
	calls       = Metric{"paragon_calls_total", []string{"project", "integration", "status"}, "Counter: requests to integrations that ended in this process, by status: succeeded, failed or canceled."}
	logEntries  = Metric{"paragon_log_entries", []string{"lane"}, "Entries of the log in Redis that wait for SQL: what the flusher has yet to write."}
	logBytes    = Metric{"paragon_log_bytes", []string{"lane"}, "Size of the log in Redis that waits for SQL."}

	toldAttempts = Metric{"paragon_destination_attempts_total", []string{"project", "destination", "outcome"}, "Counter: attempts of this process to send a message to a destination, by outcome: delivered or failed; each message has one that is delivered."}
	toldWaiting  = Metric{"paragon_destination_waiting", []string{"project", "destination"}, "Events that a destination is still to be told, those of the message on its way included."}
	toldDelay    = Metric{"paragon_destination_delay_seconds", []string{"project", "destination"}, "For how long the oldest of these events has waited; 0 when none waits. What is grouped waits for its group."}
	toldDisabled = Metric{"paragon_destination_disabled", []string{"project", "destination"}, "1 while a destination is disabled: nothing is sent to it until it is resumed."}

	storageRequests = Metric{"paragon_storage_requests_total", []string{"operation", "outcome"}, "Counter: requests of this process to object storage, by operation (put, get, size, delete, folders, list, ping) and outcome: done, missing, damaged, failed or canceled. Before a value is kept its size is asked for, which is missing when the value is new."}
	storageSeconds  = Metric{"paragon_storage_request_seconds", []string{"operation"}, "Histogram: how long these requests took, whatever their outcome."}
	storageBytes    = Metric{"paragon_storage_bytes_total", []string{"direction"}, "Counter: bytes of values that this process has written to object storage or read."}
	storageSweeps   = Metric{"paragon_storage_sweeps_total", []string{"outcome"}, "Counter: sweeps of a day of a project, which remove values that history no longer has, by outcome: done or failed."}
	storageRemoved  = Metric{"paragon_storage_removed_total", nil, "Counter: objects that these sweeps removed."}
)

// List returns all metrics of ours, in the order of docs/metrics.md. Those of
// the process and of Go are Prometheus' own with "paragon_" before their names.
func List() []Metric {
	return []Metric{build, sourceUp, queueRuns, queueAge, queuePaused, workers, running, started, ended, attempts, retries, duration, wait, calls, logEntries, logBytes,
		toldAttempts, toldWaiting, toldDelay, toldDisabled, storageRequests, storageSeconds, storageBytes, storageSweeps, storageRemoved}
}
