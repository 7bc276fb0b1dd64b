package seal

import (
	"bytes"
	"encoding/json"
)

// JSON returns a JSON document with every secret replaced, in the names and
// strings however they are escaped, and in numbers, which become the string
// "***". What was JSON stays JSON. Bytes that are none are redacted as text.
func (r *Redactor) JSON(doc []byte) []byte {
	if r == nil || len(doc) == 0 {
		return doc
	}
	// Escapes can spell a secret in more ways than there are patterns for, so
	// only a document without any is passed by the quick look.
	if bytes.IndexByte(doc, '\\') < 0 && !r.ContainsBytes(doc) {
		return doc
	}
	if !json.Valid(doc) {
		return []byte(r.String(string(doc)))
	}
	out := make([]byte, 0, len(doc))
	for i := 0; i < len(doc); {
		switch c := doc[i]; {
		case c == '"':
			end := stringEnd(doc, i)
			out = r.appendString(out, doc[i:end])
			i = end
		case c == '-' || c >= '0' && c <= '9':
			end := i + 1
			for end < len(doc) && bytes.IndexByte([]byte("0123456789+-.eE"), doc[end]) >= 0 {
				end++
			}
			if r.ContainsBytes(doc[i:end]) {
				out = append(out, `"`+Redacted+`"`...)
			} else {
				out = append(out, doc[i:end]...)
			}
			i = end
		default:
			out = append(out, c)
			i++
		}
	}
	return out
}

// stringEnd is the index behind the string literal that begins at i of a valid
// document.
func stringEnd(doc []byte, i int) int {
	for i++; i < len(doc); i++ {
		switch doc[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(doc)
}

// appendString appends a string literal, redacted both as it is spelled and as
// it reads.
func (r *Redactor) appendString(out, literal []byte) []byte {
	if bytes.IndexByte(literal, '\\') < 0 {
		if !r.ContainsBytes(literal) {
			return append(out, literal...)
		}
		out = append(out, '"')
		out = append(out, r.String(string(literal[1:len(literal)-1]))...)
		return append(out, '"')
	}
	var text string
	if json.Unmarshal(literal, &text) != nil {
		return append(out, `"`+Redacted+`"`...)
	}
	clean := r.String(text)
	if clean == text {
		return append(out, literal...)
	}
	quoted, err := json.Marshal(clean)
	if err != nil {
		return append(out, `"`+Redacted+`"`...)
	}
	return append(out, quoted...)
}
