package notice

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"paragon/engine/queue"
)

// Examples is how many events of a group a tally keeps.
const Examples = 5

// maxMessage bounds the message of an example, in bytes.
const maxMessage = 1 << 10

// Notice is an event that went wrong.
type Notice struct {
	Project string
	// Event is one of schema.EventRunFailed and so on, Subject what it is of: a
	// workflow, an integration, a queue; empty for the installation. Events that
	// have both in common are one group.
	Event, Subject string
	Example        Example
}

// Example is one event of a group.
type Example struct {
	At time.Time `json:"at"`
	// Run is the run that failed.
	Run     string            `json:"run,omitempty"`
	Message string            `json:"message,omitempty"`
	Details map[string]string `json:"details,omitempty"`
}

// Count is how often an event of a subject happened.
type Count struct {
	Project     string    `json:"project"`
	Event       string    `json:"event"`
	Subject     string    `json:"subject"`
	Count       int64     `json:"count"`
	First, Last time.Time `json:"-"`
	// Examples are the first of them, in order.
	Examples []Example `json:"-"`
}

// Lua declares note(prefix, group, at, example), for scripts that count with
// what else they do.
//
//go:embed note.lua
var Lua string

var noteScript = redis.NewScript(Lua + `
note(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
return 1`)

// prefix is where events that are of no lane are counted.
const prefix = "paragon:{notices}:"

// Words are a notice as Lua's note takes it: group, at and example.
func (n *Notice) Words() (group, at, example string, err error) {
	x := n.Example
	if len(x.Message) > maxMessage {
		x.Message = x.Message[:maxMessage] + "…"
	}
	x.At = x.At.UTC()
	raw, err := json.Marshal(x)
	if err != nil {
		return "", "", "", fmt.Errorf("write a notice of %s: %w", n.Event, err)
	}
	names, err := json.Marshal([3]string{n.Project, n.Event, n.Subject})
	if err != nil {
		return "", "", "", fmt.Errorf("write a notice of %s: %w", n.Event, err)
	}
	return string(names), strconv.FormatInt(x.At.UnixMilli(), 10), string(raw), nil
}

// Note counts an event that is of no lane.
func Note(ctx context.Context, rdb redis.UniversalClient, n Notice) error {
	group, at, example, err := n.Words()
	if err != nil {
		return err
	}
	if err := noteScript.Run(ctx, rdb, []string{prefix}, group, at, example).Err(); err != nil {
		return fmt.Errorf("note %s: %w", n.Event, err)
	}
	return nil
}

// Sources lists the prefixes of all tallies of an installation with so many
// lanes.
func Sources(lanes int) []string {
	out := make([]string, 0, lanes+1)
	for lane := range lanes {
		out = append(out, queue.Key(lane)+":")
	}
	return append(out, prefix)
}
