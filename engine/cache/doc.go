// Package cache carries configuration from the store to Redis and from Redis
// into the memory of every process, so that the execution path reads it with
// one atomic load and a map read, whatever has become of Postgres.
//
// The api role publishes (Publish, PublishChange); Cache follows, by notices
// and, since notices can be lost, by looking at the version every second. What
// lies in Redis holds secrets only sealed; what lies in memory is compiled.
package cache
