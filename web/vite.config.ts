import { defineConfig } from "vite";

// The address of a server started with `leadline serve`, for `npm run dev`.
const server = "http://127.0.0.1:8080";

export default defineConfig({
  build: {
    target: "es2022",
    // Fonts and pictures stay files: the page's content security policy allows no `data:` font or script.
    assetsInlineLimit: 0,
    // The editor is one large part that is always needed; there is nothing to split off.
    chunkSizeWarningLimit: 4000,
    rolldownOptions: {
      input: ["index.html", "account.html"],
      onwarn(warning, warn) {
        // `"use client"` in libraries is meant for server rendering, which this page does not have.
        if (warning.code !== "MODULE_LEVEL_DIRECTIVE") warn(warning);
      },
    },
  },
  server: {
    proxy: {
      "/graphql": { target: server, ws: true, changeOrigin: true },
    },
  },
});
