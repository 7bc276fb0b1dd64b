// Package tests is `paragonctl test`: it runs WorkflowTest documents offline, tells
// people, pipelines and editors how they went, and writes tests from real runs.
package tests
