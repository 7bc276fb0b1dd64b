//go:build !linux

package function

func confine() {}
