// @effect-diagnostics asyncFunction:off
/**
 * Builds the page: `node packages/console/buildPage.ts [FOLDER]`, by default into `dist/page`, where the console finds it. Where what is there is as new as
 * its sources it is left as it is. Other folders get a copy of it: building takes some seconds of processor time.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from "node:fs"
import { basename, dirname, join, resolve } from "node:path"
import { argv } from "node:process"
import { fileURLToPath } from "node:url"

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

const home = at("./dist/page")

/** When a file in a folder was changed last. */
const newest = (folder: string): number =>
  Math.max(
    ...readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs)
  )

const isFresh = (folder: string): boolean => {
  const index = join(folder, "index.html")
  return existsSync(index) &&
    statSync(index).mtimeMs >
      Math.max(
        newest(at("./page")),
        newest(at("./src")),
        // What is installed changes with the lockfile.
        ...["./vite.config.ts", "../../pnpm-lock.yaml"].map((path) => statSync(at(path)).mtimeMs)
      )
}

/** Builds the page into a folder, where what is there is older than its sources: whole, or not at all. */
export const buildPage = async (folder: string = home): Promise<string> => {
  if (isFresh(folder)) return folder
  mkdirSync(dirname(folder), { recursive: true })
  const making = mkdtempSync(join(dirname(folder), `${basename(folder)}-`))
  try {
    if (folder === home) {
      // Loaded where there is something to build: it takes most of the time of finding out that there is not.
      const { build } = await import("vite")
      await build({ configFile: at("./vite.config.ts"), build: { outDir: making } })
    } else cpSync(await buildPage(), making, { recursive: true })
    // Where another process was first, that may be read already.
    if (isFresh(folder)) rmSync(making, { recursive: true, force: true })
    else {
      rmSync(folder, { recursive: true, force: true })
      renameSync(making, folder)
    }
  } catch (error) {
    rmSync(making, { recursive: true, force: true })
    // Another process may have been first.
    if (!isFresh(folder)) throw error
  }
  return folder
}

if (import.meta.main) await buildPage(argv[2] === undefined ? undefined : resolve(argv[2]))
