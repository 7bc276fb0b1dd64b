package schedule

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// The leader is whoever holds the lease in Redis. Two leaders at once, for as
// long as a lease takes to run out, do no harm: what one fires the other finds
// fired, by the idempotency key of the time.
const (
	leaseKey = "paragon:{cron}:leader"
	leaseFor = 5 * time.Second
)

// leadScript takes or prolongs the lease.
// KEYS[1] the lease; ARGV[1] who, ARGV[2] for how long (ms).
var leadScript = redis.NewScript(`
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`)

// resignScript gives the lease back.
var resignScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1`)

func lead(ctx context.Context, rdb redis.UniversalClient, who string) (bool, error) {
	n, err := leadScript.Run(ctx, rdb, []string{leaseKey}, who, leaseFor.Milliseconds()).Int()
	return n == 1, err
}

func resign(ctx context.Context, rdb redis.UniversalClient, who string) error {
	return resignScript.Run(ctx, rdb, []string{leaseKey}, who).Err()
}
