package steps

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"strings"

	"paragon/workflows/exchange"
)

// buildBody makes the body and sets its Content-Type, which the workflow's own
// header overrides (but for multipart, whose boundary is ours).
func (a *attempt) buildBody(m *message) error {
	args, scope := a.call.Step.Args, a.call.Scope
	kinds := 0
	for _, field := range []string{"body", "form", "multipart", "raw"} {
		value := args.Field(field)
		if value == nil {
			continue
		}
		if kinds++; kinds > 1 {
			return fatal("a request has one of body, form, multipart and raw")
		}
		v, err := value.Eval(scope)
		if err != nil {
			return expression(field, err)
		}
		var contentType string
		switch field {
		case "body":
			m.body, err = encode(v)
			contentType = "application/json"
		case "form":
			m.body, err = form(v)
			contentType = "application/x-www-form-urlencoded"
		case "multipart":
			m.header.Del("Content-Type")
			m.body, contentType, err = parts(v, a.call.IdempotencyKey)
		case "raw":
			var s string
			s, err = text(v)
			m.body = []byte(s)
		}
		if err != nil {
			return expression(field, err)
		}
		if contentType != "" && m.header.Get("Content-Type") == "" {
			m.header.Set("Content-Type", contentType)
		}
	}
	return nil
}

func form(v any) ([]byte, error) {
	fields, ok := v.(map[string]any)
	if !ok && v != nil {
		return nil, fmt.Errorf("it must be an object")
	}
	values := url.Values{}
	for name, value := range fields {
		list, err := texts(value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		values[name] = list
	}
	return []byte(values.Encode()), nil
}

// parts writes a multipart/form-data body (RFC 7578). The boundary follows from
// the seed, so that every attempt sends the same bytes.
func parts(v any, seed string) (body []byte, contentType string, err error) {
	list, ok := v.([]any)
	if !ok {
		return nil, "", fmt.Errorf("it must be a list")
	}
	type part struct {
		header  textproto.MIMEHeader
		content []byte
	}
	made := make([]part, len(list))
	for i, e := range list {
		header, content, err := onePart(e)
		if err != nil {
			return nil, "", fmt.Errorf("[%d]: %w", i, err)
		}
		made[i] = part{header, content}
	}
	boundary := ""
	for n := 0; boundary == ""; n++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d", seed, n))
		boundary = hex.EncodeToString(sum[:20])
		for _, p := range made {
			if bytes.Contains(p.content, []byte(boundary)) {
				boundary = ""
				break
			}
		}
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := w.SetBoundary(boundary); err != nil {
		return nil, "", err
	}
	for _, p := range made {
		to, err := w.CreatePart(p.header)
		if err != nil {
			return nil, "", err
		}
		if _, err := to.Write(p.content); err != nil {
			return nil, "", err
		}
	}
	if err := w.Close(); err != nil {
		return nil, "", err
	}
	return b.Bytes(), w.FormDataContentType(), nil
}

func onePart(e any) (textproto.MIMEHeader, []byte, error) {
	fields, ok := e.(map[string]any)
	if !ok {
		return nil, nil, fmt.Errorf("it must be an object with name and value")
	}
	get := func(key string) string {
		s, _ := fields[key].(string)
		return s
	}
	name, filename, contentType := get("name"), get("filename"), get("contentType")
	if name == "" {
		return nil, nil, fmt.Errorf("the name is missing")
	}
	content, err := text(fields["value"])
	if err != nil {
		return nil, nil, err
	}
	if encoded, _ := fields["base64"].(bool); encoded {
		if content, err = decodeBase64(content); err != nil {
			return nil, nil, err
		}
	}
	disposition := `form-data; name="` + escapeName(name) + `"`
	if filename != "" {
		disposition += `; filename="` + escapeName(filename) + `"`
		if contentType == "" {
			contentType = "application/octet-stream"
		}
	}
	switch fields["value"].(type) {
	case []any, map[string]any:
		if contentType == "" {
			contentType = "application/json"
		}
	}
	header := textproto.MIMEHeader{"Content-Disposition": {disposition}}
	if contentType != "" {
		if !exchange.ValidHeaderValue(contentType) {
			return nil, nil, fmt.Errorf("contentType holds a line break or another control character")
		}
		header.Set("Content-Type", contentType)
	}
	return header, []byte(content), nil
}

// escapeName escapes a name as browsers do (WHATWG HTML, multipart/form-data):
// the line breaks and the quote can't end the header or the name.
var escapeName = strings.NewReplacer("\r", "%0D", "\n", "%0A", `"`, "%22").Replace

// decodeBase64 takes the standard and the URL alphabet, padded or not.
func decodeBase64(s string) (string, error) {
	s = strings.TrimRight(strings.Join(strings.Fields(s), ""), "=")
	s = strings.NewReplacer("-", "+", "_", "/").Replace(s)
	b, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil {
		return "", fmt.Errorf("the value is not base64")
	}
	return string(b), nil
}
