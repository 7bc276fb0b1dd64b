package stats

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Kind says what a series counts.
type Kind byte

// The kinds of series. Their numbers are stored.
const (
	// Workflow counts runs of a workflow.
	Workflow Kind = 0
	// Proxy counts requests to an integration.
	Proxy Kind = 1
	// Seen sums up looks at the whole installation.
	Seen Kind = 2
)

// Name names a series within its project.
type Name struct {
	Kind Kind
	Name string
}

// Counts are what is counted of a series in some time.
type Counts struct {
	// Started counts first starts; Succeeded, Failed and Canceled count ends.
	// Of requests Started counts those that were sent.
	Started, Succeeded, Failed, Canceled int64
	// Attempts counts attempts at steps, Retried those that were not the first.
	Attempts, Retried int64
	// Duration is from the first start to the end, Wait from acceptance to the
	// first start; DurationUs and WaitUs are their sums, in microseconds.
	Duration, Wait     Histogram
	DurationUs, WaitUs int64
}

func newCounts() *Counts { return &Counts{Duration: Histogram{}, Wait: Histogram{}} }

// Merge adds what others counted.
func (c *Counts) Merge(o *Counts) {
	for i, n := range o.numbers() {
		*c.number(i) += n
	}
	c.Duration.Merge(o.Duration)
	c.Wait.Merge(o.Wait)
}

// Ended is how many ended.
func (c *Counts) Ended() int64 { return c.Succeeded + c.Failed + c.Canceled }

const countNumbers = 8

func (c *Counts) numbers() [countNumbers]int64 {
	return [...]int64{c.Started, c.Succeeded, c.Failed, c.Canceled, c.Attempts, c.Retried, c.DurationUs, c.WaitUs}
}

func (c *Counts) number(i int) *int64 {
	return [...]*int64{&c.Started, &c.Succeeded, &c.Failed, &c.Canceled, &c.Attempts, &c.Retried, &c.DurationUs, &c.WaitUs}[i]
}

// Set is what was counted of a project, by series.
type Set map[Name]*Counts

// of returns the counts of a series, made if need be.
func (s Set) of(name Name) *Counts {
	c := s[name]
	if c == nil {
		c = newCounts()
		s[name] = c
	}
	return c
}

// Merge adds what others counted.
func (s Set) Merge(o Set) {
	for name, c := range o {
		s.of(name).Merge(c)
	}
}

// Total adds up all series of a kind.
func (s Set) Total(kind Kind) *Counts {
	sum := newCounts()
	for name, c := range s {
		if name.Kind == kind {
			sum.Merge(c)
		}
	}
	return sum
}

// formVersion is the first byte of an encoded Set. Version 1, which a week of
// minutes may still hold, has no sums.
const (
	formVersion      = 2
	formWithoutSums  = 1
	numbersUntilSums = 6
)

// append encodes a set: its version, then of each series its kind, name,
// numbers and histograms, all as varints.
func (s Set) append(b []byte) []byte {
	b = append(b, formVersion)
	names := slices.SortedFunc(maps.Keys(s), func(a, b Name) int {
		if a.Kind != b.Kind {
			return int(a.Kind) - int(b.Kind)
		}
		return strings.Compare(a.Name, b.Name)
	})
	for _, name := range names {
		c := s[name]
		b = append(b, byte(name.Kind))
		b = binary.AppendUvarint(b, uint64(len(name.Name)))
		b = append(b, name.Name...)
		for _, n := range c.numbers() {
			b = binary.AppendUvarint(b, uint64(n))
		}
		b = appendHistogram(appendHistogram(b, c.Duration), c.Wait)
	}
	return b
}

func appendHistogram(b []byte, h Histogram) []byte {
	b = binary.AppendUvarint(b, uint64(len(h)))
	last := 0
	for _, bucket := range slices.Sorted(maps.Keys(h)) {
		b = binary.AppendUvarint(b, uint64(bucket-last))
		b = binary.AppendUvarint(b, uint64(h[bucket]))
		last = bucket
	}
	return b
}

// maxBucket is above every bucket that a duration can have.
const maxBucket = 64 << stepBits

var errForm = errors.New("statistics in Redis are not in a form that this version reads")

// parseSet is the reverse of append. It is for what comes from outside: it
// returns an error for anything that append did not write.
func parseSet(raw string) (Set, error) {
	r := reader{rest: raw}
	numbers := countNumbers
	switch v := r.byte(); v {
	case formVersion:
	case formWithoutSums:
		numbers = numbersUntilSums
	default:
		return nil, fmt.Errorf("%w: version %d", errForm, v)
	}
	s := Set{}
	for r.err == nil && r.rest != "" {
		name := Name{Kind: Kind(r.byte())}
		name.Name = r.text()
		c := s.of(name)
		for i := range numbers {
			*c.number(i) += r.number()
		}
		r.histogram(c.Duration)
		r.histogram(c.Wait)
	}
	if r.err != nil {
		return nil, r.err
	}
	return s, nil
}

type reader struct {
	rest string
	err  error
}

func (r *reader) fail() {
	if r.err == nil {
		r.err = errForm
	}
	r.rest = ""
}

func (r *reader) byte() byte {
	if r.rest == "" {
		r.fail()
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

// number reads an unsigned varint that fits an int64.
func (r *reader) number() int64 {
	head := r.rest[:min(len(r.rest), binary.MaxVarintLen64)]
	n, size := binary.Uvarint([]byte(head))
	if size <= 0 || n > 1<<62 {
		r.fail()
		return 0
	}
	r.rest = r.rest[size:]
	return int64(n)
}

func (r *reader) text() string {
	n := r.number()
	if n > int64(len(r.rest)) {
		r.fail()
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

func (r *reader) histogram(h Histogram) {
	bucket := int64(0)
	for range r.number() {
		bucket += r.number()
		if r.err != nil {
			return
		}
		if bucket > maxBucket {
			r.fail()
			return
		}
		h[int(bucket)] += r.number()
	}
}
