// Package output prints what a command found: as a table for a person, or as
// json, jsonl, yaml or names for a program, through a jq expression or a Go
// template when one is given.
package output
