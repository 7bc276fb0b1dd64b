// Package fakeserver is a server of the HTTP API for tests of paragonctl: it
// keeps everything in memory, performs nothing, and shows each kind of failure
// on demand.
//
// The clock stands still at Now. A workflow's label "fake" decides what its
// runs do: succeed (the default), fail, retry (one more attempt at each look)
// or hang (run until canceled). A project's name brings faults: "down" answers
// 503, "flaky" 503 every other time, "silent" not at all, "broken" 500.
package fakeserver
