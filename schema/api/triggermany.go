package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
)

// The bounds of one request of TriggerMany.
const (
	batchLines = 1000
	batchBytes = 4 << 20
	maxLine    = 1 << 20
)

// TriggerMany starts a run of a workflow for each request, a batch at a time,
// and calls each with the answers in order, the first with 0. Every request
// without an idempotency key is given one, so that a batch whose answer was
// lost is sent again and starts nothing twice. It ends at the first error of
// the requests, of each, or of the server about a whole batch.
func (c *Client) TriggerMany(ctx context.Context, workflow string, requests iter.Seq2[TriggerRequest, error], each func(i int, line TriggerLine) error) error {
	var (
		body  bytes.Buffer
		lines int
		sent  int
	)
	flush := func() error {
		if lines == 0 {
			return nil
		}
		answers, err := c.triggerBatch(ctx, workflow, body.Bytes(), lines)
		if err != nil {
			return err
		}
		for i, line := range answers {
			if err := each(sent+i, line); err != nil {
				return err
			}
		}
		sent += lines
		lines = 0
		body.Reset()
		return nil
	}
	for req, err := range requests {
		if err != nil {
			return errors.Join(flush(), err)
		}
		if req.IdempotencyKey == "" {
			req.IdempotencyKey = NewIdempotencyKey()
		}
		text, err := json.Marshal(req)
		if err != nil {
			return fmt.Errorf("encode request %d: %w", sent+lines+1, err)
		}
		if lines == batchLines || lines > 0 && body.Len()+len(text) > batchBytes {
			if err := flush(); err != nil {
				return err
			}
		}
		body.Write(text)
		body.WriteByte('\n')
		lines++
	}
	return flush()
}

// triggerBatch sends one NDJSON body and reads as many answers as it has lines.
func (c *Client) triggerBatch(ctx context.Context, workflow string, body []byte, lines int) ([]TriggerLine, error) {
	var answers []TriggerLine
	r := &call{
		method: http.MethodPost, path: c.path("workflows", workflow, "runs"),
		body: body, contentType: ContentTypeNDJSON, accept: ContentTypeNDJSON,
		// Each line has a key of its own, so that a repetition answers with
		// the runs of before.
		again: true,
	}
	r.read = func(resp *http.Response) error {
		answers = answers[:0]
		scan := bufio.NewScanner(io.LimitReader(resp.Body, MaxResponse))
		scan.Buffer(nil, maxLine)
		for scan.Scan() {
			if len(bytes.TrimSpace(scan.Bytes())) == 0 {
				continue
			}
			var line TriggerLine
			if err := json.Unmarshal(scan.Bytes(), &line); err != nil {
				return &notOurs{fmt.Errorf("line %d of the answer is not what the API answers: %w", len(answers)+1, err)}
			}
			answers = append(answers, line)
		}
		if err := scan.Err(); err != nil {
			return err
		}
		if len(answers) != lines {
			return fmt.Errorf("%d answers to %d requests: %w", len(answers), lines, io.ErrUnexpectedEOF)
		}
		return nil
	}
	if err := c.do(ctx, r); err != nil {
		return nil, err
	}
	return answers, nil
}
