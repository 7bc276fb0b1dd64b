package command

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"paragon/schema"
)

// Args checks the number of arguments; most below 0 is no bound. what names
// them for the message ("a workflow's name").
func Args(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usageOf(cmd, fmt.Errorf("%s needs %s", cmd.CommandPath(), what))
		case most == 0 && len(args) > 0:
			return usageOf(cmd, fmt.Errorf("%s takes no arguments, but there is %q", cmd.CommandPath(), args[0]))
		case most >= 0 && len(args) > most:
			return usageOf(cmd, fmt.Errorf("%s takes %s, but there is %q too", cmd.CommandPath(), what, args[most]))
		}
		return nil
	}
}

// FlagError makes a usage error of a flag that can't be read.
func FlagError(cmd *cobra.Command, err error) error { return usageOf(cmd, err) }

func usageOf(cmd *cobra.Command, err error) error {
	return &Failure{Code: ExitUsage, Err: err, Try: "`" + cmd.CommandPath() + " --help`"}
}

// Group is the body of a command that only holds others: alone it prints its
// help, and a word that is none of its commands is a mistake.
func Group(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	err := fmt.Errorf("%s has no command %q", cmd.CommandPath(), args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return &Failure{Code: ExitUsage, Err: err, Try: "did you mean `" + cmd.CommandPath() + " " + near[0] + "`?"}
	}
	return usageOf(cmd, err)
}

// NewGroup makes a command that only holds others.
func NewGroup(use, short string, children ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: Group, SuggestionsMinimumDistance: 2}
	cmd.AddCommand(children...)
	return cmd
}

// Duration is a flag that takes a length of time as YAML does ("90s", "7d").
type Duration time.Duration

// Set reads the flag.
func (d *Duration) Set(text string) error {
	parsed, err := schema.ParseDuration(text)
	*d = Duration(parsed)
	return err
}

// String is the flag's text.
func (d *Duration) String() string {
	if *d == 0 {
		return ""
	}
	return schema.Duration(*d).String()
}

// Type names the kind of flag in the help.
func (d *Duration) Type() string { return "duration" }

// ParseTime reads a point in time: how long ago it was ("1h", "7d"), a time
// (RFC 3339) or a date, in UTC.
func ParseTime(text string, now time.Time) (time.Time, error) {
	if d, err := schema.ParseDuration(text); err == nil {
		return now.Add(-time.Duration(d)), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, Usage("%q is not a time: write how long ago (1h, 7d), a date (2026-01-31) or a time (2026-01-31T09:00:00Z)", text)
}

// ParseStatuses reads a list of run statuses, separated by commas.
func ParseStatuses(words []string) ([]schema.RunStatus, error) {
	var out []schema.RunStatus
	for _, word := range words {
		status := schema.RunStatus(strings.TrimSpace(word))
		known := false
		var names []string
		for _, s := range schema.RunStatuses {
			known = known || s == status
			names = append(names, string(s))
		}
		if !known {
			return nil, Usage("%q is not the status of a run; those are %s", word, strings.Join(names, ", "))
		}
		out = append(out, status)
	}
	return out, nil
}

// Confirmed makes sure that a person wants what can't be undone: with yes it
// is so, on a terminal it asks, and elsewhere it fails.
func (e *Env) Confirmed(cmd *cobra.Command, yes bool, question string) error {
	if yes {
		return nil
	}
	if !e.CanPrompt() {
		return &Failure{Code: ExitUsage, Err: fmt.Errorf("%q needs an answer, and nobody can be asked here", question), Try: "add --yes when it is meant"}
	}
	ok, err := e.Confirm(cmd.Context(), question)
	if err != nil {
		return err
	}
	if !ok {
		return &Failure{Code: ExitFailure, Err: fmt.Errorf("%q was answered with no: nothing was done", question)}
	}
	return nil
}
