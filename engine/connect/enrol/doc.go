// Package enrol knows which of the product's users have which workflow: what
// each chose, whether the workflow allows it, and what they set.
//
// The store has the choices. Redis has who follows from them: for each workflow
// with users a sorted set of those who have it and a hash of what a run sees of
// them, which triggers and cron read. The Service writes both; the Directory
// reads Redis alone.
package enrol
