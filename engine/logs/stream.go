package logs

import "paragon/engine/queue"

// stream is one of the Redis streams that a lane's log is. Each has its own
// position in the store, under the name of its key; all are counted together, in
// the lane's logbytes, by the values of their entries.
type stream struct {
	lane int
	name string
	form form
}

// streamsOf lists the streams of a lane in the order in which they are written:
// of a run that workers of two versions had, what is older comes first.
func streamsOf(lane int) []stream {
	return []stream{{lane, "log", apart}, {lane, "rows", packed}}
}

// CallsKey names the stream for the calls of the proxy. An entry holds rows of
// several, each a field (its key) and a value (a record of engine/record). Workers
// of versions before 0071 of docs/decisions have put the rows of runs there, too.
func CallsKey(lane int) string { return queue.Key(lane, "log") }

// RowsKey names the stream for the rows of runs. An entry holds those of one
// group commit in one field, "rows", as AppendRun and AppendStep wrote them.
func RowsKey(lane int) string { return queue.Key(lane, "rows") }

// StreamKeys names all streams of a lane's log.
func StreamKeys(lane int) []string {
	var keys []string
	for _, s := range streamsOf(lane) {
		keys = append(keys, s.key())
	}
	return keys
}

func (s stream) key() string { return queue.Key(s.lane, s.name) }
