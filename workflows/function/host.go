package function

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"math"
	"strings"
	"time"
	_ "time/tzdata" // formatDate knows every zone on every machine
)

var hashes = map[string]func() hash.Hash{"sha1": sha1.New, "sha256": sha256.New, "sha512": sha512.New, "md5": md5.New}

// layoutNames are layouts with a name, the same as in expressions.
var layoutNames = map[string]string{
	"date": time.DateOnly, "time": time.TimeOnly, "datetime": time.DateTime,
	"rfc3339": time.RFC3339, "iso": "2006-01-02T15:04:05.000Z07:00", "rfc1123": time.RFC1123Z,
}

// host does for a function what JavaScript has nothing for. It computes, and
// touches nothing.
func host(args []any) (any, error) {
	if len(args) == 0 {
		return nil, errors.New("no operation")
	}
	operation, _ := args[0].(string)
	args = args[1:]
	switch operation {
	case "hmac":
		return hmacText(args)
	case "formatDate":
		return formatDate(args)
	}
	if len(args) < 2 {
		return nil, fmt.Errorf("%s needs a text", operation)
	}
	data, err := octets(args[0], args[1])
	if err != nil {
		return nil, err
	}
	switch operation {
	case "toBase64":
		return base64.StdEncoding.EncodeToString(data), nil
	case "toBase64URL":
		return base64.RawURLEncoding.EncodeToString(data), nil
	case "fromBase64":
		s := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(string(data), "="))
		out, err := base64.RawStdEncoding.DecodeString(s)
		if err != nil {
			return nil, errors.New("fromBase64: the text is not base64")
		}
		return string(out), nil
	case "toHex":
		return hex.EncodeToString(data), nil
	case "fromHex":
		out, err := hex.DecodeString(string(data))
		if err != nil {
			return nil, errors.New("fromHex: the text is not hexadecimal")
		}
		return string(out), nil
	}
	if h := hashes[operation]; h != nil {
		sum := h()
		sum.Write(data)
		return hex.EncodeToString(sum.Sum(nil)), nil
	}
	return nil, fmt.Errorf("unknown operation %q", operation)
}

// octets are the bytes of a text, or those that a text of one character for each
// stands for.
func octets(form, value any) ([]byte, error) {
	s, ok := value.(string)
	if !ok {
		return nil, errors.New("a text or bytes are needed")
	}
	if form != "bytes" {
		return []byte(s), nil
	}
	out := make([]byte, 0, len(s))
	for _, r := range s {
		out = append(out, byte(r))
	}
	return out, nil
}

func hmacText(args []any) (any, error) {
	if len(args) < 6 {
		return nil, errors.New("hmac needs an algorithm, a key and a text")
	}
	algorithm, _ := args[0].(string)
	h := hashes[algorithm]
	if h == nil || algorithm == "md5" {
		return nil, errors.New("hmac: the algorithm is not one of sha1, sha256 and sha512")
	}
	key, err := octets(args[1], args[2])
	if err != nil {
		return nil, err
	}
	data, err := octets(args[3], args[4])
	if err != nil {
		return nil, err
	}
	mac := hmac.New(h, key)
	mac.Write(data)
	switch args[5] {
	case "hex":
		return hex.EncodeToString(mac.Sum(nil)), nil
	case "base64":
		return base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
	}
	return nil, errors.New("hmac: the encoding is not one of hex and base64")
}

func formatDate(args []any) (any, error) {
	if len(args) < 3 {
		return nil, errors.New("formatDate needs a time and a layout")
	}
	var milli float64
	switch n := args[0].(type) {
	case float64:
		milli = n
	case int:
		milli = float64(n)
	case int32:
		milli = float64(n)
	case int64:
		milli = float64(n)
	}
	layout, _ := args[1].(string)
	zone, _ := args[2].(string)
	if math.Abs(milli) > 8.64e15 || len(layout) > 200 {
		return nil, errors.New("formatDate: the time or the layout is out of range")
	}
	if named, ok := layoutNames[layout]; ok {
		layout = named
	}
	location, err := time.LoadLocation(zone)
	if err != nil || strings.EqualFold(zone, "local") {
		return nil, errors.New("formatDate: unknown time zone")
	}
	return time.UnixMilli(int64(milli)).In(location).Format(layout), nil
}
