package queue

import "strconv"

// MaxLanes is how many lanes have tags that are spread over the slots of a
// Redis Cluster. Higher lanes work; where they land is left to chance.
const MaxLanes = 64

// tags holds the hash tags of the lanes. Lane i's tag falls into the middle of
// the i-th 256 slots in bit-reversed order (0, 32, 16, 48, 8 …), so that the
// first n lanes are spread evenly for every n, and a cluster of any size whose
// shards hold contiguous ranges gets an even share of them. The letters were
// found by search. They are names of stored data: never change one.
var tags = [MaxLanes]string{
	"0pn", "1cf", "2ub", "3vw", "4sb", "5pw", "6fs", "7zz",
	"8jf", "9vo", "10df", "11gs", "12hx", "13tq", "14ww", "15tb",
	"16wt", "17ta", "18ac", "19bv", "20ya", "21ji", "22cq", "23py",
	"24va", "25ei", "26sm", "27od", "28ci", "29pa", "30yr", "31zg",
	"32fe", "33ep", "34yj", "35ec", "36jh", "37va", "38cc", "39pk",
	"40ar", "41bg", "42tc", "43hj", "44rc", "45nj", "46xn", "47dg",
	"48dw", "49gb", "50ap", "51be", "52rr", "53qg", "54ra", "55qt",
	"56bn", "57qf", "58ke", "59wl", "60cz", "61pr", "62vk", "63jb",
}

func tag(lane int) string {
	if lane >= 0 && lane < MaxLanes {
		return tags[lane]
	}
	return strconv.Itoa(lane)
}

// queueName is the name that asynq knows a target by.
//
// asynq puts a queue's name in braces, "asynq:{<name>}:pending", and Redis
// Cluster hashes what stands between the first "{" and the first "}" after it.
// A name that closes the brace itself makes the lane's tag the hash tag, so
// that all queues of a lane live in the slot of the lane's own keys, and an
// enqueue, its ring and a script of ours can share a node and a pipeline.
func queueName(t Target) string {
	return tag(t.Lane) + "}" + string(t.normal().Priority)
}

// asynqKeys are the keys that asynq v0.26 uses for one queue.
type asynqKeys struct {
	pending, paused, active, lease, retry, taskPrefix string
}

func keysOf(t Target) asynqKeys {
	p := "asynq:{" + queueName(t) + "}:"
	return asynqKeys{
		pending:    p + "pending",
		paused:     p + "paused",
		active:     p + "active",
		lease:      p + "lease",
		retry:      p + "retry",
		taskPrefix: p + "t:",
	}
}
