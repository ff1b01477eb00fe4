/** `pnpm lab reference`: writes the API references. */
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { fileURLToPath } from "node:url"
import * as Packages from "./packages.ts"

const root = fileURLToPath(new URL("../../../../", import.meta.url))

/** Writes `API.md` of each published package. */
export const reference = Command.make("reference", {}, () =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    for (const { file, markdown, name, undocumented, written } of yield* Packages.all(root)) {
      for (const one of undocumented) yield* Console.error(`${name}: ${one} has no docstring`)
      if (markdown === written) continue
      yield* fs.writeFileString(file, markdown)
      yield* Console.log(`${name}: ${file}`)
    }
  })).pipe(Command.withDescription("Writes the API reference of each package from its docstrings"))
