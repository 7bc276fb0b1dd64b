// Package servicetest starts private, real Postgres and Redis servers for the
// tests of any package, from the binaries that are installed. They listen on
// free loopback ports, keep their data in temporary directories, and never
// outlive the test process, however it ends. Without the binaries a test is
// skipped, or fails when PARAGON_TEST_SERVICES=required.
package servicetest
