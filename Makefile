.PHONY: web

# Builds the console page into web/dist, where the next build of the server finds it. Without a Node that is new enough
# the server is built without the page.
web: web/dist/index.html

web/dist/index.html: web/package-lock.json web/vite.config.ts web/index.html $(wildcard web/src/*)
	@if ! command -v npm >/dev/null 2>&1; then \
		echo "web: npm is not installed, so the server is built without the console page"; \
	elif ! node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)'; then \
		echo "web: Node $$(node --version) is older than 20.19, so the server is built without the console page"; \
	else \
		cd web && npm ci --no-audit --no-fund && npm run build; \
	fi
