// Package oauth speaks to authorization servers (RFC 6749): where users consent,
// and how codes and refresh tokens become tokens. It keeps nothing.
package oauth
