package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"paragon/engine/config"
	"paragon/schema"
	"paragon/schema/api"
)

// mediaType is the request's media type in lower case, without parameters;
// empty when there is none.
func mediaType(r *http.Request) (string, error) {
	text := r.Header.Get("Content-Type")
	if text == "" || text == api.ContentTypeJSON { // as nearly all requests have it
		return text, nil
	}
	mt, _, err := mime.ParseMediaType(text)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return "", unsupportedMedia("Content-Type %q can't be read", text)
	}
	return mt, nil
}

// readBody reads the whole body, within its limit.
func readBody(r *http.Request) ([]byte, error) {
	var buf bytes.Buffer
	// What was announced, within reason, and what net/http needs to see the end.
	buf.Grow(int(min(max(r.ContentLength, 0), 64<<10)) + bytes.MinRead)
	_, err := buf.ReadFrom(r.Body)
	body := buf.Bytes()
	if err != nil {
		if tooBig := (*http.MaxBytesError)(nil); errors.As(err, &tooBig) {
			return nil, err
		}
		return nil, badRequest("the body could not be read to its end")
	}
	return body, nil
}

// decodeBody reads a JSON body into v. Unknown fields are errors, and so is what
// the OpenAPI document does not allow. It returns false for an empty body, where
// the route may do without.
func decodeBody(r *http.Request, v any) (bool, error) {
	mt, err := mediaType(r)
	if err != nil {
		return false, err
	}
	body, err := readBody(r)
	if err != nil {
		return false, err
	}
	rt := infoOf(r).route
	if len(bytes.TrimSpace(body)) == 0 {
		if rt != nil && rt.schema != nil && !rt.optional {
			return false, rt.schema.missing()
		}
		return false, nil
	}
	if mt != "" && !isJSON(mt) {
		return false, unsupportedMedia("the body is %s, not %s: send Content-Type: %s", mt, api.ContentTypeJSON, api.ContentTypeJSON)
	}
	if err := decodeJSON(body, v); err != nil || rt == nil || rt.schema == nil {
		return true, err
	}
	return true, rt.schema.check(body)
}

// isJSON tells whether a media type is JSON (RFC 6839 section 3.1 for the
// suffix).
func isJSON(mt string) bool {
	return mt == api.ContentTypeJSON || mt == "text/json" || strings.HasSuffix(mt, "+json")
}

// decodeJSON reads one JSON value, and says where it is wrong.
func decodeJSON(body []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil {
		if _, err := dec.Token(); err != io.EOF {
			return badRequest("the body has something behind its JSON value")
		}
		return nil
	}
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		line, column := position(body, syntax.Offset)
		p := badRequest("the body is not JSON: %v at line %d, column %d", syntax, line, column)
		p.Errors = []schema.Diagnostic{{Severity: schema.SeverityError, Code: "syntax", Message: syntax.Error(), Line: line, Column: column}}
		return p
	case errors.As(err, &typ):
		return badField(typ.Field, "%s must be %s, not %s", nameOr(typ.Field, "the body"), typeWord(typ), typ.Value)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return badRequest("the body is not JSON: it ends too early")
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		if name, err := strconv.Unquote(field); err == nil {
			field = name
		}
		return badField(field, "unknown field %q", field)
	}
	return badRequest("the body can't be read: %v", err)
}

func nameOr(name, other string) string {
	if name == "" {
		return other
	}
	return name
}

func typeWord(e *json.UnmarshalTypeError) string {
	switch e.Type.Kind().String() {
	case "struct", "map":
		return "an object"
	case "slice", "array":
		return "a list"
	case "string":
		return "a string"
	case "bool":
		return "true or false"
	}
	return "a number"
}

// position is the line and the column, from 1, of a byte offset.
func position(body []byte, offset int64) (line, column int) {
	before := body[:min(max(offset-1, 0), int64(len(body)))]
	line = bytes.Count(before, []byte{'\n'}) + 1
	return line, len([]rune(string(before[bytes.LastIndexByte(before, '\n')+1:]))) + 1
}

// queryReader reads query parameters and keeps the first error. A parameter
// that the route does not know is one, so that a misspelt filter does not
// select everything.
type queryReader struct {
	values map[string][]string
	err    error
}

func (r *request) query() *queryReader {
	if r.URL.RawQuery == "" {
		return &queryReader{}
	}
	q := &queryReader{values: r.URL.Query()}
	for name := range q.values {
		known := false
		for _, p := range r.route.params {
			known = known || p.in == "query" && p.name == name
		}
		if !known {
			q.fail(name, "unknown query parameter %q", name)
		}
	}
	return q
}

func (q *queryReader) fail(name, format string, args ...any) {
	if q.err == nil {
		q.err = badField("query."+name, format, args...)
	}
}

func (q *queryReader) text(name string) string {
	if v := q.values[name]; len(v) > 0 {
		return v[len(v)-1]
	}
	return ""
}

func (q *queryReader) boolean(name string) bool {
	s := q.text(name)
	if s == "" {
		// ?prune alone means true.
		return len(q.values[name]) > 0
	}
	b, err := strconv.ParseBool(s)
	if err != nil {
		q.fail(name, "%s must be true or false, not %q", name, s)
	}
	return b
}

func (q *queryReader) number(name string, low, high int64) int64 {
	s := q.text(name)
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < low || n > high {
		q.fail(name, "%s must be a number from %d to %d, not %q", name, low, high, s)
	}
	return n
}

// duration reads a duration; a plain number is seconds.
func (q *queryReader) duration(name string, most time.Duration) time.Duration {
	s := q.text(name)
	if s == "" {
		return 0
	}
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return min(time.Duration(n)*time.Second, most)
	}
	d, err := schema.ParseDuration(s)
	if err != nil {
		q.fail(name, "%s: %v", name, err)
	}
	return min(time.Duration(d), most)
}

// instant reads an RFC 3339 time, or a duration before now.
func (q *queryReader) instant(name string, now time.Time) time.Time {
	s := q.text(name)
	if s == "" {
		return time.Time{}
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t
	}
	d, err := schema.ParseDuration(s)
	if err != nil {
		q.fail(name, "%s must be a time such as 2026-01-31T12:00:00Z or a duration such as 1h, not %q", name, s)
	}
	return now.Add(-time.Duration(d))
}

// statuses reads run statuses, repeated or separated by commas.
func (q *queryReader) statuses(name string) []schema.RunStatus {
	var out []schema.RunStatus
	for _, list := range q.values[name] {
		for s := range strings.SplitSeq(list, ",") {
			if s == "" {
				continue
			}
			out = append(out, schema.RunStatus(s))
		}
	}
	if err := knownStatuses(name, out); err != nil && q.err == nil {
		q.err = err
	}
	return out
}

func knownStatuses(field string, list []schema.RunStatus) error {
	for _, s := range list {
		ok := false
		for _, known := range schema.RunStatuses {
			ok = ok || s == known
		}
		if !ok {
			return badField(field, "%q is not a status: queued, running, waiting, succeeded, failed or canceled", s)
		}
	}
	return nil
}

// condition reads If-Match and If-None-Match (RFC 9110 sections 13.1.1 and
// 13.1.2): one entity tag, or *.
func condition(r *http.Request) (config.Condition, error) {
	var c config.Condition
	switch text := strings.TrimSpace(r.Header.Get("If-Match")); text {
	case "":
	case "*":
		c.Exists = true
	default:
		n, err := strconv.ParseInt(strings.Trim(text, `"`), 10, 64)
		if err != nil || n < 1 {
			return c, badField("header.If-Match", "If-Match must be the ETag of the resource, such as %s, or *, not %q", api.ETag(3), text)
		}
		c.Revision = n
	}
	switch text := strings.TrimSpace(r.Header.Get("If-None-Match")); text {
	case "":
	case "*":
		c.Absent = true
	default:
		return c, badField("header.If-None-Match", "If-None-Match takes only * here, not %q", text)
	}
	return c, nil
}
