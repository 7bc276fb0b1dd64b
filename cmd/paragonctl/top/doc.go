// Package top holds the command that shows live numbers as text: what the
// overview of the dashboard plots.
package top
