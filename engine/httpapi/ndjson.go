package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"paragon/schema"
	"paragon/schema/api"
)

// batchWorkers is how many lines of one NDJSON trigger are under way at once:
// enough for their round trips to be shared.
const batchWorkers = 128

// triggerMany starts a run for each line and answers each with a line, in
// order. Lines are answered while later ones are still coming in, so that
// neither side has to hold them all. A line that is wrong answers with a
// problem and the others go on.
func (s *Server) triggerMany(w http.ResponseWriter, r *request) error {
	ctl := http.NewResponseController(w)
	// Without it, HTTP/1 stops reading the body at the first answer. Writers of
	// tests and HTTP/2 need no permission.
	_ = ctl.EnableFullDuplex()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	r.Request = r.WithContext(ctx)

	// Each line has a place in the queue before its run is started; its length
	// bounds what is under way.
	queue := make(chan chan api.TriggerLine, batchWorkers)
	written := make(chan error, 1)
	go func() { written <- s.writeLines(w, ctl, queue, cancel) }()

	reader := bufio.NewReaderSize(r.Body, 64<<10)
	for ctx.Err() == nil {
		extend(w, s.limits.Request)
		line, err := readLine(reader, s.limits.Body)
		end := err != nil
		if err == nil || errors.Is(err, io.EOF) || errors.Is(err, errLongLine) {
			line = bytes.TrimSpace(line)
			end = errors.Is(err, io.EOF)
			if len(line) == 0 && !errors.Is(err, errLongLine) {
				if end {
					break
				}
				continue
			}
		}
		answer := make(chan api.TriggerLine, 1)
		select {
		case queue <- answer:
		case <-ctx.Done():
			end = true
			continue
		}
		switch {
		case errors.Is(err, errLongLine):
			answer <- s.problemLine(r, tooLarge("the line", s.limits.Body))
		case err != nil && !errors.Is(err, io.EOF):
			// What was acknowledged stays so; this says where it ended.
			if tooBig := (*http.MaxBytesError)(nil); !errors.As(err, &tooBig) {
				err = badRequest("the body could not be read to its end")
			}
			answer <- s.problemLine(r, err)
		default:
			go func() { answer <- s.startLine(r, line) }()
		}
		if end {
			break
		}
	}
	close(queue)
	return <-written
}

// writeLines writes the answers in order, and waits for all of them even when
// nobody reads any more: no run is started without its goroutine being waited
// for.
func (s *Server) writeLines(w http.ResponseWriter, ctl *http.ResponseController, queue <-chan chan api.TriggerLine, cancel func()) error {
	w.Header().Set("Content-Type", api.ContentTypeNDJSON)
	w.Header().Set("Cache-Control", "no-store")
	out := bufio.NewWriterSize(w, 32<<10)
	enc := json.NewEncoder(out)
	var failed error
	flush := func() {
		if failed == nil {
			if failed = out.Flush(); failed == nil {
				failed = ctl.Flush()
			}
			if errors.Is(failed, http.ErrNotSupported) {
				failed = nil
			}
			if failed != nil {
				cancel()
			}
		}
	}
	for answer := range queue {
		var line api.TriggerLine
		select {
		case line = <-answer:
		default:
			// About to wait: the caller may have what there is.
			flush()
			line = <-answer
		}
		if failed == nil {
			failed = enc.Encode(line)
		}
		if len(queue) == 0 {
			flush()
		}
	}
	flush()
	return nil // the caller went away; there is nobody to tell
}

// startLine starts the run of one line.
func (s *Server) startLine(r *request, line []byte) (out api.TriggerLine) {
	defer func() {
		if v := recover(); v != nil {
			s.log.ErrorContext(r.Context(), "request panicked", "panic", v)
			out = s.problemLine(r, problem(http.StatusInternalServerError, schema.ProblemInternal, "Internal error", "this is a fault of the server"))
		}
	}()
	var body api.TriggerRequest
	if err := decodeJSON(line, &body); err != nil {
		return s.problemLine(r, err)
	}
	run, err := s.start(r, body)
	if err != nil {
		return s.problemLine(r, err)
	}
	return api.TriggerLine{ID: run.ID}
}

func (s *Server) problemLine(r *request, err error) api.TriggerLine {
	p, internal := problemOf(r.Context(), err)
	p.TraceID = traceOf(r.Context()).TraceID()
	if internal {
		s.log.ErrorContext(r.Context(), "trigger failed", "error", err, "trace", p.TraceID)
	}
	return api.TriggerLine{Error: p}
}

// errLongLine says that a line was longer than the limit; it has been skipped.
var errLongLine = errors.New("line too long")

// readLine reads one line without its end, in bytes of its own. The last line
// may come with io.EOF.
func readLine(r *bufio.Reader, limit int64) ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := r.ReadSlice('\n')
		if !long && int64(len(line)+len(part)) > limit+1 {
			long, line = true, nil
		}
		if !long {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case long && (err == nil || errors.Is(err, io.EOF)):
			return nil, errLongLine
		default:
			return line, err
		}
	}
}
