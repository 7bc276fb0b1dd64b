package steps

import "strings"

// nextLink finds the target of rel="next" in Link headers (RFC 8288 section 3).
// It is empty when there is none. Of several, the first counts.
func nextLink(headers []string) string {
	for _, h := range headers {
		for {
			start := strings.IndexByte(h, '<')
			if start < 0 {
				break
			}
			end := strings.IndexByte(h[start:], '>')
			if end < 0 {
				break
			}
			target := strings.TrimSpace(h[start+1 : start+end])
			var params map[string]string
			params, h = linkParams(h[start+end+1:])
			// rel is a list of relation types; an anchor makes the link about
			// another resource (section 3.2).
			if _, anchored := params["anchor"]; anchored {
				continue
			}
			for _, rel := range strings.Fields(params["rel"]) {
				if strings.EqualFold(rel, "next") {
					return target
				}
			}
		}
	}
	return ""
}

// linkParams reads ;name=value pairs up to the comma that ends the link, and
// returns the rest behind it. The first of a repeated name counts.
func linkParams(s string) (params map[string]string, rest string) {
	params = map[string]string{}
	for {
		s = strings.TrimLeft(s, " \t;")
		if s == "" {
			return params, ""
		}
		if s[0] == ',' {
			return params, s[1:]
		}
		end := strings.IndexAny(s, "=;,")
		if end < 0 {
			return params, ""
		}
		name := strings.ToLower(strings.TrimSpace(s[:end]))
		if s[end] != '=' {
			s = s[end:]
			continue
		}
		var value string
		value, s = linkValue(strings.TrimLeft(s[end+1:], " \t"))
		if _, seen := params[name]; !seen {
			params[name] = value
		}
	}
}

// linkValue reads a token or a quoted string (RFC 9110 section 5.6.4).
func linkValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ";,")
		if end < 0 {
			end = len(s)
		}
		return strings.TrimSpace(s[:end]), s[end:]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}
