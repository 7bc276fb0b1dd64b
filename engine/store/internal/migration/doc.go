// Package migration tells what a database's schema lacks of the migrations
// that this paragond has, for both databases in the same way. It has no SQL.
package migration
