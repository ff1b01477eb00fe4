/** The version of the package, of which its package.json is in the folder above, in the sources and in the bundle. */
import { readFileSync } from "node:fs"

const manifest: { readonly version: string } = JSON.parse(
  readFileSync(new URL("../package.json", import.meta.url), "utf8")
)

/** The version of the command. */
export const version: string = manifest.version
