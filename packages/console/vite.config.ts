/** How the page is built: into files of its own alone, none of them inlined, as its Content-Security-Policy wants them. */
import { fileURLToPath } from "node:url"
import { defineConfig } from "vite"

export default defineConfig({
  root: fileURLToPath(new URL("./page/", import.meta.url)),
  // The console may be served under a path.
  base: "./",
  clearScreen: false,
  logLevel: "warn",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  // Links of a workspace: there is one Effect and one Preact.
  resolve: { dedupe: ["effect", "preact", "@preact/signals-core"] },
  build: {
    target: "es2023",
    outDir: fileURLToPath(new URL("./dist/page/", import.meta.url)),
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // One script: what is fetched later may find the node gone, and Chromium asks no second time for a module that it did not get.
    rolldownOptions: { output: { codeSplitting: false } },
    chunkSizeWarningLimit: 2_000
  }
})
