// Package bench measures what Paragon promises, on real servers, each figure
// next to its floor in the same run: raw asynq, bare COPY, a bare HTTP echo, a
// Redis round trip. `make bench` runs it and writes bench.json; `make test`
// runs a small one, so that it keeps working.
package bench
