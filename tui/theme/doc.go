// Package theme is how the dashboard looks: colours by what they mean, and the
// glyphs of states, boxes and plots, with plain ASCII for terminals that have
// no others.
package theme
