/** What `pnet up` does. */
import type { CommandNodeService } from "@pnet/core/CommandNode"
import * as PublicKey from "@pnet/core/PublicKey"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { landing } from "../commands/landing.ts"
import type { up } from "../commands/up.ts"
import { Problem } from "../errors.ts"
import { everyNode } from "../node/describe.ts"
import { called, type CallEnd, eventOf, isOfConflict, ownEvent } from "../node/events.ts"
import { guarded } from "../node/guarded.ts"
import { open } from "../node/open.ts"
import { Output } from "../output/Output.ts"
import * as Measure from "../serve/measure.ts"
import { atOnce, parseFn, serve } from "../serve/shell.ts"
import { Settings } from "../settings/Settings.ts"
import type { Input } from "../spec.ts"

/** What arrives is an event when all of it is there. It is loaded where files are received. */
const receiving = Effect.fnUntraced(function*(
  node: CommandNodeService,
  folder: string,
  input: Input<typeof up>,
  say: Say
) {
  const { beside, landingOf, receivedText } = yield* Effect.promise(() => import("../node/files.ts"))
  const files = yield* beside(node, { receive: { folder, accept: "all", ...landingOf(input) } })
  const tell = ({ offer, outcome }: Stream.Success<typeof files.transfers>) =>
    Effect.flatMap(
      Effect.result(outcome),
      (result) => say({ event: "received", peer: offer.from.name, ...receivedText(offer.from.name, result) })
    )
  yield* Effect.forkScoped(
    Stream.runDrain(Stream.mapEffect(files.transfers, tell, { concurrency: "unbounded" }))
  )
})

type Say = (event: Parameters<typeof ownEvent>[0]) => Effect.Effect<void>

/** What modules serve, and what is built beside the node that serves it. It is loaded where there are any. */
const ofModules = Effect.fnUntraced(function*(files: ReadonlyArray<string>, say: Say) {
  const { beside, load, serving } = yield* Effect.promise(() => import("../serve/module.ts"))
  const parts = yield* load(files)
  const clock = yield* Clock.Clock
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  const told = (name: string, from: { readonly name: string }) => {
    const began = clock.currentTimeMillisUnsafe()
    return (end: CallEnd) => void fork(say(called(name, from.name, clock.currentTimeMillisUnsafe() - began, end)))
  }
  return { ...serving(parts, told), beside: (node: CommandNodeService) => beside(parts, node, told) }
})

export const run = Effect.fnUntraced(function*(input: Input<typeof up>) {
  const output = yield* Output
  const functions = yield* Effect.forEach(input.fn, parseFn)
  const { values } = yield* Settings
  if (functions.length > 0) yield* guarded("--fn would serve everybody on the network")
  if (input.module.length > 0) yield* guarded("--module would serve everybody on the network")
  if (Option.isSome(input.receive)) yield* guarded("--receive would take files of everybody on the network")
  const without = Object.keys(landing).find((name) => input[name as keyof typeof landing]._tag === "Some")
  if (without !== undefined && Option.isNone(input.receive)) {
    const flag = without.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    return yield* new Problem({
      exit: "usage",
      what: `--${flag} is for files that arrive, and none are taken`,
      hint: "say into which folder with --receive"
    })
  }
  const say: Say = (event) => Effect.flatMap(ownEvent(event), (shape) => output.value("event", shape))
  const { commands, streams } = yield* serve(functions, say)
  const modules = input.module.length === 0 ? undefined : yield* ofModules(input.module, say)
  yield* output.leaveOut(isOfConflict)
  const { name, node, publicKey, sealed } = yield* open({
    commands: [...commands, ...(modules?.commands ?? [])],
    functions: modules?.functions ?? {},
    roles: input.role
  })
  for (const one of streams) yield* node.streams.register(one.name, one.handler, { concurrency: atOnce })
  if (input.measure) yield* node.streams.register(Measure.name, yield* Measure.make, { headers: Measure.Asked })
  if (modules !== undefined) yield* modules.beside(node)
  if (Option.isSome(input.receive)) yield* receiving(node, input.receive.value, input, say)
  const served = (yield* node.functions).filter((one) => !everyNode.has(one))
  const fingerprint = PublicKey.fingerprint(publicKey)
  const { port } = node.endpoint
  yield* say({
    event: "started",
    peer: name,
    fingerprint,
    port,
    text: `${name} is up on network ${values.network}${
      sealed ? ", which has a key" : ", in clear"
    }; port ${port}; key ${fingerprint}${served.length === 0 ? "" : `; serves ${served.join(", ")}`}`
  })
  yield* Effect.addFinalizer(() => say({ event: "stopped", peer: name, fingerprint, text: `${name} leaves` }))
  yield* Stream.runForEach(
    node.peers.changes,
    (event) =>
      Effect.flatMap(eventOf(event), (shape) => shape === undefined ? Effect.void : output.value("event", shape))
  )
})
