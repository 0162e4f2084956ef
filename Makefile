# `make check` and `make test` are what CI runs (.ci/run).
.PHONY: check test web

CARGO ?= cargo

# Format, lints, documentation, architecture.
check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps
	$(CARGO) test --test suite architecture

# All tests, over the page as it is built.
test: web
	$(CARGO) test --workspace

# Builds the console page into web/dist, where the next build of the server finds it.
web:
	@if command -v npm >/dev/null 2>&1; then \
		cd web && npm ci --no-audit --no-fund && npm run build; \
	else \
		echo "web: npm is not installed, so the server is built without the console page"; \
	fi
