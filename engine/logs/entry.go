package logs

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// entry is an entry of a stream: its position, and its fields and values in turn.
type entry struct {
	id     string
	fields []any
}

// bytes is what Redis counts for the entry in the lane's logbytes.
func (e *entry) bytes() (n int) {
	for i := 1; i < len(e.fields); i += 2 {
		text, _ := e.fields[i].(string)
		n += len(text)
	}
	return n
}

// readEntries reads entries of a stream by a command. It takes Redis' reply as
// it is: building a map for each entry, as XRange does, costs more than reading
// rows that are fields.
func readEntries(ctx context.Context, rdb redis.UniversalClient, command ...any) ([]entry, error) {
	reply, err := rdb.Do(ctx, command...).Slice()
	if err != nil {
		return nil, err
	}
	out := make([]entry, len(reply))
	for i, item := range reply {
		pair, _ := item.([]any)
		if len(pair) != 2 {
			return nil, fmt.Errorf("entry %d of the reply is no stream entry: %v", i, item)
		}
		out[i].id, _ = pair[0].(string)
		out[i].fields, _ = pair[1].([]any)
	}
	return out, nil
}
