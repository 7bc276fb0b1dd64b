// Package token fetches and keeps OAuth2 tokens of the client-credentials grant
// (RFC 6749 section 4.4), in memory: one request at a time for each client,
// however many wait for it.
package token
