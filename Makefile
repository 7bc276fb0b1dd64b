# Paragon's tasks. Every target does its own set-up; Go and a shell are enough.
SHELL := /bin/sh
GO ?= go
BIN := bin
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X paragon/schema/api/buildinfo.version=$(VERSION)
export CGO_ENABLED ?= 0

.PHONY: help build dev test check lint generate screens bench chaos fuzz services release-check upgrade-check clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build bin/paragond and bin/paragonctl
	@mkdir -p $(BIN)
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/paragond ./cmd/paragonctl

dev: build ## Build, and run everything in one process with nothing installed
	@exec $(BIN)/paragond dev

test: ## Run all tests with the race detector (needs a C compiler for it)
	@.ci/test

check: lint ## Check form, vet, lint, generated files, what is in deploy, known vulnerabilities
	@.ci/generated
	@.ci/deploy
	@.ci/units
	@.ci/vulnerabilities

lint: ## Run gofmt, go vet and staticcheck
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	if [ -n "$$unformatted" ]; then echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

upgrade-check: ## Upgrade an installation under load from FROM (default: the last tag, or 50 commits ago) to this version
	@.ci/upgrade $(FROM)

release-check: ## Make a release that nobody gets, and try what came out (slow; SKIPPED where a tool can't be had)
	@.ci/release

generate: ## Write the generated files anew
	$(GO) generate ./...

screens: ## Make the pictures of the dashboard in docs/dashboard anew
	$(GO) run ./docs/screens

bench: ## Measure what Paragon promises, each figure next to its floor (writes bench.json)
	$(GO) test ./engine/bench -v -count 1 -timeout 30m -args -bench.full -bench.json $(CURDIR)/bench.json

chaos: ## Break things at random for CHAOS (default 10m; outages of minutes from 5m on) and check that nothing is lost
	$(GO) test ./engine/chaos -run '^(TestChaos|TestPostgresIsDown)$$' -timeout 0 -count 1 -v -args -chaos.for $(or $(CHAOS),10m) -chaos.seed $(or $(SEED),0)

fuzz: ## Run every fuzz target for FUZZ (default 60s)
	@.ci/fuzz $(or $(FUZZ),60s)

services: ## Install Postgres and Redis for the tests (Debian, Ubuntu)
	@.ci/services

clean: ## Remove what build, dev and bench made
	rm -rf $(BIN) .paragon dist bench.json
