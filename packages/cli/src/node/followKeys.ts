/**
 * Has a node that runs go by the network's keys as they are changed in their file.
 */
import type { CommandNodeService } from "@pnet/core/CommandNode"
import * as Effect from "effect/Effect"
import { Output } from "../output/Output.ts"
import * as KeyFile from "./keyFile.ts"

const every = "1 second"

const isSame = (one: ReadonlyArray<string>, other: ReadonlyArray<string>): boolean =>
  one.length === other.length && one.every((text, i) => text === other[i])

/** Looks every second, until the scope closes. Where the keys come from no file there is nothing to follow. */
export const followKeys = Effect.fnUntraced(function*(node: CommandNodeService) {
  const output = yield* Output
  const file = yield* Effect.orElseSucceed(KeyFile.path, () => undefined)
  if (file === undefined) return
  let told = ""
  const step = Effect.gen(function*() {
    const keys = yield* KeyFile.load(file)
    const now = keys.map(KeyFile.fingerprint)
    if (keys.length === 0 || isSame(now, (yield* node.networkKeys.keys).map(KeyFile.fingerprint))) return
    yield* node.networkKeys.set(keys)
    told = ""
    yield* output.note(
      `the network's keys are others: ${now[0]} encrypts, ${now.length} ${now.length === 1 ? "is" : "are"} held`
    )
  }).pipe(
    // What holds stays, and why is said once.
    Effect.catch(({ message }) =>
      Effect.suspend(() => {
        if (message === told) return Effect.void
        told = message
        return output.warn(`the network's keys stay as they were: ${message}`)
      })
    )
  )
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(every), step)))
})
