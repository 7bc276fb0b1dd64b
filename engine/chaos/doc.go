// Package chaos proves what a run is guaranteed: its tests start real paragond
// processes on a private Postgres and a private Redis, break them (SIGKILL,
// SIGSTOP, SIGTERM, servers that go and come, connections that are cut), and
// compare what was acknowledged and what a far side saw with the history.
//
// There is one test for each fault that the design names, and TestChaos, which
// plays random schedules of them: the seed it prints reproduces a schedule.
// `make chaos` plays for ten minutes, and has Postgres away for minutes at a
// time; `make test` plays for one.
package chaos
