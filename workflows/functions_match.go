package workflows

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"
)

// A pattern is a compiled regular expression and about how many instructions it
// has, which matching takes time in proportion to.
type pattern struct {
	*regexp.Regexp
	size int
}

// patterns caches compiled regular expressions: those of one process are few
// and fixed, except when a pattern is computed, so that the cache is emptied
// when it has grown large.
var patterns struct {
	sync.RWMutex
	bySource map[string]*pattern
}

// maxPattern bounds the source of a regular expression in bytes, maxInstructions
// what it is compiled to.
const (
	maxPattern      = 4096
	maxInstructions = 20_000
)

func compilePattern(source string) (*pattern, error) {
	patterns.RLock()
	p := patterns.bySource[source]
	patterns.RUnlock()
	if p != nil {
		return p, nil
	}
	if len(source) > maxPattern {
		return nil, fmt.Errorf("the regular expression is longer than %d bytes", maxPattern)
	}
	wrong := func(err error) error {
		return fmt.Errorf("%q is not a regular expression (RE2): %s", shorten(source, 80), strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	tree, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return nil, wrong(err)
	}
	size := instructions(tree)
	if size > maxInstructions {
		return nil, fmt.Errorf("the regular expression is too large: %q", shorten(source, 80))
	}
	re, err := regexp.Compile(source)
	if err != nil {
		return nil, wrong(err)
	}
	p = &pattern{re, size}
	patterns.Lock()
	defer patterns.Unlock()
	if patterns.bySource == nil || len(patterns.bySource) >= 256 {
		patterns.bySource = map[string]*pattern{}
	}
	patterns.bySource[source] = p
	return p, nil
}

// instructions is about how many instructions a regular expression has, counted
// before its repetitions are written out.
func instructions(tree *syntax.Regexp) int {
	n := 1 + len(tree.Rune)
	for _, sub := range tree.Sub {
		n += instructions(sub)
	}
	if tree.Op == syntax.OpRepeat {
		n *= max(tree.Min, tree.Max, 1)
	}
	return n
}

// matching takes a text and a pattern from the arguments, and charges the work
// of matching them.
func matching(c *call, args []any) (string, *pattern, error) {
	s, err := textArgs(args, 2)
	if err != nil {
		return "", nil, err
	}
	p, err := compilePattern(s[1])
	if err != nil {
		return "", nil, err
	}
	return s[0], p, c.charge((len(s[0]) + 1) * (1 + p.size/2))
}

// maxMatches bounds the matches that are replaced in one text.
const maxMatches = 200_000

func replaceMatch(c *call, args []any) (any, error) {
	s, p, err := matching(c, args)
	if err != nil {
		return nil, err
	}
	template, err := textArg(args, 2)
	if err != nil {
		return nil, err
	}
	var b []byte
	last := 0
	matches := p.FindAllStringSubmatchIndex(s, maxMatches+1)
	if len(matches) > maxMatches {
		return nil, errTooLarge
	}
	for _, m := range matches {
		b = append(b, s[last:m[0]]...)
		b = p.ExpandString(b, template, s, m)
		last = m[1]
		if len(b) > maxText {
			return nil, errTooLarge
		}
	}
	return string(append(b, s[last:]...)), nil
}

func textMatches(c *call, args []any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return false, nil
	}
	s, p, err := matching(c, args)
	if err != nil {
		return nil, err
	}
	return p.MatchString(s), nil
}

func findMatch(c *call, args []any) (any, error) {
	s, p, err := matching(c, args)
	if err != nil {
		return nil, err
	}
	m := p.FindStringSubmatch(s)
	if m == nil {
		return nil, nil
	}
	return anyList(m), nil
}
