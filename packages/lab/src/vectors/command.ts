/** `pnpm lab vectors`: writes `docs/vectors.json`. */
import * as Crypto from "@pnet/core/Crypto"
import * as PortableCrypto from "@pnet/core/PortableCrypto"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Document from "./document.ts"
import * as Vectors from "./vectors.ts"

/** The generator of the vectors. */
export const vectors = Command.make("vectors", {}, () =>
  Effect.gen(function*() {
    const fs = yield* FileSystem.FileSystem
    const text = Document.print(Vectors.generate(yield* Crypto.Crypto))
    if (text === (yield* fs.readFileString(Document.path))) return yield* Console.log("the vectors are what they were")
    yield* fs.writeFileString(Document.path, text)
    yield* Console.log(`written anew: ${Document.path}`)
  }).pipe(Effect.provide(PortableCrypto.layer))).pipe(
    Command.withDescription("Writes the test vectors of the protocol, docs/vectors.json, anew")
  )
