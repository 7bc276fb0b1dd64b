package workflows

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

type (
	text1  = func(string) string
	text2  = func(string, string) string
	test2  = func(any, any) bool
	textN  = func(string, int) string
	textNS = func(string, int, string) string
)

// mapText makes a function of one text.
func mapText(f func(string) string) func(*call, []any) (any, error) {
	return func(_ *call, args []any) (any, error) {
		s, err := textArg(args, 0)
		if err != nil {
			return nil, err
		}
		return f(s), nil
	}
}

// mapText2 makes a function of two texts.
func mapText2(f func(a, b string) (any, error)) func(*call, []any) (any, error) {
	return func(_ *call, args []any) (any, error) {
		s, err := textArgs(args, 2)
		if err != nil {
			return nil, err
		}
		return f(s[0], s[1])
	}
}

var textFunctions = []Function{
	{Name: "lower", Group: "text", Signature: "lower(text) text", Doc: "Makes all letters small.",
		Example: `lower("ÀB")`, Result: `"àb"`, types: sig((*text1)(nil)), run: mapText(strings.ToLower)},
	{Name: "upper", Group: "text", Signature: "upper(text) text", Doc: "Makes all letters capital.",
		Example: `upper("ab")`, Result: `"AB"`, types: sig((*text1)(nil)), run: mapText(strings.ToUpper)},
	{Name: "title", Group: "text", Signature: "title(text) text", Doc: "Makes the first letter of each word capital.",
		Example: `title("ada lovelace")`, Result: `"Ada Lovelace"`, types: sig((*text1)(nil)), run: mapText(titleCase)},
	{Name: "trim", Group: "text", Signature: "trim(text, characters?) text", Doc: "Removes white space, or the given characters, at both ends.",
		Example: `trim("  a ")`, Result: `"a"`, types: sig((*text1)(nil), (*text2)(nil)), run: trimText},
	{Name: "trimPrefix", Group: "text", Signature: "trimPrefix(text, prefix) text", Doc: "Removes a beginning.",
		Example: `trimPrefix("v1.2", "v")`, Result: `"1.2"`, types: sig((*text2)(nil)),
		run: mapText2(func(a, b string) (any, error) { return strings.TrimPrefix(a, b), nil })},
	{Name: "trimSuffix", Group: "text", Signature: "trimSuffix(text, suffix) text", Doc: "Removes an end.",
		Example: `trimSuffix("a.csv", ".csv")`, Result: `"a"`, types: sig((*text2)(nil)),
		run: mapText2(func(a, b string) (any, error) { return strings.TrimSuffix(a, b), nil })},
	{Name: "split", Group: "text", Signature: "split(text, separator) list", Doc: "Cuts a text at each separator.",
		Example: `split("a,b", ",")`, Result: `["a","b"]`, types: sig((*func(string, string) []any)(nil)), run: mapText2(splitText)},
	{Name: "lines", Group: "text", Signature: "lines(text) list", Doc: "Cuts a text into its lines.",
		Example: `lines("a\r\nb\n")`, Result: `["a","b"]`, types: sig((*func(string) []any)(nil)), run: textLines},
	{Name: "join", Group: "text", Signature: "join(list, separator?) text", Doc: "Writes the elements of a list one after the other, with a separator between them.",
		Example: `join([1, "a", true], "-")`, Result: `"1-a-true"`, types: sig((*func([]any) string)(nil), (*func([]any, string) string)(nil)), run: joinTexts},
	{Name: "replace", Group: "text", Signature: "replace(text, old, new) text", Doc: "Replaces every occurrence.",
		Example: `replace("a-b-c", "-", "+")`, Result: `"a+b+c"`, types: sig((*func(string, string, string) string)(nil)), run: replaceText},
	{Name: "replaceMatch", Group: "text", Signature: "replaceMatch(text, regexp, new) text", Doc: "Replaces every match of a regular expression (RE2); $1 is its first group.",
		Example: `replaceMatch("Lovelace, Ada", "(\\w+), (\\w+)", "$2 $1")`, Result: `"Ada Lovelace"`, types: sig((*func(string, string, string) string)(nil)), run: replaceMatch},
	{Name: "match", Group: "text", Signature: "match(text, regexp) bool", Doc: "Tells whether a regular expression (RE2) matches somewhere in a text.",
		Example: `match("INV-2031", "^INV-[0-9]+$")`, Result: `true`, types: sig((*test2)(nil)),
		run: textMatches},
	{Name: "findMatch", Group: "text", Signature: "findMatch(text, regexp) list", Doc: "Is the first match and its groups, or null.",
		Example: `findMatch("order 17", "order ([0-9]+)")`, Result: `["order 17","17"]`, types: sig((*func(string, string) any)(nil)), run: findMatch},
	{Name: "includes", Group: "text", Signature: "includes(text or list, part) bool", Doc: "Tells whether a text has a part, or a list an element.",
		Example: `includes(["a", "b"], "b")`, Result: `true`, types: sig((*test2)(nil)), run: containsAny},
	{Name: "hasPrefix", Group: "text", Signature: "hasPrefix(text, prefix) bool", Doc: "Tells whether a text begins with another.",
		Example: `hasPrefix("lead.created", "lead.")`, Result: `true`, types: sig((*test2)(nil)),
		run: func(_ *call, a []any) (any, error) { return affix(a, strings.HasPrefix) }},
	{Name: "hasSuffix", Group: "text", Signature: "hasSuffix(text, suffix) bool", Doc: "Tells whether a text ends with another.",
		Example: `hasSuffix("a.csv", ".csv")`, Result: `true`, types: sig((*test2)(nil)),
		run: func(_ *call, a []any) (any, error) { return affix(a, strings.HasSuffix) }},
	{Name: "equalFold", Group: "text", Signature: "equalFold(a, b) bool", Doc: "Compares two texts without regard to capital letters.",
		Example: `equalFold("Go", "GO")`, Result: `true`, types: sig((*test2)(nil)),
		run: func(_ *call, a []any) (any, error) { return affix(a, strings.EqualFold) }},
	{Name: "indexOf", Group: "text", Signature: "indexOf(text, part) int", Doc: "Is the position of a part in characters from 0, or -1.",
		Example: `indexOf("äbc", "c")`, Result: `2`, types: sig((*func(string, string) int)(nil)), run: mapText2(indexOfText)},
	{Name: "padLeft", Group: "text", Signature: "padLeft(text, length, fill?) text", Doc: "Puts spaces, or the fill, in front until the text has a length.",
		Example: `padLeft("7", 3, "0")`, Result: `"007"`, types: sig((*textN)(nil), (*textNS)(nil)), run: pad(true)},
	{Name: "padRight", Group: "text", Signature: "padRight(text, length, fill?) text", Doc: "Puts spaces, or the fill, behind until the text has a length.",
		Example: `padRight("7", 3, ".")`, Result: `"7.."`, types: sig((*textN)(nil), (*textNS)(nil)), run: pad(false)},
	{Name: "truncate", Group: "text", Signature: "truncate(text, length, end?) text", Doc: "Cuts a text to a length in characters, of which the end (default …) is a part.",
		Example: `truncate("abcdef", 4)`, Result: `"abc…"`, types: sig((*textN)(nil), (*textNS)(nil)), run: truncateText},
	{Name: "repeat", Group: "text", Signature: "repeat(text, count) text", Doc: "Writes a text several times.",
		Example: `repeat("ab", 2)`, Result: `"abab"`, types: sig((*textN)(nil)), run: repeatText},
	{Name: "slug", Group: "text", Signature: "slug(text) text", Doc: "Makes a text fit for a URL: small letters, digits and hyphens.",
		Example: `slug("Größe & Preis!")`, Result: `"groesse-preis"`, types: sig((*text1)(nil)), run: mapText(slugText)},
	{Name: "urlEncode", Group: "text", Signature: "urlEncode(text) text", Doc: "Escapes a text for the query or a path segment of a URL.",
		Example: `urlEncode("a b&c/d")`, Result: `"a%20b%26c%2Fd"`, types: sig((*text1)(nil)),
		run: mapText(func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") })},
	{Name: "urlDecode", Group: "text", Signature: "urlDecode(text) text", Doc: "Reverses urlEncode.",
		Example: `urlDecode("a%20b%26c")`, Result: `"a b&c"`, types: sig((*text1)(nil)), run: urlDecode},
	{Name: "htmlEscape", Group: "text", Signature: "htmlEscape(text) text", Doc: "Escapes a text for use in HTML or XML.",
		Example: `htmlEscape("a<b")`, Result: `"a&lt;b"`, types: sig((*text1)(nil)), run: mapText(htmlEscaper.Replace)},
}

var htmlEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;")

func titleCase(s string) string {
	start := true
	return strings.Map(func(r rune) rune {
		was := start
		start = unicode.IsSpace(r) || r == '-'
		if was {
			return unicode.ToTitle(r)
		}
		return r
	}, s)
}

func trimText(_ *call, args []any) (any, error) {
	s, err := textArg(args, 0)
	if err != nil {
		return nil, err
	}
	if len(args) == 1 {
		return strings.TrimSpace(s), nil
	}
	cut, err := textArg(args, 1)
	if err != nil {
		return nil, err
	}
	return strings.Trim(s, cut), nil
}

func anyList(texts []string) []any {
	list := make([]any, len(texts))
	for i, t := range texts {
		list[i] = t
	}
	return list
}

func splitText(s, sep string) (any, error) {
	if strings.Count(s, sep) > maxResult {
		return nil, errTooLarge
	}
	return anyList(strings.Split(s, sep)), nil
}

func textLines(_ *call, args []any) (any, error) {
	s, err := textArg(args, 0)
	if err != nil {
		return nil, err
	}
	s = strings.TrimSuffix(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	if s == "" {
		return []any{}, nil
	}
	return splitText(s, "\n")
}

func joinTexts(_ *call, args []any) (any, error) {
	list, err := listArg(args, 0)
	if err != nil {
		return nil, err
	}
	sep := ""
	if len(args) > 1 {
		if sep, err = textArg(args, 1); err != nil {
			return nil, err
		}
	}
	var b strings.Builder
	for i, e := range list {
		if i > 0 {
			b.WriteString(sep)
		}
		t, err := toText(e)
		if err != nil {
			return nil, err
		}
		if b.Len()+len(t)+len(sep) > maxText {
			return nil, errTooLarge
		}
		b.WriteString(t)
	}
	return b.String(), nil
}

func replaceText(_ *call, args []any) (any, error) {
	s, err := textArgs(args, 3)
	if err != nil {
		return nil, err
	}
	if n := strings.Count(s[0], s[1]); len(s[0])+n*max(0, len(s[2])-len(s[1])) > maxText {
		return nil, errTooLarge
	}
	return strings.ReplaceAll(s[0], s[1], s[2]), nil
}

func textContains(text, part any) (any, error) {
	if text == nil || part == nil {
		return false, nil
	}
	s, err := textArgs([]any{text, part}, 2)
	if err != nil {
		return nil, err
	}
	return strings.Contains(s[0], s[1]), nil
}

func containsAny(c *call, args []any) (any, error) {
	if _, ok := args[0].(string); ok || args[0] == nil {
		return textContains(args[0], args[1])
	}
	return contained(c, args[1], args[0])
}

// affix tests two texts; null is no text that has any.
func affix(args []any, test func(s, part string) bool) (any, error) {
	if args[0] == nil || args[1] == nil {
		return false, nil
	}
	s, err := textArgs(args, 2)
	if err != nil {
		return nil, err
	}
	return test(s[0], s[1]), nil
}

func indexOfText(s, part string) (any, error) {
	i := strings.Index(s, part)
	if i < 0 {
		return -1, nil
	}
	return utf8.RuneCountInString(s[:i]), nil
}

func pad(left bool) func(*call, []any) (any, error) {
	return func(_ *call, args []any) (any, error) {
		s, err := toText(args[0])
		if err != nil {
			return nil, err
		}
		n, err := wholeArg(args, 1)
		if err != nil {
			return nil, err
		}
		fill := " "
		if len(args) > 2 {
			if fill, err = textArg(args, 2); err != nil {
				return nil, err
			}
		}
		missing := n - utf8.RuneCountInString(s)
		if missing <= 0 || fill == "" {
			return s, nil
		}
		if missing > maxText/utf8.UTFMax {
			return nil, errTooLarge
		}
		runes := []rune(fill)
		filling := make([]rune, missing)
		for i := range filling {
			filling[i] = runes[i%len(runes)]
		}
		if left {
			return string(filling) + s, nil
		}
		return s + string(filling), nil
	}
}

func truncateText(_ *call, args []any) (any, error) {
	s, err := textArg(args, 0)
	if err != nil {
		return nil, err
	}
	n, err := wholeArg(args, 1)
	if err != nil {
		return nil, err
	}
	end := "…"
	if len(args) > 2 {
		if end, err = textArg(args, 2); err != nil {
			return nil, err
		}
	}
	r := []rune(s)
	if len(r) <= n {
		return s, nil
	}
	keep := max(0, n-utf8.RuneCountInString(end))
	if n < utf8.RuneCountInString(end) {
		end = ""
		keep = max(0, n)
	}
	return string(r[:keep]) + end, nil
}

func repeatText(_ *call, args []any) (any, error) {
	s, err := textArg(args, 0)
	if err != nil {
		return nil, err
	}
	n, err := wholeArg(args, 1)
	if err != nil {
		return nil, err
	}
	if n < 0 {
		return nil, fmt.Errorf("the count must not be negative")
	}
	if len(s) > 0 && n > maxText/len(s) {
		return nil, errTooLarge
	}
	return strings.Repeat(s, n), nil
}

// letters spells letters that have a usual form in ASCII.
var letters = strings.NewReplacer(
	"ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss", "æ", "ae", "ø", "o", "å", "a", "œ", "oe",
	"à", "a", "á", "a", "â", "a", "ã", "a", "ç", "c", "è", "e", "é", "e", "ê", "e", "ë", "e",
	"ì", "i", "í", "i", "î", "i", "ï", "i", "ñ", "n", "ò", "o", "ó", "o", "ô", "o", "õ", "o",
	"ù", "u", "ú", "u", "û", "u", "ý", "y", "ÿ", "y", "ł", "l", "ś", "s", "š", "s", "ž", "z", "č", "c", "ř", "r",
)

func slugText(s string) string {
	var b strings.Builder
	gap := false
	for _, r := range letters.Replace(strings.ToLower(s)) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			if gap && b.Len() > 0 {
				b.WriteByte('-')
			}
			gap = false
			b.WriteRune(r)
		} else if r != '\'' {
			gap = true
		}
	}
	return b.String()
}

func urlDecode(_ *call, args []any) (any, error) {
	s, err := textArg(args, 0)
	if err != nil {
		return nil, err
	}
	out, err := url.QueryUnescape(s)
	if err != nil {
		return nil, fmt.Errorf("%q is not escaped as in a URL", shorten(s, 80))
	}
	return out, nil
}
