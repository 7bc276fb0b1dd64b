package steps

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"paragon/schema"
	"paragon/workflows/exchange"
)

// requestResult is the result of a request step.
type requestResult struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    any               `json:"body"`
	// Error is set beside partial pages.
	Error *schema.RunError `json:"error,omitempty"`
}

// result reads the answer as the step wants it.
func (a *attempt) result(resp *exchange.Response) ([]byte, error) {
	body, err := a.body(resp)
	if err != nil {
		return nil, err
	}
	return encode(requestResult{Status: resp.Status, Headers: lowerHeaders(resp.Header), Body: body})
}

func lowerHeaders(h http.Header) map[string]string {
	out := make(map[string]string, len(h))
	for name, values := range h {
		out[strings.ToLower(name)] = strings.ToValidUTF8(strings.Join(values, ", "), "�")
	}
	return out
}

// body is the body as a value that encodes to JSON.
func (a *attempt) body(resp *exchange.Response) (any, error) {
	media, params, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch a.spec.Response {
	case "none":
		return nil, nil
	case "bytes":
		return base64.StdEncoding.EncodeToString(resp.Body), nil
	case "text":
		return decodeText(resp.Body, params["charset"]), nil
	case "json":
		return a.json(resp, media)
	}
	if isJSON(media) {
		return a.json(resp, media)
	}
	if media == "" && len(resp.Body) == 0 {
		return nil, nil
	}
	return decodeText(resp.Body, params["charset"]), nil
}

func isJSON(media string) bool {
	return media == "application/json" || media == "text/json" || strings.HasSuffix(media, "+json")
}

// json passes JSON on as it came, so that no number loses digits. No body at all
// is null.
func (a *attempt) json(resp *exchange.Response, media string) (any, error) {
	data := bytes.TrimSpace(bytes.TrimPrefix(resp.Body, []byte("\xef\xbb\xbf")))
	if len(data) == 0 {
		return nil, nil
	}
	var raw json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		said := ""
		if isJSON(media) {
			said = fmt.Sprintf(" although its Content-Type is %s", media)
		}
		return nil, &failure{err: &schema.RunError{Type: errorResponse, Message: fmt.Sprintf(
			"%s: %d: the body is not JSON%s: %s; it begins with %q", a.describe(), resp.Status, said, err, exchange.Snippet(string(data[:min(len(data), 400)]), 60))}}
	}
	if !utf8.Valid(raw) {
		raw = bytes.ToValidUTF8(raw, []byte("�"))
	}
	return raw, nil
}

// decodeText is a body as text. The old Western character sets are converted;
// what is not valid in the end is shown as the replacement character.
func decodeText(body []byte, charset string) string {
	switch strings.ToLower(charset) {
	case "iso-8859-1", "latin1", "windows-1252", "cp1252":
		// Browsers read both as windows-1252 (WHATWG Encoding section 4.2).
		if decoded, err := charmap.Windows1252.NewDecoder().Bytes(body); err == nil {
			body = decoded
		}
	case "iso-8859-15", "latin9":
		if decoded, err := charmap.ISO8859_15.NewDecoder().Bytes(body); err == nil {
			body = decoded
		}
	}
	return strings.ToValidUTF8(string(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))), "�")
}
