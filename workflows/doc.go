// Package workflows is the language: it turns YAML into checked, compiled
// workflows, and says what is wrong with file, line, column and a suggestion.
// It also computes the plan, the difference of two sets of resources.
//
// It is pure: no I/O, no clocks, no Redis. What a compiled workflow does next
// is decided in workflows/interpret; what a step does outside is workflows/steps.
package workflows
