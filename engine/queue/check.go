package queue

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Finding is something about a Redis that may lose jobs.
type Finding struct {
	// Node is the address of the Redis, in a cluster; else empty.
	Node string
	// Setting is what was looked at, such as "appendonly".
	Setting string
	// Found is its value; empty when it could not be read.
	Found string
	// Advice says in a sentence what to do.
	Advice string
	// Unknown says that it could not be looked at (managed services refuse
	// CONFIG), not that it is wrong.
	Unknown bool
}

// String shows the finding in a line.
func (f Finding) String() string {
	s := f.Setting + " is " + strconv.Quote(f.Found)
	if f.Unknown {
		s = f.Setting + " can't be read"
	}
	if f.Node != "" {
		s = f.Node + ": " + s
	}
	return s + ". " + f.Advice
}

// minVersion is the oldest Redis that has the commands used by us and asynq
// (ZRANGE BYSCORE).
var minVersion = [2]int{6, 2}

// Check looks at the settings of Redis (of each master, in a cluster) that can
// lose what was accepted: eviction, persistence, its role, the memory that is
// left, and the version. No finding
// is good news; an error says that Redis did not answer.
func Check(ctx context.Context, rdb redis.UniversalClient) ([]Finding, error) {
	cluster, ok := rdb.(*redis.ClusterClient)
	if !ok {
		return checkNode(ctx, rdb, "")
	}
	var (
		mu  sync.Mutex
		all []Finding
	)
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		fs, err := checkNode(ctx, node, node.Options().Addr)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, fs...)
		return err
	})
	return all, err
}

func checkNode(ctx context.Context, rdb redis.Cmdable, node string) ([]Finding, error) {
	if err := rdb.Ping(ctx).Err(); err != nil {
		return nil, fmt.Errorf("queue: check Redis: %w", err)
	}
	var found []Finding
	add := func(f Finding) {
		f.Node = node
		found = append(found, f)
	}
	settings := []struct {
		name   string
		good   []string
		advice string
	}{
		{"maxmemory-policy", []string{"noeviction"},
			"Redis may throw jobs away when memory runs short: set maxmemory-policy to noeviction."},
		{"appendonly", []string{"yes"},
			"Jobs are lost when Redis restarts: set appendonly to yes."},
		{"appendfsync", []string{"everysec", "always"},
			"Jobs of many seconds are lost when the machine fails: set appendfsync to everysec or always."},
	}
	persistent := true
	for _, s := range settings {
		if s.name == "appendfsync" && !persistent {
			continue // says nothing without appendonly
		}
		m, err := rdb.ConfigGet(ctx, s.name).Result()
		value := m[s.name]
		switch {
		case err != nil || value == "":
			if kindOf(err) == kindAway && err != nil {
				return found, fmt.Errorf("queue: check Redis: %w", err)
			}
			add(Finding{Setting: s.name, Unknown: true, Advice: fmt.Sprintf("This Redis does not show its configuration: see in your provider's console that %s is %s.", s.name, strings.Join(s.good, " or "))})
		case !contains(s.good, value):
			add(Finding{Setting: s.name, Found: value, Advice: s.advice})
			if s.name == "appendonly" {
				persistent = false
			}
		}
	}
	info, err := rdb.Info(ctx).Result()
	if err != nil && kindOf(err) == kindAway {
		return found, fmt.Errorf("queue: check Redis: %w", err)
	}
	if role := infoField(info, "role"); role != "" && role != "master" {
		add(Finding{Setting: "role", Found: role, Advice: "A replica takes no writes: give the address of the primary, or those of the Sentinels (redis+sentinel://)."})
	}
	if status := infoField(info, "aof_last_write_status"); status != "" && status != "ok" {
		add(Finding{Setting: "aof_last_write_status", Found: status, Advice: "Redis can't write its append-only file and refuses commands: see whether its disk is full."})
	}
	if used, most := infoNumber(info, "used_memory"), infoNumber(info, "maxmemory"); most > 0 && used*10 > most*9 {
		add(Finding{Setting: "used_memory", Found: fmt.Sprintf("%d of %d bytes", used, most), Advice: "Redis is about to refuse writes: raise maxmemory, and see what waits in it with `paragonctl queue list`."})
	}
	want := fmt.Sprintf("%d.%d", minVersion[0], minVersion[1])
	switch v := infoField(info, "redis_version"); {
	case v == "":
		add(Finding{Setting: "redis_version", Unknown: true, Advice: "See that it is " + want + " or newer."})
	case olderThan(v, minVersion):
		add(Finding{Setting: "redis_version", Found: v, Advice: "Commands that are needed are missing: use Redis " + want + " or newer."})
	}
	return found, nil
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// infoField finds a field in the text of INFO.
func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && k == name {
			return v
		}
	}
	return ""
}

// infoNumber is a field of INFO as a number; 0 where it is none.
func infoNumber(info, name string) int64 {
	n, _ := strconv.ParseInt(infoField(info, name), 10, 64)
	return n
}

func olderThan(version string, min [2]int) bool {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, errA := strconv.Atoi(major)
	b, errB := strconv.Atoi(minor)
	if errA != nil || errB != nil {
		return false // a scheme of its own, as forks have: not for us to judge
	}
	return a < min[0] || a == min[0] && b < min[1]
}
