package execution

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"
)

// startVersion begins the form of a start in Redis. JSON begins with a brace:
// it is how a start is kept in SQL, and how it was in Redis before.
const startVersion = 1

// errStartForm says that a start can't be read.
var errStartForm = errors.New("the start record is cut off or of a later version")

// appendStart appends a start in the form that Redis keeps it in: what every
// run has, each field as it is, and as JSON what few have.
func appendStart(to []byte, s *start) ([]byte, error) {
	rest := *s.stored()
	to = append(to, startVersion)
	for _, text := range startTexts(&rest) {
		to = binary.AppendUvarint(to, uint64(len(*text)))
		to = append(to, *text...)
		*text = ""
	}
	to = binary.AppendUvarint(to, uint64(len(rest.Input)))
	to = append(to, rest.Input...)
	to = binary.AppendVarint(to, s.Revision)
	to = binary.AppendVarint(to, nanos(s.CreatedAt))
	to = binary.AppendVarint(to, nanos(s.Trigger.Time))
	rest.Input, rest.Revision, rest.CreatedAt, rest.Trigger.Time = nil, 0, time.Time{}, time.Time{}
	if reflect.ValueOf(&rest).Elem().IsZero() {
		return to, nil
	}
	raw, err := json.Marshal(&rest)
	if err != nil {
		return nil, err
	}
	return append(to, raw...), nil
}

// startTexts are the texts of a start that stand by themselves, in order.
func startTexts(s *start) [6]*string {
	return [...]*string{&s.Project, &s.Workflow, &s.TraceParent, &s.Trigger.Kind, &s.Trigger.Actor, (*string)(&s.Durability)}
}

// parseStart reads either form of a start.
func parseStart(value string, s *start) error {
	if value == "" {
		return errStartForm
	}
	if value[0] == '{' {
		return json.Unmarshal([]byte(value), s)
	}
	if value[0] != startVersion {
		return errStartForm
	}
	at := startReader{rest: value[1:]}
	var texts [6]string
	for i := range texts {
		texts[i] = at.text()
	}
	input := at.text()
	revision, created, due := at.number(), at.number(), at.number()
	if at.cut {
		return errStartForm
	}
	if at.rest != "" {
		if err := json.Unmarshal([]byte(at.rest), s); err != nil {
			return fmt.Errorf("the start record: %w", err)
		}
	}
	for i, text := range startTexts(s) {
		*text = texts[i]
	}
	s.Input = nil
	if input != "" {
		s.Input = json.RawMessage(input)
	}
	s.Revision = revision
	s.CreatedAt, s.Trigger.Time = instant(created), instant(due)
	return nil
}

// nanos is an instant in nanoseconds of Unix time, 0 for none.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func instant(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos).UTC()
}

// startReader takes fields from the front of a text.
type startReader struct {
	rest string
	cut  bool
}

func (r *startReader) text() string {
	n, used := binary.Uvarint([]byte(r.rest[:min(len(r.rest), binary.MaxVarintLen64)]))
	if used <= 0 || n > uint64(len(r.rest)-used) {
		r.rest, r.cut = "", true
		return ""
	}
	text := r.rest[used : used+int(n)]
	r.rest = r.rest[used+int(n):]
	return text
}

func (r *startReader) number() int64 {
	n, used := binary.Varint([]byte(r.rest[:min(len(r.rest), binary.MaxVarintLen64)]))
	if used <= 0 {
		r.rest, r.cut = "", true
		return 0
	}
	r.rest = r.rest[used:]
	return n
}
