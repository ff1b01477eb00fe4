/** `pnpm lab yesterday`: packs the nodes of this tree, or of another. */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { fileURLToPath } from "node:url"
import { pack } from "./pack.ts"

const root = fileURLToPath(new URL("../../../../", import.meta.url))

/** Writes a packed peer, which tests of later trees meet. */
export const yesterday = Command.make(
  "yesterday",
  {
    file: Argument.String("file").pipe(
      Argument.withDescription("Where to write it, such as packages/lab/src/yesterday/peers/0.1.0.mjs.gz")
    ),
    tree: Flag.String("tree").pipe(
      Flag.withDescription("The root of the tree whose packages go into it; this one's where it is left out"),
      Flag.withDefault(root)
    )
  },
  ({ file, tree }) =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const packed = yield* pack(tree)
      yield* fs.writeFile(file, packed)
      yield* Console.log(`${file}: ${packed.length} bytes`)
    })
).pipe(Command.withDescription("Packs the nodes of this tree into one file, as a peer for the tests of later ones"))
