/** Makes the mutation of the environment in a program that Node runs by itself: `node --import ./hook.ts`. */
import { readFileSync } from "node:fs"
import { registerHooks } from "node:module"
import { fileURLToPath } from "node:url"
import { inEnvironment } from "./mutation.ts"

const mutated = inEnvironment()

registerHooks({
  load: (url, context, nextLoad) => {
    const loaded = nextLoad(url, context)
    if (!url.startsWith("file:") || !url.endsWith(".ts")) return loaded
    const path = fileURLToPath(url)
    const source = mutated(path, readFileSync(path, "utf8"))
    return source === undefined ? loaded : { ...loaded, source }
  }
})
