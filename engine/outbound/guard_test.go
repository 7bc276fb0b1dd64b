package outbound

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"

	"code.dny.dev/ssrf"
	"pgregory.net/rapid"

	"paragon/workflows/exchange"
)

var discard = log.New(io.Discard, "", 0)

func TestPrivateAddressesAreRefused(t *testing.T) {
	c := New(Settings{})
	defer c.Close()
	for _, host := range []string{
		"127.0.0.1", "127.1.2.3", "[::1]", "169.254.169.254", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1",
		"0.0.0.0", "[::]", "255.255.255.255", "224.0.0.1", "[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]",
		"[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2002:a00:1::1]",
		"[fe80::1]", "[fe80::1%25lo]", "[fc00::1]", "[fd12:3456::1]", "[fec0::1]", "[ff02::1]", "[2001:db8::1]", "[2001::1]",
		"[::127.0.0.1]", "localhost",
	} {
		_, err := c.Do(context.Background(), request(t, "GET", "http://"+host+":80/", ""), exchange.Options{})
		if exchange.KindOf(err) != exchange.KindBlocked {
			t.Errorf("%s: %q %v", host, exchange.KindOf(err), err)
		}
	}
}

// Forms of an IPv4 address that inet_aton reads and Go does not: they are looked
// up as names, and must not arrive at loopback by way of a lenient resolver.
func TestOddSpellingsOfLoopback(t *testing.T) {
	dns := fakeDNS(t, "127.0.0.1")
	c := New(Settings{Resolver: dns})
	defer c.Close()
	for _, host := range []string{"2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localtest.example", "LOCALTEST.example."} {
		_, err := c.Do(context.Background(), request(t, "GET", "http://"+host+"/", ""), exchange.Options{})
		// Go's resolver does not take a name of digits to a server at all.
		if exchange.KindOf(err) != exchange.KindBlocked && !strings.Contains(err.Error(), "no such host") {
			t.Errorf("%s: %q %v", host, exchange.KindOf(err), err)
		}
	}
}

func TestAllowList(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "in") })
	dns := fakeDNS(t, "127.0.0.1")
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	for name, tc := range map[string]struct {
		settings Settings
		url      string
		allowed  bool
	}{
		"prefix":           {Settings{AllowPrefixes: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}, s.URL, true},
		"mapped prefix":    {Settings{AllowPrefixes: []netip.Prefix{netip.MustParsePrefix("::ffff:127.0.0.0/104")}}, s.URL, true},
		"other prefix":     {Settings{AllowPrefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, s.URL, false},
		"host":             {Settings{Resolver: dns, AllowHosts: []string{"Internal.example"}}, "http://internal.example.:" + port, true},
		"other host":       {Settings{Resolver: dns, AllowHosts: []string{"internal.example"}}, "http://x.internal.example:" + port, false},
		"user is not host": {Settings{Resolver: dns, AllowHosts: []string{"internal.example"}}, "http://internal.example@other.example:" + port, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := New(tc.settings)
			defer c.Close()
			_, err := c.Do(context.Background(), request(t, "GET", tc.url, ""), exchange.Options{})
			if tc.allowed && err != nil {
				t.Error(err)
			}
			if !tc.allowed {
				wantKind(t, err, exchange.KindBlocked)
			}
		})
	}
}

func TestRedirectToPrivateAddressIsRefused(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusFound)
	})
	c := client(t) // loopback only, for the server itself
	for _, to := range []string{
		"http://169.254.169.254/latest/meta-data", "http://10.0.0.1/", "http://[::ffff:10.0.0.1]/", "http://[fe80::1]/", "http://[fd00:ec2::254]/",
		"http://[64:ff9b::a9fe:a9fe]/", "http://[64:ff9b::a00:1]/", "http://[2002:a00:1::1]/", "http://[2002:a9fe:a9fe::]/", "http://[::]/",
	} {
		// Each hop is dialed, and so decided, for itself: the first let through
		// does not vouch for the second.
		first := s.URL + "/?to=" + url.QueryEscape(to)
		for hops, from := range []string{first, s.URL + "/?to=" + url.QueryEscape(first)} {
			_, err := c.Do(context.Background(), request(t, "GET", from, ""), exchange.Options{})
			if exchange.KindOf(err) != exchange.KindBlocked {
				t.Errorf("%s after %d redirects: %v", to, hops+1, err)
			}
		}
	}
	for _, to := range []string{"file:///etc/passwd", "ftp://127.0.0.1/", "http:///x"} {
		_, err := c.Do(context.Background(), request(t, "GET", s.URL+"/?to="+to, ""), exchange.Options{})
		if exchange.KindOf(err) != exchange.KindRedirect && exchange.KindOf(err) != exchange.KindNetwork {
			t.Errorf("%s: %v", to, err)
		}
	}
}

func TestEnvironmentProxyIsIgnored(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	s := server(t, func(http.ResponseWriter, *http.Request) {})
	if _, err := client(t).Do(context.Background(), request(t, "GET", s.URL, ""), exchange.Options{}); err != nil {
		t.Error(err)
	}
}

// Whatever way an IPv4 address is embedded, the guard decides as for the address
// itself, or refuses.
func TestEmbeddedAddressesDecideAsTheirOwn(t *testing.T) {
	g := newGuard(Settings{})
	rapid.Check(t, func(t *rapid.T) {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], rapid.Uint32().Draw(t, "address"))
		v4 := netip.AddrFrom4(b)
		plain := g.check(v4) == nil
		if mapped := netip.AddrFrom16(v4.As16()); (g.check(mapped) == nil) != plain {
			t.Fatalf("%s decides unlike %s", mapped, v4)
		}
		nat := nat64.Addr().As16()
		copy(nat[12:], b[:])
		if (g.check(netip.AddrFrom16(nat)) == nil) != plain {
			t.Fatalf("NAT64 of %s decides unlike it", v4)
		}
		six := [16]byte{0x20, 0x02, b[0], b[1], b[2], b[3]}
		if g.check(netip.AddrFrom16(six)) == nil {
			t.Fatalf("6to4 of %s is let through", v4)
		}
		teredo := [16]byte{0x20, 0x01, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0, ^b[0], ^b[1], ^b[2], ^b[3]}
		local := [16]byte{0, 0x64, 0xff, 0x9b, 0, 1, 0, 0, 0, 0, 0, 0, b[0], b[1], b[2], b[3]}
		old := [16]byte{12: b[0], b[1], b[2], b[3]}
		for _, form := range [][16]byte{teredo, local, old} {
			if addr := netip.AddrFrom16(form); g.check(addr) == nil {
				t.Fatalf("%s, a form of %s, is let through", addr, v4)
			}
		}
		if (v4.IsPrivate() || v4.IsLoopback() || v4.IsLinkLocalUnicast() || v4.IsMulticast() || v4.IsUnspecified()) && plain {
			t.Fatalf("%s is let through", v4)
		}
	})
	if err := g.check(netip.MustParseAddr("93.184.215.14")); err != nil {
		t.Error(err)
	}
	if err := g.check(netip.MustParseAddr("2606:4700::1111")); err != nil {
		t.Error(err)
	}
	if err := g.control("unix", "/var/run/docker.sock", nil); err == nil || !strings.Contains(err.Error(), ssrf.ErrProhibitedNetwork.Error()) {
		t.Error(err)
	}
}

// A name that led outside when it was first asked for and leads inside when it is
// dialed is refused then: by the client, and by the transport of the proxy.
func TestNamesThatChangeTheirAddress(t *testing.T) {
	s := server(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") })
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	outside := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")} // plays the part
	settings := func() Settings {
		return Settings{AllowPrefixes: outside, Resolver: fakeDNS(t, "127.0.0.1", "127.0.0.1", "127.0.0.2", "10.0.0.1", "169.254.169.254")}
	}
	c, raw := New(settings()), NewRawTransport(settings())
	defer c.Close()
	defer raw.CloseIdleConnections()
	for name, send := range map[string]func() error{
		"client": func() error {
			_, err := c.Do(context.Background(), request(t, "GET", "http://rebind.example:"+port, ""), exchange.Options{})
			return err
		},
		"proxy": func() error {
			resp, err := raw.RoundTrip(request(t, "GET", "http://rebind.example:"+port, ""))
			if err == nil {
				_ = resp.Body.Close()
			}
			return err
		},
	} {
		for i := range 5 {
			if err := send(); (err == nil) != (i < 2) || err != nil && !errors.As(err, new(*exchange.Blocked)) {
				t.Errorf("%s: request %d: %v", name, i+1, err)
			}
		}
	}
}

// fakeDNS resolves every name to the first of some IPv4 addresses, the next time
// to the second, and so on.
func fakeDNS(t *testing.T, addresses ...string) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			to := netip.MustParseAddr(addresses[0])
			answer, isA := dnsAnswer(buf[:n], to)
			if isA && len(addresses) > 1 {
				addresses = addresses[1:]
			}
			pc.WriteTo(answer, from)
		}
	})
	t.Cleanup(func() { pc.Close(); wg.Wait() })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

// dnsAnswer answers a query of RFC 1035 section 4: an A record, and nothing for
// other types. It tells whether one was asked for.
func dnsAnswer(query []byte, to netip.Addr) (answer []byte, isA bool) {
	end := 12
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	question := query[12 : end+5]
	isA = binary.BigEndian.Uint16(question[len(question)-4:]) == 1
	out := append([]byte{}, query[:2]...)
	out = append(out, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0)
	out = append(out, question...)
	if isA {
		out[7] = 1
		out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4)
		out = append(out, to.AsSlice()...)
	}
	return out, isA
}
