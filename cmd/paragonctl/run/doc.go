// Package run holds the commands about runs: trigger, wait, and the runs group
// (list, get, logs, watch, cancel, replay).
package run
