package httpapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// payload makes JSON of a webhook's body: JSON as it is, a form as an object
// (a field that is there several times as a list), text as a string, an empty
// body as nil. Without a content type it is JSON if it reads as such, else
// text.
func payload(r *http.Request, body []byte) (json.RawMessage, error) {
	mt, err := mediaType(r)
	if err != nil {
		return nil, err
	}
	if len(body) == 0 {
		return nil, nil
	}
	switch {
	case isJSON(mt):
		if !json.Valid(body) {
			var v any
			return nil, decodeJSON(body, &v)
		}
		return bytes.TrimSpace(body), nil
	case mt == "application/x-www-form-urlencoded":
		values, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, badRequest("the form can't be read")
		}
		return json.Marshal(flatten(values))
	case mt == "" && json.Valid(body):
		return bytes.TrimSpace(body), nil
	case mt == "", strings.HasPrefix(mt, "text/"), mt == "application/xml", strings.HasSuffix(mt, "+xml"):
		if !utf8.Valid(body) {
			return nil, badRequest("the text is not UTF-8")
		}
		return json.Marshal(string(body))
	}
	return nil, unsupportedMedia("a webhook takes JSON, a form or text, not %s", mt)
}

// flatten makes a value of one, and a list of several.
func flatten(values map[string][]string) map[string]any {
	out := make(map[string]any, len(values))
	for name, list := range values {
		if len(list) == 1 {
			out[name] = list[0]
		} else {
			out[name] = list
		}
	}
	return out
}
