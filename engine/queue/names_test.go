package queue

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"paragon/schema"
)

// slot is Redis Cluster's slot of a key: CRC16 (XMODEM) of the hash tag.
func slot(key string) int {
	if i := strings.IndexByte(key, '{'); i >= 0 {
		if j := strings.IndexByte(key[i+1:], '}'); j > 0 {
			key = key[i+1 : i+1+j]
		}
	}
	crc := uint16(0)
	for i := range len(key) {
		crc ^= uint16(key[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc % 16384)
}

func TestSlotIsRedis(t *testing.T) {
	// From the Redis Cluster specification.
	if got := slot("123456789"); got != 0x31C3 {
		t.Fatalf("slot = %#x, want 0x31C3", got)
	}
}

func TestLanesAreSpreadOverSlots(t *testing.T) {
	seen := make(map[int]int)
	for lane := range MaxLanes {
		s := slot(Key(lane, "x"))
		if other, taken := seen[s]; taken {
			t.Errorf("lanes %d and %d share slot %d", lane, other, s)
		}
		seen[s] = lane
	}
	// Whatever the number of shards, with four lanes a shard or more every
	// shard has its share, give or take three.
	for shards := 1; shards <= 16; shards++ {
		for lanes := shards * 4; lanes <= MaxLanes; lanes++ {
			count := make([]int, shards)
			for lane := range lanes {
				count[slot(Key(lane))*shards/16384]++
			}
			for _, n := range count {
				if share := float64(lanes) / float64(shards); float64(n) < share-3 || float64(n) > share+3 {
					t.Errorf("%d lanes on %d shards: %v", lanes, shards, count)
					break
				}
			}
		}
	}
}

func TestALaneIsOneSlot(t *testing.T) {
	for lane := range MaxLanes + 3 {
		want := slot(Key(lane))
		for _, p := range Priorities() {
			k := keysOf(Target{Lane: lane, Priority: p})
			for _, key := range []string{k.pending, k.paused, k.active, k.lease, k.retry, k.taskPrefix + "abc"} {
				if slot(key) != want {
					t.Errorf("%s is not in the slot of lane %d", key, lane)
				}
			}
		}
		for _, key := range []string{TimersKey(lane), Key(lane, "run", "01J"), bellChannel(lane), TimerChannel(lane)} {
			if slot(key) != want {
				t.Errorf("%s is not in the slot of lane %d", key, lane)
			}
		}
	}
}

func TestKey(t *testing.T) {
	for want, got := range map[string]string{
		"paragon:{0pn}":        Key(0),
		"paragon:{3vw}:run:x":  Key(3, "run", "x"),
		"paragon:{3vw}:timers": TimersKey(3),
		"paragon:{100}:a":      Key(100, "a"),
		"paragon:{-1}:a":       Key(-1, "a"),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestLaneOf(t *testing.T) {
	for _, lanes := range []int{-1, 0, 1} {
		if got := LaneOf("x", lanes); got != 0 {
			t.Errorf("LaneOf(x, %d) = %d, want 0", lanes, got)
		}
	}
	for _, lanes := range []int{2, 3, 7, 16, 64} {
		count := make([]int, lanes)
		const n = 64_000
		for i := range n {
			id := fmt.Sprintf("order-%d", i)
			lane := LaneOf(id, lanes)
			if lane != LaneOf(id, lanes) {
				t.Fatal("not the same twice")
			}
			count[lane]++
		}
		for lane, got := range count {
			if want := n / lanes; got < want*85/100 || got > want*115/100 {
				t.Errorf("%d lanes: lane %d has %d ids of %d", lanes, lane, got, n)
			}
		}
	}
	// Stored data depends on it.
	if got := LaneOf("order-1", 16); got != 3 {
		t.Errorf("LaneOf(order-1, 16) = %d: the hash has changed", got)
	}
}

func TestTargets(t *testing.T) {
	if err := (Target{Lane: 1}).check(); err != nil {
		t.Error(err)
	}
	for _, bad := range []Target{{Lane: -1}, {Priority: "urgent"}} {
		if bad.check() == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
	if got := Targets([]int{2, 5}); len(got) != 6 || got[0] != (Target{2, schema.PriorityHigh}) || got[5] != (Target{5, schema.PriorityLow}) {
		t.Errorf("Targets = %v", got)
	}
	if got := (Target{Lane: 4}).String(); got != "4/normal" {
		t.Errorf("String = %s", got)
	}
}

func FuzzParseTimerRing(f *testing.F) {
	f.Add(TimerRing(3, time.UnixMilli(1_700_000_000_123)))
	f.Add("0 1.7e+12")
	f.Add("x")
	f.Add("1 nan")
	f.Fuzz(func(t *testing.T, s string) {
		lane, at, ok := parseTimerRing(s)
		if !ok {
			return
		}
		again, at2, ok := parseTimerRing(TimerRing(lane, at))
		if !ok || again != lane || !at2.Equal(at) {
			t.Errorf("%q: %d %v, then %d %v", s, lane, at, again, at2)
		}
	})
}
