// Package proxy carries calls of a product to the APIs that its project has
// integrations for: it puts the credential on, keeps to the limits of the far
// side, and passes the answer on as it came, streaming both ways.
//
// A call is answered when the far side answers, or goes through the queue and
// its answer is kept or posted back. Each call leaves a record, which reaches
// the store in batches with the history of runs. Whose credential it is and
// what is in it is decided by whoever gives the proxy its targets.
package proxy
