package queue

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// RedisOptions are what NewRedis can't read from the address.
type RedisOptions struct {
	// PoolSize is the number of connections for single commands, at most (to
	// each node of a cluster); 0 is 8 a processor and 16 more. asynq's default,
	// go-redis' own, would be 10 a processor whatever the number of lanes.
	PoolSize int
	// PipelinePoolSize is the number of connections for pipelines beyond
	// PoolSize; 0 is 16.
	PipelinePoolSize int
	// Timeout bounds the write of a command and, separately, the wait for its
	// reply; 0 is 3 s.
	Timeout time.Duration
	// DialTimeout bounds one attempt to connect; 0 is 2 s.
	DialTimeout time.Duration
	// Name is shown by CLIENT LIST.
	Name string
}

// NewRedis makes a client from an address:
//
//	redis://[user:password@]host:port[/db]         one Redis (rediss:// for TLS)
//	unix:///path/to/socket                         one Redis on a socket
//	redis://h1:6379,h2:6379 or several such URLs   Redis Cluster
//	redis+cluster://h1:6379                        Redis Cluster, one address known
//	redis+sentinel://h1:26379,h2:26379[/db]?master=name   Sentinel
//
// rediss+cluster:// and rediss+sentinel:// use TLS, with the parameters ca (a
// file with the authorities to trust in place of the system's), cert and key
// (files with the client's own certificate). A user and password in the
// first URL count for all addresses (of Sentinel: for Redis itself; the
// parameters sentinel_user and sentinel_password are for the sentinels).
//
// The client never sends a command twice by itself (MaxRetries -1): a dequeue
// whose reply was lost would strand a task, and who may repeat what is known
// only above. It does not connect yet.
func NewRedis(addr string, opts RedisOptions) (redis.UniversalClient, error) {
	a, err := parseAddress(addr)
	if err != nil {
		return nil, err
	}
	if opts.PoolSize <= 0 {
		opts.PoolSize = 8*runtime.GOMAXPROCS(0) + 16
	}
	if opts.PipelinePoolSize <= 0 {
		opts.PipelinePoolSize = 16
	}
	if opts.Timeout <= 0 {
		opts.Timeout = 3 * time.Second
	}
	if opts.DialTimeout <= 0 {
		opts.DialTimeout = 2 * time.Second
	}
	if a.mode == modeSingle {
		return redis.NewClient(&redis.Options{
			Network:                  a.network,
			Addr:                     a.hosts[0],
			Username:                 a.user,
			Password:                 a.password,
			DB:                       a.db,
			TLSConfig:                a.tls,
			ClientName:               opts.Name,
			MaxRetries:               -1,
			DialerRetries:            1,
			DialTimeout:              opts.DialTimeout,
			ReadTimeout:              opts.Timeout,
			WriteTimeout:             opts.Timeout,
			PoolSize:                 opts.PoolSize,
			PoolTimeout:              opts.Timeout,
			PipelinePoolSize:         opts.PipelinePoolSize,
			ContextTimeoutEnabled:    true,
			DisableIdentity:          true,
			MaintNotificationsConfig: noMaintenance(),
		}), nil
	}
	u := &redis.UniversalOptions{
		Addrs:                    a.hosts,
		Username:                 a.user,
		Password:                 a.password,
		SentinelUsername:         a.sentinelUser,
		SentinelPassword:         a.sentinelPassword,
		DB:                       a.db,
		TLSConfig:                a.tls,
		ClientName:               opts.Name,
		MasterName:               a.master,
		IsClusterMode:            a.mode == modeCluster,
		MaxRetries:               -1,
		DialerRetries:            1,
		DialTimeout:              opts.DialTimeout,
		ReadTimeout:              opts.Timeout,
		WriteTimeout:             opts.Timeout,
		PoolSize:                 opts.PoolSize,
		PoolTimeout:              opts.Timeout,
		PipelinePoolSize:         opts.PipelinePoolSize,
		ContextTimeoutEnabled:    true,
		DisableIdentity:          true,
		MaintNotificationsConfig: noMaintenance(),
	}
	if a.mode == modeCluster {
		// A cluster's redirects are not repetitions: the node that answers MOVED
		// has not run the command.
		u.MaxRedirects = 8
	}
	return redis.NewUniversalClient(u), nil
}

// noMaintenance keeps connections plain: the handshake for Redis Enterprise's
// maintenance notices is one more command that a proxy or miniredis refuses.
func noMaintenance() *maintnotifications.Config {
	return &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
}

// LogRedis routes the log of go-redis, which is one for the whole process, to
// log at debug level: it reports every connection that fails, while Redis is
// away, to standard error. Call it once, before any client is used.
func LogRedis(log *slog.Logger) { redis.SetLogger(redisLog{log}) }

type redisLog struct{ log *slog.Logger }

func (l redisLog) Printf(ctx context.Context, format string, args ...any) {
	if l.log.Enabled(ctx, slog.LevelDebug) {
		l.log.DebugContext(ctx, "go-redis: "+fmt.Sprintf(format, args...))
	}
}

type mode int

const (
	modeSingle mode = iota
	modeCluster
	modeSentinel
)

type address struct {
	mode                           mode
	network                        string
	hosts                          []string
	user, password                 string
	sentinelUser, sentinelPassword string
	db                             int
	master                         string
	tls                            *tls.Config
}

// parseAddress reads NewRedis' address. Its errors never show the password.
func parseAddress(s string) (address, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return address{}, errors.New("redis address is empty; want redis://host:port")
	}
	if !strings.Contains(s, "://") {
		s = "redis://" + s
	}
	// Each comma may be followed by a bare host or by a URL of its own; the
	// parts that decide are those of the first.
	parts := strings.Split(s, ",")
	scheme, rest, _ := strings.Cut(parts[0], "://")
	var a address
	secure := false
	switch strings.ToLower(scheme) {
	case "redis":
	case "rediss":
		secure = true
	case "redis+cluster":
		a.mode = modeCluster
	case "rediss+cluster":
		a.mode, secure = modeCluster, true
	case "redis+sentinel":
		a.mode = modeSentinel
	case "rediss+sentinel":
		a.mode, secure = modeSentinel, true
	case "unix":
		return parseUnix(s)
	default:
		return address{}, fmt.Errorf("redis address: scheme %q is not known; want redis, rediss, unix, redis+cluster or redis+sentinel", scheme)
	}
	// Only the last part of a list can carry the path and the query, since the
	// list stands where a URL has its host.
	last := len(parts) - 1
	hosts := make([]string, 0, len(parts))
	var tail string
	for i, p := range parts {
		if i == 0 {
			p = rest
		} else if _, after, found := strings.Cut(p, "://"); found {
			p = after
		}
		if j := strings.IndexAny(p, "/?"); j >= 0 {
			if tail == "" || i == last {
				tail = p[j:]
			}
			p = p[:j]
		}
		if j := strings.LastIndexByte(p, '@'); j >= 0 {
			if i == 0 {
				u, err := url.Parse("redis://" + p[:j+1] + "h")
				if err != nil {
					return address{}, errors.New("redis address: the part before @ is not user:password (percent-encode special characters)")
				}
				a.user = u.User.Username()
				a.password, _ = u.User.Password()
			}
			p = p[j+1:]
		}
		h, err := hostPort(p, a.mode)
		if err != nil {
			return address{}, err
		}
		hosts = append(hosts, h)
	}
	a.hosts = hosts
	if a.mode == modeSingle && len(hosts) > 1 {
		a.mode = modeCluster
	}
	a.network = "tcp"
	if secure {
		// The name to verify is that of each address dialled.
		a.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return a, a.parseTail(tail)
}

func parseUnix(s string) (address, error) {
	u, err := url.Parse(s)
	if err != nil || u.Path == "" {
		return address{}, errors.New("redis address: want unix:///path/to/socket")
	}
	a := address{network: "unix", hosts: []string{u.Path}, user: u.User.Username()}
	a.password, _ = u.User.Password()
	if db := u.Query().Get("db"); db != "" {
		return a, a.parseTail("/" + db)
	}
	return a, nil
}

func hostPort(p string, m mode) (string, error) {
	port := "6379"
	if m == modeSentinel {
		port = "26379"
	}
	if p == "" || strings.HasPrefix(p, ":") {
		p = "127.0.0.1" + p
	}
	host, given, err := net.SplitHostPort(p)
	if err != nil {
		// No port, or an IPv6 address without brackets.
		host, given = strings.Trim(p, "[]"), port
	}
	n, err := strconv.Atoi(given)
	if err != nil || n < 1 || n > 65535 {
		return "", fmt.Errorf("redis address: %q is not a port", given)
	}
	return net.JoinHostPort(host, given), nil
}

// parseTail reads what follows the hosts: /db?master=…
func (a *address) parseTail(tail string) error {
	path, query, _ := strings.Cut(tail, "?")
	if path = strings.Trim(path, "/"); path != "" {
		db, err := strconv.Atoi(path)
		if err != nil || db < 0 {
			return fmt.Errorf("redis address: database %q is not a number", path)
		}
		a.db = db
	}
	q, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("redis address: the part after ? is not a query")
	}
	for name := range q {
		v := q.Get(name)
		switch {
		case name == "master" && a.mode == modeSentinel:
			a.master = v
		case name == "sentinel_user" && a.mode == modeSentinel:
			a.sentinelUser = v
		case name == "sentinel_password" && a.mode == modeSentinel:
			a.sentinelPassword = v
		case (name == "ca" || name == "cert" || name == "key") && a.tls != nil:
		default:
			return fmt.Errorf("redis address: parameter %q is not known here", name)
		}
	}
	if err := a.trust(q.Get("ca"), q.Get("cert"), q.Get("key")); err != nil {
		return err
	}
	if a.mode == modeSentinel && a.master == "" {
		return errors.New("redis address: Sentinel needs the master's name; add ?master=name")
	}
	if a.mode == modeCluster && a.db != 0 {
		return errors.New("redis address: Redis Cluster has only database 0")
	}
	return nil
}

// trust reads the files that TLS is to use.
func (a *address) trust(ca, cert, key string) error {
	if ca != "" {
		raw, err := os.ReadFile(ca)
		if err != nil {
			return fmt.Errorf("redis address: read ca: %w", err)
		}
		a.tls.RootCAs = x509.NewCertPool()
		if !a.tls.RootCAs.AppendCertsFromPEM(raw) {
			return fmt.Errorf("redis address: ca: %s has no certificate in PEM", ca)
		}
	}
	if (cert == "") != (key == "") {
		return errors.New("redis address: cert and key belong together; give both")
	}
	if cert == "" {
		return nil
	}
	own, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("redis address: read cert and key: %w", err)
	}
	a.tls.Certificates = []tls.Certificate{own}
	return nil
}

// errorKind tells what to do about an error of Redis.
type errorKind int

const (
	// kindFinal: the same command will fail again.
	kindFinal errorKind = iota
	// kindAway: Redis did not answer, or says that it can't now. The command
	// may have been run if no reply came.
	kindAway
	// kindNoScript: the script has to be sent in full.
	kindNoScript
)

func kindOf(err error) errorKind {
	var re redis.Error
	if !errors.As(err, &re) {
		// Connection refused, cut, timed out, closed by us.
		return kindAway
	}
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		return kindNoScript
	}
	for _, p := range []string{"LOADING", "READONLY", "CLUSTERDOWN", "TRYAGAIN", "MASTERDOWN", "MOVED", "ASK", "BUSY", "UNBLOCKED", "NOREPLICAS", "max number of clients"} {
		if redis.HasErrorPrefix(err, p) {
			return kindAway
		}
	}
	return kindFinal
}

// sleep waits for d or until ctx ends, and tells whether ctx goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
