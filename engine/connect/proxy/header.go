package proxy

import (
	"net/http"
	"net/textproto"
	"strings"
)

// ownPrefix begins the names of the headers that mean something to Paragon.
const ownPrefix = "Paragon-"

// hop are the headers of one connection (RFC 9110 section 7.6.1, and those that
// older software uses). Neither direction passes them on.
var hop = map[string]bool{
	"Connection": true, "Proxy-Connection": true, "Keep-Alive": true, "Te": true, "Trailer": true,
	"Transfer-Encoding": true, "Upgrade": true, "Proxy-Authenticate": true, "Proxy-Authorization": true,
}

// ends are further headers of a request that end here: what proves the caller
// to Paragon, and what a balancer in front of it added about its clients.
var ends = map[string]bool{
	"Authorization": true, "Forwarded": true, "X-Forwarded-For": true, "X-Forwarded-Host": true, "X-Forwarded-Proto": true,
	"X-Forwarded-Port": true, "X-Forwarded-Prefix": true, "X-Forwarded-Server": true, "X-Real-Ip": true,
	"Traceparent": true, "Tracestate": true, "Content-Length": true, "Host": true,
}

// staysHere tells whether a header or trailer of a request is not passed on. Far
// sides that turn hyphens into underscores, as CGI does, take one for the other,
// and so Transfer_Encoding for the connection's.
func staysHere(name string) bool {
	if strings.IndexByte(name, '_') >= 0 {
		name = textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(name, "_", "-"))
	}
	return hop[name] || ends[name] || strings.HasPrefix(name, ownPrefix)
}

// requestTrailer makes the trailers that the far side gets: those that the caller
// announced and that may be passed on. Their values come after the body.
func requestTrailer(announced http.Header) http.Header {
	var to http.Header
	for name := range announced {
		if !staysHere(name) {
			if to == nil {
				to = http.Header{}
			}
			to[name] = nil
		}
	}
	return to
}

// requestHeader makes the header that the far side gets of the caller's.
func requestHeader(from http.Header) http.Header {
	to := make(http.Header, len(from)+4)
	for name, values := range from {
		if staysHere(name) {
			continue
		}
		to[name] = values
	}
	dropNominated(to, from)
	if wantsTrailers(from["Te"]) {
		to["Te"] = []string{"trailers"}
	}
	if len(to["Prefer"]) > 0 {
		preferOthers(to)
	}
	if _, set := to["User-Agent"]; !set {
		to["User-Agent"] = userAgent
	}
	return to
}

var userAgent = []string{"paragon"}

// dropNominated removes the headers that Connection names as the connection's
// own. It comes before the credential is put on: nobody can name that away.
func dropNominated(to, from http.Header) {
	for _, line := range from["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			if name = textproto.TrimString(name); name != "" {
				delete(to, textproto.CanonicalMIMEHeaderKey(name))
			}
		}
	}
}

func wantsTrailers(te []string) bool {
	for _, line := range te {
		for coding := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(textproto.TrimString(coding), "trailers") {
				return true
			}
		}
	}
	return false
}

// preference is the value of respond-async and wait in Prefer (RFC 7240).
const respondAsync = "respond-async"

// WantsAsync tells whether a request prefers an answer before the far side has
// one (RFC 7240 section 4.1).
func WantsAsync(h http.Header) bool {
	for _, line := range h["Prefer"] {
		for p := range strings.SplitSeq(line, ",") {
			if isPreference(p, respondAsync) {
				return true
			}
		}
	}
	return false
}

// isPreference compares the token of a preference, whatever value and
// parameters it has.
func isPreference(p, token string) bool {
	if i := strings.IndexAny(p, ";="); i >= 0 {
		p = p[:i]
	}
	return strings.EqualFold(textproto.TrimString(p), token)
}

// preferOthers leaves in Prefer what is not for Paragon.
func preferOthers(h http.Header) {
	var left []string
	for _, line := range h["Prefer"] {
		for p := range strings.SplitSeq(line, ",") {
			if p = textproto.TrimString(p); p != "" && !isPreference(p, respondAsync) {
				left = append(left, p)
			}
		}
	}
	if len(left) == 0 {
		delete(h, "Prefer")
		return
	}
	h["Prefer"] = []string{strings.Join(left, ", ")}
}

// answerHeader makes the header of the answer that of the far side's, and
// nothing else: net/http must not guess a type or set a date of its own. What it
// says of the connection to the caller stays.
func answerHeader(to http.Header, resp *http.Response) {
	ours := to["Connection"]
	clear(to)
	for name, values := range resp.Header {
		if !hop[name] {
			to[name] = values
		}
	}
	if len(resp.Header["Connection"]) > 0 {
		dropNominated(to, resp.Header)
	}
	if ours != nil {
		to["Connection"] = ours
	}
	for _, name := range []string{"Content-Type", "Date"} {
		if _, set := to[name]; !set {
			to[name] = nil
		}
	}
	for name := range resp.Trailer {
		to["Trailer"] = append(to["Trailer"], name)
	}
}

// answerTrailer sends the trailers once the body has ended; those that the far
// side did not announce, too.
func answerTrailer(to http.Header, resp *http.Response, announced int) {
	prefix := ""
	if len(resp.Trailer) != announced {
		prefix = http.TrailerPrefix
	}
	for name, values := range resp.Trailer {
		if !hop[name] && name != "Content-Length" {
			to[prefix+name] = values
		}
	}
}
