package exchange

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"paragon/schema"
)

// RecordLimit is how much of a body a record keeps, in bytes.
const RecordLimit = 16 << 10

// redactSlack is how much more of a long body is searched for secrets than is
// kept. A secret cut in two at the end of what is searched is not found, so that
// much is thrown away again.
const redactSlack = 64 << 10

// hidden are headers whose values no record shows, known as a secret or not.
var hidden = map[string]bool{
	"authorization":       true,
	"proxy-authorization": true,
	"cookie":              true,
	"set-cookie":          true,
	"x-api-key":           true,
	"x-auth-token":        true,
}

// RecordRequest is the record of a request with its body. redact replaces the
// values of secrets in a text; nil for none.
func RecordRequest(req *http.Request, body []byte, redact func(string) string) *schema.HTTPRecord {
	r := recordBody(body, req.Header.Get("Content-Type"), redact)
	r.Method = req.Method
	r.URL = apply(redact, recordURL(req.URL, redact))
	r.Headers = recordHeaders(req.Header, redact)
	if req.Host != "" && req.Host != req.URL.Host {
		r.Headers["host"] = apply(redact, req.Host)
	}
	return r
}

// RecordResponse is the record of an answer.
func RecordResponse(resp *Response, redact func(string) string) *schema.HTTPRecord {
	r := recordBody(resp.Body, resp.Header.Get("Content-Type"), redact)
	r.Status = resp.Status
	r.Headers = recordHeaders(resp.Header, redact)
	return r
}

func apply(redact func(string) string, s string) string {
	if redact == nil {
		return s
	}
	return redact(s)
}

func recordHeaders(h http.Header, redact func(string) string) map[string]string {
	out := make(map[string]string, len(h))
	for name, values := range h {
		name = strings.ToLower(name)
		if hidden[name] {
			out[name] = "***"
			continue
		}
		out[name] = strings.ToValidUTF8(apply(redact, strings.Join(values, ", ")), "�")
	}
	return out
}

func recordBody(body []byte, contentType string, redact func(string) string) *schema.HTTPRecord {
	r := &schema.HTTPRecord{Size: int64(len(body))}
	cut := len(body) > RecordLimit+redactSlack
	if cut {
		body = body[:RecordLimit+redactSlack]
	}
	if !textual(body, cut) {
		r.Body = fmt.Sprintf("(%d bytes of binary data)", r.Size)
		r.Truncated = r.Size > 0
		return r
	}
	text := redactBody(string(body), contentType, redact)
	keep := RecordLimit
	if cut {
		keep = min(keep, max(len(text)-redactSlack, 0))
	}
	if len(text) > keep {
		for keep > 0 && !utf8.RuneStart(text[keep]) {
			keep--
		}
		text = text[:keep]
		r.Truncated = true
	}
	r.Body, r.Truncated = text, r.Truncated || cut
	return r
}

// textual tells text from binary data. The cut may have split a character.
func textual(body []byte, cut bool) bool {
	if cut {
		for i := 0; i < utf8.UTFMax && len(body) > 0 && !utf8.Valid(body); i++ {
			body = body[:len(body)-1]
		}
	}
	return utf8.Valid(body) && !strings.Contains(string(body), "\x00")
}

// redactBody finds secrets also where the encoding of the body changed how they
// are spelled: percent signs in a form, escapes in a JSON string.
func redactBody(text, contentType string, redact func(string) string) string {
	if redact == nil {
		return text
	}
	media, _, _ := mime.ParseMediaType(contentType)
	switch {
	case media == "application/x-www-form-urlencoded":
		text = redactQuery(text, redact)
	case strings.HasSuffix(media, "json"):
		text = redactJSON(text, redact)
	}
	return redact(text)
}

// redactJSON redacts in the strings that are written with escapes. It works on
// text that was cut, too.
func redactJSON(text string, redact func(string) string) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	var out strings.Builder
	for {
		start := strings.IndexByte(text, '"')
		if start < 0 {
			break
		}
		end, escaped := start+1, false
		for end < len(text) && text[end] != '"' {
			if text[end] == '\\' {
				escaped = true
				end++
			}
			end++
		}
		if end >= len(text) {
			break
		}
		literal := text[start : end+1]
		out.WriteString(text[:start])
		text = text[end+1:]
		if escaped {
			literal = redactLiteral(literal, redact)
		}
		out.WriteString(literal)
	}
	out.WriteString(text)
	return out.String()
}

func redactLiteral(literal string, redact func(string) string) string {
	var s string
	if json.Unmarshal([]byte(literal), &s) != nil {
		return literal
	}
	if clean := redact(s); clean != s {
		if quoted, err := json.Marshal(clean); err == nil {
			return string(quoted)
		}
	}
	return literal
}

// RedactURL is the text of a URL for messages: without user information, and
// with *** for the values of the query, which hold keys more often than not.
// Secrets known to redact (nil for none) are replaced in the path as well.
func RedactURL(u *url.URL, redact func(string) string) string {
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	if u.RawQuery != "" {
		shown.RawQuery = "***"
	}
	return apply(redact, redactPath(shown.String(), u, redact))
}

// recordURL is the URL as a record shows it: without user information, with the
// query except for the secrets in it.
func recordURL(u *url.URL, redact func(string) string) string {
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	if redact == nil {
		shown.RawQuery = u.RawQuery
	} else {
		shown.RawQuery = redactQuery(u.RawQuery, redact)
	}
	return redactPath(shown.String(), u, redact)
}

// redactPath falls back to the unescaped path when that holds a secret that the
// escaped one hides.
func redactPath(text string, u *url.URL, redact func(string) string) string {
	if redact == nil || redact(u.Path) == u.Path {
		return text
	}
	return strings.Replace(text, u.EscapedPath(), redact(u.Path), 1)
}

// redactQuery replaces secrets in keys and values, whatever their spelling.
func redactQuery(query string, redact func(string) string) string {
	if query == "" {
		return query
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		parts := strings.SplitN(pair, "=", 2)
		for j, part := range parts {
			plain, err := url.QueryUnescape(part)
			if err != nil {
				plain = part
			}
			if clean := redact(plain); clean != plain {
				parts[j] = clean
			}
		}
		pairs[i] = strings.Join(parts, "=")
	}
	return strings.Join(pairs, "&")
}

// Snippet is the beginning of a text on one line, for messages.
func Snippet(text string, most int) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "�")), " ")
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}
