package workflows

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"math"
	"strings"
)

var encodingFunctions = []Function{
	{Name: "toJSON", Group: "encoding", Signature: "toJSON(value) text", Doc: "Writes a value as compact JSON with sorted names.", Example: `toJSON({"b": 1, "a": [true]})`, Result: `"{\"a\":[true],\"b\":1}"`,
		types: sig((*func(any) string)(nil)), run: func(_ *call, args []any) (any, error) { return asAny(toJSON(args[0])) }},
	{Name: "fromJSON", Group: "encoding", Signature: "fromJSON(text) any", Doc: "Reads JSON.", Example: `fromJSON("{\"a\": 1}").a`, Result: `1`,
		types: sig((*func(string) any)(nil)), run: fromJSON},
	{Name: "toBase64", Group: "encoding", Signature: "toBase64(text) text", Doc: "Writes base64 with padding (RFC 4648).", Example: `toBase64("a?>")`, Result: `"YT8+"`,
		types: sig((*text1)(nil)), run: mapText(func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) })},
	{Name: "toBase64URL", Group: "encoding", Signature: "toBase64URL(text) text", Doc: "Writes base64 for URLs, without padding.", Example: `toBase64URL("a?>")`, Result: `"YT8-"`,
		types: sig((*text1)(nil)), run: mapText(func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) })},
	{Name: "fromBase64", Group: "encoding", Signature: "fromBase64(text) text", Doc: "Reads base64 of either alphabet, with or without padding.", Example: `fromBase64("YT8-")`, Result: `"a?>"`,
		types: sig((*text1)(nil)), run: fromBase64},
	{Name: "toHex", Group: "encoding", Signature: "toHex(text) text", Doc: "Writes the bytes as hexadecimal digits.", Example: `toHex("AB")`, Result: `"4142"`,
		types: sig((*text1)(nil)), run: mapText(func(s string) string { return hex.EncodeToString([]byte(s)) })},
	{Name: "fromHex", Group: "encoding", Signature: "fromHex(text) text", Doc: "Reads hexadecimal digits.", Example: `fromHex("4142")`, Result: `"AB"`,
		types: sig((*text1)(nil)), run: fromHex},
	{Name: "sha256", Group: "encoding", Signature: "sha256(text) text", Doc: "Is the SHA-256 digest in hexadecimal digits.", Example: `sha256("a")[0:8]`, Result: `"ca978112"`,
		types: sig((*text1)(nil)), run: digest(sha256.New)},
	{Name: "sha512", Group: "encoding", Signature: "sha512(text) text", Doc: "Is the SHA-512 digest in hexadecimal digits.", Example: `sha512("a")[0:8]`, Result: `"1f40fc92"`,
		types: sig((*text1)(nil)), run: digest(sha512.New)},
	{Name: "sha1", Group: "encoding", Signature: "sha1(text) text", Doc: "Is the SHA-1 digest in hexadecimal digits; only for far sides that ask for it.", Example: `sha1("a")[0:8]`, Result: `"86f7e437"`,
		types: sig((*text1)(nil)), run: digest(sha1.New)},
	{Name: "md5", Group: "encoding", Signature: "md5(text) text", Doc: "Is the MD5 digest in hexadecimal digits; only for far sides that ask for it.", Example: `md5("a")[0:8]`, Result: `"0cc175b9"`,
		types: sig((*text1)(nil)), run: digest(md5.New)},
	{Name: "hmac", Group: "encoding", Signature: "hmac(algorithm, key, text, encoding?) text", Doc: "Signs a text (RFC 2104) with sha1, sha256 or sha512, as hex (the default) or base64.",
		Example: `hmac("sha256", "key", "text")[0:8]`, Result: `"6afa9046"`, types: sig((*func(string, string, string) string)(nil), (*func(string, string, string, string) string)(nil)), run: hmacText},
	{Name: "uuid", Group: "encoding", Signature: "uuid() text", Doc: "Is a UUID (version 4); the same whenever the same step is evaluated again.", Example: `len(uuid())`, Result: `36`,
		types: sig((*func() string)(nil)), run: newUUID},
}

// asAny keeps a typed result from hiding its error.
func asAny[T any](v T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}

func fromJSON(_ *call, args []any) (any, error) {
	s, err := textArg(args, 0)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("the text is not JSON: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("there is more after the JSON value")
	}
	return plainNumbers(v), nil
}

// plainNumbers replaces json.Number by int and float64, in place.
func plainNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		return fromNumber(v)
	case []any:
		for i := range v {
			v[i] = plainNumbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plainNumbers(v[k])
		}
	}
	return v
}

func fromBase64(_ *call, args []any) (any, error) {
	s, err := textArg(args, 0)
	if err != nil {
		return nil, err
	}
	s = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/", "\n", "", "\r", "").Replace(s), "=")
	out, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("the text is not base64")
	}
	return string(out), nil
}

func fromHex(_ *call, args []any) (any, error) {
	s, err := textArg(args, 0)
	if err != nil {
		return nil, err
	}
	out, err := hex.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("the text is not hexadecimal")
	}
	return string(out), nil
}

func digest(h func() hash.Hash) func(*call, []any) (any, error) {
	return mapText(func(s string) string {
		sum := h()
		io.WriteString(sum, s)
		return hex.EncodeToString(sum.Sum(nil))
	})
}

func hmacText(_ *call, args []any) (any, error) {
	s, err := textArgs(args, len(args))
	if err != nil {
		return nil, err
	}
	var h func() hash.Hash
	switch s[0] {
	case "sha1":
		h = sha1.New
	case "sha256":
		h = sha256.New
	case "sha512":
		h = sha512.New
	default:
		return nil, fmt.Errorf("%q is not one of sha1, sha256 and sha512", shorten(s[0], 40))
	}
	mac := hmac.New(h, []byte(s[1]))
	io.WriteString(mac, s[2])
	if len(s) > 3 && s[3] == "base64" {
		return base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
	}
	return hex.EncodeToString(mac.Sum(nil)), nil
}

// bits are the next random bits of the evaluation: they depend only on the
// seed, on the place of the expression and on how many came before.
func (c *call) bits() [32]byte {
	c.count++
	return sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d", c.seed, c.field, c.count))
}

func newUUID(c *call, _ []any) (any, error) {
	b := c.bits()
	b[6] = b[6]&0x0f | 0x40 // version 4 (RFC 9562 section 5.4)
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16]), nil
}

func randomNumber(c *call, args []any) (any, error) {
	b := c.bits()
	n := binary.BigEndian.Uint64(b[:8])
	if len(args) == 0 {
		return float64(n>>11) / (1 << 53), nil
	}
	limit, err := wholeArg(args, 0)
	if err != nil {
		return nil, err
	}
	if limit < 1 || limit > math.MaxInt32 {
		return nil, fmt.Errorf("the limit must be from 1 to %d", math.MaxInt32)
	}
	return int(n % uint64(limit)), nil
}
