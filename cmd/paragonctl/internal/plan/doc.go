// Package plan shows what an apply would do: for a person at a terminal, and as
// Markdown for those who review a pull request.
package plan
