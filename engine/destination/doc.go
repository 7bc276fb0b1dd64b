// Package destination tells a project what went wrong: it gathers what
// engine/notice counted, groups it for each Destination, and sends messages by
// webhook or e-mail until they arrive or the destination is disabled.
//
// One process at a time sends, whoever holds the lease. What waits, what is
// being sent and what was is in Redis, changed only by compare and set, so that
// another process goes on where one died: a message is sent at least once, under
// an id that stays the same. Nothing here is on the way of a run, and the SQL
// store is needed for audit records alone.
package destination
