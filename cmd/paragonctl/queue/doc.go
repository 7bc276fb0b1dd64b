// Package queue holds the commands about queues and about what is paused.
package queue
