package execution

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"paragon/engine/payload"
	"paragon/schema"
)

// value is a value of a project's run, read from object storage when a
// reference stands for it.
func (s *Service) value(ctx context.Context, project string, raw json.RawMessage) (json.RawMessage, error) {
	return s.opts.Payloads.Resolve(ctx, project, raw)
}

// fill reads the values of a run for which references stand. One that is lost is
// left out, and the run says why.
func (s *Service) fill(ctx context.Context, run *schema.Run) (err error) {
	if run.Input, run.InputPayload, err = s.filled(ctx, run.Project, run.Input); err != nil {
		return notRead("the input of run "+run.ID, err)
	}
	if run.Output, run.OutputPayload, err = s.filled(ctx, run.Project, run.Output); err != nil {
		return notRead("the output of run "+run.ID, err)
	}
	return nil
}

// fillSteps reads the results of records for which references stand, until they
// have so many bytes; the others are left out.
func (s *Service) fillSteps(ctx context.Context, project string, recs []schema.StepRecord, room int64) (err error) {
	for i := range recs {
		rec := &recs[i]
		ref, ok := payload.AsRef(rec.Result)
		if !ok {
			continue
		}
		if room -= ref.Size(); room < 0 {
			rec.Result, rec.ResultPayload = nil, leftOut(ref)
			continue
		}
		if rec.Result, rec.ResultPayload, err = s.filled(ctx, project, rec.Result); err != nil {
			return notRead("the result of step "+rec.Step, err)
		}
	}
	return nil
}

// filled is a value, with what tells of it when it is in object storage.
func (s *Service) filled(ctx context.Context, project string, raw json.RawMessage) (json.RawMessage, *schema.Payload, error) {
	ref, ok := payload.AsRef(raw)
	if !ok {
		return raw, nil, nil
	}
	value, err := s.opts.Payloads.Fetch(ctx, project, ref)
	about := &schema.Payload{Size: ref.Size(), Digest: ref.Digest()}
	if lost(err) {
		about.Omitted, about.Error, err = true, err.Error(), nil
	}
	return value, about, err
}

// leaveOut leaves the large values of a run out of an answer that has many.
func leaveOut(run *schema.Run) {
	if ref, ok := payload.AsRef(run.Input); ok {
		run.Input, run.InputPayload = nil, leftOut(ref)
	}
	if ref, ok := payload.AsRef(run.Output); ok {
		run.Output, run.OutputPayload = nil, leftOut(ref)
	}
}

func leftOut(ref payload.Ref) *schema.Payload {
	return &schema.Payload{Size: ref.Size(), Digest: ref.Digest(), Omitted: true}
}

// Payload returns a large value of a run by its digest: JSON.
func (s *Service) Payload(ctx context.Context, project, id, digest string) (json.RawMessage, error) {
	run, err := s.get(ctx, project, id)
	if err != nil {
		return nil, err
	}
	recs, err := s.steps(ctx, project, id)
	if err != nil {
		return nil, err
	}
	values := []json.RawMessage{run.Input, run.Output}
	for i := range recs {
		values = append(values, recs[i].Result)
	}
	for _, v := range values {
		if ref, ok := payload.AsRef(v); ok && ref.Digest() == digest {
			value, err := s.opts.Payloads.Fetch(ctx, project, ref)
			if errors.Is(err, payload.ErrMissing) {
				return nil, notFound("%s", fmt.Sprintf("value %s of run %s: %v", digest, id, err))
			}
			if err != nil {
				return nil, notRead("value "+digest+" of run "+id, err)
			}
			return value, nil
		}
	}
	return nil, notFound("run %q has no large value %q", id, digest)
}
