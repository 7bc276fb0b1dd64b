// Package terminal is where a command's words meet a person: the three
// streams and whether each is a terminal, colours and glyphs, prompts, and
// text from outside made harmless.
//
// Data goes to Out, messages to Err; prompts appear only when In and Err are
// terminals. Everything takes its streams from the caller, so that tests see
// both forms.
package terminal
