# `make check` and `make test` are what CI runs (.ci/run).
.PHONY: bench check clients demo test schema web

CARGO ?= cargo

# Format, lints, documentation, the schema file, architecture. Over the page and by the features of the whole workspace, as
# `make test` has it: what is built here is not built again there.
check: web
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps
	$(CARGO) test --workspace --test suite architecture

# A server over made-up data with live activity on http://127.0.0.1:8080; ARGS="--leads 20000 --fresh" and the like.
demo: web
	$(CARGO) run --quiet --bin leadline -- demo $(ARGS)

# All tests, over the page as it is built.
test: web clients
	$(CARGO) test --workspace

# Writes the public contract anew.
schema:
	$(CARGO) run --quiet -- schema > schema.graphql.new
	mv schema.graphql.new schema.graphql

# Builds the console page into web/dist, where the next build of the server finds it. Without a Node that is new enough
# the server is built without the page.
web: web/dist/index.html

web/dist/index.html: web/package-lock.json web/vite.config.ts web/index.html web/account.html $(wildcard web/src/*)
	@if ! command -v npm >/dev/null 2>&1; then \
		echo "web: npm is not installed, so the server is built without the console page"; \
	elif ! node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)'; then \
		echo "web: Node $$(node --version) is older than 20.19, so the server is built without the console page"; \
	else \
		cd web && npm ci --no-audit --no-fund && npm run build; \
	fi

# The clients of others that the tests let loose on the server, and the platforms' own that are let loose on the sandboxes.
SDKS := $(patsubst %/package-lock.json,%/node_modules/.package-lock.json,$(wildcard integrations/tests/sdk/*/package-lock.json))
VENVS := $(patsubst %/requirements.txt,%/venv/ready,$(wildcard integrations/tests/sdk/*/requirements.txt))
clients: tests/clients/node_modules/.package-lock.json $(SDKS) $(VENVS)

tests/clients/node_modules/.package-lock.json: tests/clients/package-lock.json
	@if ! command -v npm >/dev/null 2>&1; then \
		echo "clients: npm is not installed, so the tests with clients of others are skipped"; \
	else \
		cd tests/clients && npm ci --no-audit --no-fund && touch node_modules/.package-lock.json; \
	fi

integrations/tests/sdk/%/node_modules/.package-lock.json: integrations/tests/sdk/%/package-lock.json
	@if ! command -v npm >/dev/null 2>&1; then \
		echo "clients: npm is not installed, so the tests with the platforms' own clients are skipped"; \
	else \
		cd integrations/tests/sdk/$* && npm ci --no-audit --no-fund && touch node_modules/.package-lock.json; \
	fi

integrations/tests/sdk/%/venv/ready: integrations/tests/sdk/%/requirements.txt
	@if ! python3 -c "import venv, ensurepip" >/dev/null 2>&1; then \
		echo "clients: Python with venv is not installed, so the tests with its clients are skipped"; \
	else \
		cd integrations/tests/sdk/$* && python3 -m venv venv && venv/bin/pip install --quiet -r requirements.txt && touch venv/ready; \
	fi

# The figures of docs/performance.md: the release build under load (PostgreSQL too with BENCH_POSTGRES_URL).
bench:
	$(CARGO) bench --bench load
