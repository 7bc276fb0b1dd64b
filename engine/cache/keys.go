package cache

import (
	"fmt"
	"strconv"
	"strings"

	"paragon/schema"
)

// All keys share a hash tag: one slot in a cluster, so that scripts can work
// on several of them.
const prefix = "paragon:{config}:"

// EpochKey is written when the processes have filled an empty Redis. That it
// is missing says that Redis has lost its memory.
const EpochKey = prefix + "epoch"

const (
	// headKey holds "<version> <generation>". A generation is one publication
	// of everything; changes after it raise the version.
	headKey = prefix + "version"
	// lineageKey holds the lineage of the store that the generation is of.
	lineageKey = prefix + "lineage"
	// noticeChannel carries the head whenever it changes.
	noticeChannel = prefix + "notices"
	// wantedKey is a set of revisions that a process misses, for the api role
	// to fetch from the store.
	wantedKey = prefix + "wanted"
)

// indexKey is a hash of what exists in a generation: fields "p/<project>",
// "k/<key id>" and "r/<project>/<kind>/<name>".
func indexKey(generation string) string { return prefix + "g:" + generation + ":index" }

// logKey is a sorted set of the fields that changed, by version.
func logKey(generation string) string { return prefix + "g:" + generation + ":log" }

// documentKey holds one revision of a resource.
func documentKey(id revisionID) string { return prefix + "doc:" + id.String() }

// head is the parsed value of headKey.
type head struct {
	version    int64
	generation string
}

func (h head) String() string { return strconv.FormatInt(h.version, 10) + " " + h.generation }

func parseHead(s string) (head, error) {
	v, g, ok := strings.Cut(s, " ")
	n, err := strconv.ParseInt(v, 10, 64)
	if !ok || err != nil || g == "" {
		return head{}, fmt.Errorf("redis key %s holds %q, not a version and a generation: delete it to have it published again", headKey, s)
	}
	return head{n, g}, nil
}

// revisionID names a revision of a resource. Projects, kinds and names have
// neither a slash nor an @.
type revisionID struct {
	project  string
	kind     schema.Kind
	name     string
	revision int64
}

func (id revisionID) String() string {
	return fmt.Sprintf("%s/%s/%s@%d", id.project, id.kind, id.name, id.revision)
}

func parseRevisionID(s string) (revisionID, bool) {
	rest, rev, ok := strings.Cut(s, "@")
	parts := strings.Split(rest, "/")
	n, err := strconv.ParseInt(rev, 10, 64)
	if !ok || err != nil || len(parts) != 3 {
		return revisionID{}, false
	}
	return revisionID{parts[0], schema.Kind(parts[1]), parts[2], n}, true
}
