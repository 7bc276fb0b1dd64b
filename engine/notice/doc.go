// Package notice counts what went wrong until somebody is told: a tally in Redis
// of each event and subject, with the first few as examples. However many there
// are, a tally stays small, and whoever writes one is done.
//
// A tally is beside what it counts (a lane's runs) or, for the rest, in a place
// of its own. Who is told, and how, is decided by engine/destination.
package notice
