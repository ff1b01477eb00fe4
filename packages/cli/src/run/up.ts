/** What `pnet up` does. */
import * as PublicKey from "@pnet/core/PublicKey"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { up } from "../commands/up.ts"
import { eventOf, ownEvent } from "../node/events.ts"
import { guarded } from "../node/guarded.ts"
import { open } from "../node/open.ts"
import { Output } from "../output/Output.ts"
import { atOnce, parseFn, serve } from "../serve/shell.ts"
import { Settings } from "../settings/Settings.ts"
import type { Input } from "../spec.ts"

export const run = Effect.fnUntraced(function*(input: Input<typeof up>) {
  const output = yield* Output
  const functions = yield* Effect.forEach(input.fn, parseFn)
  const { values } = yield* Settings
  if (functions.length > 0) yield* guarded("--fn would serve everybody on the network")
  const say = (event: Parameters<typeof ownEvent>[0]) =>
    Effect.flatMap(ownEvent(event), (shape) => output.value("event", shape))
  const { commands, streams } = yield* serve(functions, say)
  const { name, node, publicKey, sealed } = yield* open({ commands, roles: input.role })
  for (const one of streams) yield* node.streams.register(one.name, one.handler, { concurrency: atOnce })
  const fingerprint = PublicKey.fingerprint(publicKey)
  yield* say({
    event: "started",
    peer: name,
    fingerprint,
    text: `${name} is up on network ${values.network}${
      sealed ? ", which has a key" : ", in clear"
    }; key ${fingerprint}${functions.length === 0 ? "" : `; serves ${functions.map((one) => one.name).join(", ")}`}`
  })
  yield* Effect.addFinalizer(() => say({ event: "stopped", peer: name, fingerprint, text: `${name} leaves` }))
  yield* Stream.runForEach(
    node.peers.changes,
    (event) =>
      Effect.flatMap(eventOf(event), (shape) => shape === undefined ? Effect.void : output.value("event", shape))
  )
})
