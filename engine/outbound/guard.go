package outbound

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"code.dny.dev/ssrf"

	"paragon/workflows/exchange"
)

// guard decides at dial time, once the name is resolved, whether an address may
// be reached. Deciding on the name would be too early: it may resolve to another
// address a moment later.
type guard struct {
	special *ssrf.Guardian
	allowed []netip.Prefix
	hosts   map[string]bool
	dialer  net.Dialer // checks each address
	open    net.Dialer // for allowed hosts
}

// nat64 is the well-known prefix of RFC 6052 section 2.1: the last 32 bits are
// an IPv4 address that a gateway connects to.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

func newGuard(s Settings) *guard {
	g := &guard{
		special: ssrf.New(ssrf.WithAnyPort()),
		hosts:   map[string]bool{},
		dialer:  net.Dialer{Timeout: s.DialTimeout, KeepAlive: 30 * time.Second, Resolver: s.Resolver},
	}
	g.open = g.dialer
	g.dialer.Control = g.control
	if s.AllowLoopback {
		g.allowed = append(g.allowed, loopback...)
	}
	for _, p := range s.AllowPrefixes {
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		g.allowed = append(g.allowed, p.Masked())
	}
	for _, h := range s.AllowHosts {
		g.hosts[hostKey(h)] = true
	}
	return g
}

// hostKey makes the spellings of one host equal.
func hostKey(host string) string {
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

func (g *guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err == nil && g.hosts[hostKey(host)] {
		return g.open.DialContext(ctx, network, address)
	}
	return g.dialer.DialContext(ctx, network, address)
}

// control is called between resolving and connecting, once for each address
// that is tried.
func (g *guard) control(network, address string, _ syscall.RawConn) error {
	if err := g.decide(network, address); err != nil {
		return &exchange.Blocked{Err: err}
	}
	return nil
}

func (g *guard) decide(network, address string) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("%w: %s", ssrf.ErrProhibitedNetwork, network)
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", ssrf.ErrInvalidHostPort, address)
	}
	return g.check(to.Addr())
}

// check tells whether an address may be reached.
func (g *guard) check(addr netip.Addr) error {
	addr = addr.Unmap().WithZone("")
	for _, p := range g.allowed {
		if p.Contains(addr) {
			return nil
		}
	}
	if nat64.Contains(addr) {
		// On a network with IPv6 only, every IPv4 host is reached like this:
		// what counts is the address at the far end.
		b := addr.As16()
		return g.check(netip.AddrFrom4([4]byte(b[12:])))
	}
	if err := g.special.SafeAddr(addr); err != nil {
		return fmt.Errorf("%w: %s is private or reserved", ssrf.ErrProhibitedIP, addr)
	}
	return nil
}
