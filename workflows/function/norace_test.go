//go:build !race

package function

const raced = false
