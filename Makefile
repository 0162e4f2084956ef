.PHONY: web

# Builds the console page into web/dist, where the next build of the server finds it.
web:
	@if command -v npm >/dev/null 2>&1; then \
		cd web && npm ci --no-audit --no-fund && npm run build; \
	else \
		echo "web: npm is not installed, so the server is built without the console page"; \
	fi
