// Package config is the configuration service: apply, revisions, secrets, API
// keys, roles and audit, on top of the store.
//
// Every write is one transaction of resource, revision and audit record; what
// it changed is then published to Redis, and a reconciler publishes what could
// not be. It knows nothing of HTTP; it fails with *schema.Problem where the
// caller can do something about it.
package config
