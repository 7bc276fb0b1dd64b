// Package identity asks an OpenID provider who a person is, by the device flow
// (RFC 8628): the provider shows the person a page in a browser anywhere, and
// says here, signed, which verified email they have. Who that is in Paragon,
// and whether they may log in, is engine/config's.
package identity
