// Package tui is the dashboard: bubbletea models that know the client of
// schema/api and nothing else of the server.
//
// App is the whole of it: a stack of views, what lies over them (help, a
// dialog, a line to type), the connection, and the job under way. All state
// is touched by Update alone. What talks to the server runs as a command
// (ask.go) and comes back as a message; an answer that a later question
// overtook is dropped. One view is one file.
package tui
