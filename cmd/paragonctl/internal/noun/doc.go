// Package noun holds the commands that most nouns of paragonctl have alike: to
// list things, and to end them.
package noun
