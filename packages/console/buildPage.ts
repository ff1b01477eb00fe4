/** Builds the page into a folder: `node packages/console/buildPage.ts [FOLDER]`, by default `dist/page`. */
import { argv } from "node:process"
import { fileURLToPath } from "node:url"
import { build } from "vite"

/** Builds the page into a folder, which is emptied. */
export const buildPage = (folder: string): Promise<unknown> =>
  build({
    configFile: fileURLToPath(new URL("./vite.config.ts", import.meta.url)),
    build: { outDir: folder }
  })

if (import.meta.main) {
  await buildPage(argv[2] ?? fileURLToPath(new URL("./dist/page/", import.meta.url)))
}
