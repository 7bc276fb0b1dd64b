// Package test renders the Helm chart with several values and reads what comes
// out as Kubernetes does, strictly. It is a module of its own, so that nothing
// of Helm or Kubernetes comes near the programs.
package test
