# Histories of the model world (make sim), and of each mutant (make mutants).
SEEDS ?= 100000
MUTANT_SEEDS ?= 20000
# Events of the backfill that make bench measures.
BENCH_EVENTS ?= 100000
# Time for each fuzz target.
FUZZTIME ?= 30s
# Packages with tests that need a real server or a tool, and those of two more packages, by name.
SERVED ?= ./internal/testserver ./sinks/s3/... ./sinks/kafka/... ./sinks/elasticsearch/... ./sinks/splunkhec/... ./internal/charttest ./integrations/...
SERVED_TESTS ?= ^Test(ArchiveReads|StatusPageIn|S3|Kafka|Elastic)
# The container image, and what builds it.
BUILDER ?= docker
IMAGE ?= auditlog-connector:$(VERSION)
VERSION ?= development
SYFT ?= github.com/anchore/syft/cmd/syft@v1.42.0
GOLANGCI_LINT ?= github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.DEFAULT_GOAL := help
.PHONY: help test test-kubernetes test-kill race sim mutants lint bench demo fuzz splunk-app image sbom

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: ## every test but a cluster's: Kafka, a schema registry, OpenSearch, S3, a browser; a short race pass; what CI runs
	go vet -tags measure,mutants ./...
	go test ./...
	@# The first time on a machine, what is needed is installed into the user's cache directory.
	CONNECTOR_TEST_SERVERS=1 go test -p 1 -timeout 40m $(SERVED)
	CONNECTOR_TEST_SERVERS=1 go test -p 1 -timeout 40m ./cmd/connector ./internal/crash -run '$(SERVED_TESTS)'
	@# The race detector needs a C compiler; without one, this part is left out.
	@if [ "$$(go env CGO_ENABLED)" = 1 ]; then set -x; \
		go test -race ./pipeline -skip '^TestModelWorld$$' -engine.seeds=20; \
	else echo "no C compiler: race pass left out"; fi

test-kubernetes: ## the image and the chart in a real cluster on this machine; needs root, and half an hour the first time
	CONNECTOR_TEST_SERVERS=1 go test ./internal/clustertest -count=1 -timeout 90m -v

test-kill: ## SIGKILL at every request, every write and every delivery, and the table of it
	go test ./internal/crash -count=1 -timeout=0 -v -run '^TestMatrix$$' -crash.every=1

race: ## every test under the race detector
	go test -race ./...

sim: ## many histories of the model world (SEEDS=100000), and what happened in them
	go test ./pipeline -count=1 -timeout=0 -v -run '^TestModelWorld$$' -sim.seeds=$(SEEDS)

mutants: ## every deliberate bug must be found by the tests of its tier
	MUTANT_SEEDS=$(MUTANT_SEEDS) go test -tags mutants ./internal/mutants -count=1 -timeout=0 -v

lint: ## linters and the import table; builds golangci-lint the first time
	go run $(GOLANGCI_LINT) run ./...

bench: ## benchmarks, and the real binary beside a plain pager (BENCH_EVENTS=100000)
	go test ./... -run '^$$' -bench . -benchmem
	go test -tags measure ./internal/bench -count=1 -timeout=0 -v -bench.events=$(BENCH_EVENTS)

image: ## the container image, by docker, podman or buildah (BUILDER=docker IMAGE=auditlog-connector:development)
	$(BUILDER) build --build-arg VERSION=$(VERSION) --tag $(IMAGE) .

sbom: ## what the binary is made of, as bin/connector.spdx.json (SPDX); builds syft the first time
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -ldflags='-X main.version=$(VERSION)' -o bin/connector ./cmd/connector
	SYFT_CHECK_FOR_APP_UPDATE=false go run $(SYFT) scan file:bin/connector --source-name auditlog-connector --source-version $(VERSION) -o spdx-json=bin/connector.spdx.json

splunk-app: ## the Splunk app, as bin/openai_audit.tgz
	@mkdir -p bin
	tar -C integrations/splunk --sort=name --mtime='2026-01-01 00:00Z' --owner=0 --group=0 --mode=u+rwX,go+rX,go-w -czf bin/openai_audit.tgz openai_audit

demo: ## everything with one command: simulator, exporter, a kill, and the comparison
	go run ./cmd/connector demo

fuzz: ## every fuzz target for FUZZTIME
	@grep -rlE '^func Fuzz' --include='*_test.go' . | while read -r file; do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file"); do \
			go test "$$(dirname "$$file")" -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) || exit 1; \
		done; \
	done
