package execution

import (
	"encoding/json"
	"fmt"
	"slices"

	"paragon/engine/record"
	"paragon/schema"
	"paragon/workflows/interpret"
)

// commit writes what has not been written yet of the run. It reports whether
// signals kept the run from being parked.
func (s *segment) commit(on way) (signals bool, err error) {
	fields, err := s.unwritten()
	if err != nil {
		return false, err
	}
	return s.write(fields, on)
}

func (s *segment) write(fields []field, on way) (bool, error) {
	harmless := s.doubt.over()
	if harmless {
		fields = append(fields, field{name: fieldRecovered})
	}
	awaits := on.kind == wayPark && s.onTrial()
	switch {
	case awaits == s.state.awaits:
	case awaits:
		fields = append(fields, field{name: fieldAwaits, value: "1"})
	default:
		fields = append(fields, field{name: fieldAwaits})
	}
	c := commit{id: s.state.id, project: s.state.start.Project, fence: s.state.fence, serial: s.serial, fields: fields, way: on}
	signals, err := s.w.ledger.write(s.w.writes, &c)
	s.serial = c.serial
	if err == nil {
		s.state.awaits = awaits
		if harmless {
			s.cleared()
		}
	}
	return signals, err
}

// unwritten turns the records since the last checkpoint into fields and log
// rows.
func (s *segment) unwritten() ([]field, error) {
	fields := make([]field, 0, len(s.records)+2)
	for i := range s.records {
		f, err := s.fieldOf(&s.records[i])
		if err != nil {
			return nil, err
		}
		fields = append(fields, f...)
	}
	s.records = nil
	for _, name := range s.consumed {
		fields = append(fields, field{name: name})
	}
	s.consumed = nil
	if said := s.response(); said != nil && !s.said {
		kept, err := s.shelve(s.state.id, s.redact.JSON(said))
		if err != nil {
			return nil, fmt.Errorf("keep the response: %w", err)
		}
		s.said = true
		fields = append(fields, field{name: fieldResponse, value: string(kept)})
	}
	return fields, nil
}

func (s *segment) response() json.RawMessage {
	if s.machine == nil {
		return nil
	}
	return s.machine.Response()
}

// fieldOf writes one record. What holds a secret is sealed for the checkpoint
// and redacted for everything else.
func (s *segment) fieldOf(rec *schema.StepRecord) ([]field, error) {
	if len(rec.Attempts) == 1 && saysNothing(&rec.Attempts[0]) {
		rec.Attempts = nil
	}
	f := field{name: prefixStep + rec.Path}
	if logged(rec) {
		f.row, f.seq = stepRow, s.seq
		s.seq++
	}
	if s.w.opts.Payloads.Takes(len(rec.Result)) {
		return s.largeField(rec, f)
	}
	raw, err := appendStep(rec)
	if err != nil {
		return nil, err
	}
	f.value = string(raw)
	_, wasSealed := s.state.sealed[rec.Path]
	if s.redact == nil || !wasSealed && !s.redact.ContainsBytes(raw) {
		return []field{f}, nil
	}
	x, err := s.seal(rec.Path, raw)
	if err != nil {
		return nil, err
	}
	shown := s.redactStep(rec)
	if raw, err = appendStep(&shown); err != nil {
		return nil, err
	}
	f.value = string(raw)
	return []field{f, x}, nil
}

func appendStep(rec *schema.StepRecord) ([]byte, error) { return record.AppendStep(nil, rec) }

// seal is the field of a sealed checkpoint.
func (s *segment) seal(path string, raw []byte) (field, error) {
	sealed, err := s.w.opts.Config.Seal(s.state.start.Project, raw, s.state.id+"/"+path)
	if err == nil {
		sealed, err = s.shelve(s.state.id, sealed)
	}
	if err != nil {
		return field{}, fmt.Errorf("seal the checkpoint of step %s: %w", path, err)
	}
	if s.state.sealed == nil {
		s.state.sealed = map[string][]byte{}
	}
	s.state.sealed[path] = sealed
	return field{name: prefixSealed + path, value: string(sealed)}, nil
}

// saysNothing tells whether an attempt is all in the step's own record: the
// first, which succeeded, with nothing sent or received.
func saysNothing(a *schema.Attempt) bool {
	return a.Number == 1 && a.Error == nil && a.Request == nil && a.Response == nil
}

// redactStep is a record without the values of secrets. What a performer
// recorded of requests and responses has none already.
func (s *segment) redactStep(rec *schema.StepRecord) schema.StepRecord {
	shown := *rec
	shown.Result = s.redact.JSON(rec.Result)
	shown.Error = s.redactError(rec.Error)
	shown.Attempts = slices.Clone(rec.Attempts)
	for i := range shown.Attempts {
		shown.Attempts[i].Error = s.redactError(shown.Attempts[i].Error)
	}
	return shown
}

func (s *segment) redactError(err *schema.RunError) *schema.RunError {
	if err == nil {
		return nil
	}
	shown := *err
	shown.Message = s.redact.String(err.Message)
	return &shown
}

// logged tells whether a record is history: a state that a step only passes
// through is not.
func logged(rec *schema.StepRecord) bool {
	return rec.Status.Ended() || len(rec.Attempts) > 0 || rec.Status == schema.StepWaiting
}

// finish writes the run's end, and tells the run that called it.
func (s *segment) finish(end *interpret.End) error {
	fields, err := s.unwritten()
	if err != nil {
		return err
	}
	run := s.state.skeleton()
	ended := s.w.opts.Now().UTC()
	run.Status, run.EndedAt = end.Status, &ended
	run.Output, run.Error = end.Output, end.Error
	if s.machine != nil {
		run.Attempts = s.machine.Attempts()
	}
	sealed, err := s.sealedOutput(run)
	if err != nil {
		return err
	}
	if s.redact != nil {
		if s.state.start.Input != nil {
			run.Input = s.redact.JSON(run.Input)
		}
		run.Output = s.redact.JSON(run.Output)
		run.Error = s.redactError(run.Error)
	}
	on := way{kind: wayEnd, state: run.Status, limited: s.state.limited}
	if run.Status == schema.RunFailed {
		if on.group, on.example, err = s.failure(run); err != nil {
			return err
		}
	}
	if by := s.state.start.Caller; by != nil {
		if on.tell, err = s.untoldOf(by, run, sealed); err != nil {
			return err
		}
	}
	if err := s.shelveEnd(run); err != nil {
		return fmt.Errorf("keep the end of the run: %w", err)
	}
	raw, err := record.AppendRun(nil, run)
	if err != nil {
		return err
	}
	fields = append(fields, field{name: fieldEnd, value: string(raw), row: runRow})
	if _, err := s.write(fields, on); err != nil {
		return err
	}
	s.countEnd(run)
	s.traceEnd(run)
	if on.tell == "" {
		return nil
	}
	return tellCaller(s.w.writes, s.w.ledger, s.w.opts.Queue, run.ID, on.tell)
}

// sealedOutput is the output of a chunk's run, for the run that it is a part of,
// when it holds a secret; nil otherwise.
func (s *segment) sealedOutput(run *schema.Run) ([]byte, error) {
	by := s.state.start.Caller
	if s.state.start.Chunk == nil || by == nil || s.redact == nil || !s.redact.ContainsBytes(run.Output) {
		return nil, nil
	}
	sealed, err := s.w.opts.Config.Seal(run.Project, run.Output, by.Run+"/"+by.Path)
	if err != nil {
		return nil, fmt.Errorf("seal the results of a chunk: %w", err)
	}
	return sealed, nil
}

func eventOf(raw json.RawMessage) map[string]any {
	var event map[string]any
	if json.Unmarshal(raw, &event) != nil {
		return nil // only what we marshaled ourselves is there
	}
	return event
}
