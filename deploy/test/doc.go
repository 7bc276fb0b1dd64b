// Package test reads the compose file as Docker Compose does, and the Dockerfile
// as BuildKit does, which also warns of what it would warn of in a build. It is a
// module of its own, so that nothing of Docker comes near the programs.
package test
