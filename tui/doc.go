// Package tui is the room for the dashboard: bubbletea models that know the
// client of schema/api and nothing else of the server.
//
// Nothing stands here yet.
package tui
