/** What `pnet pipe` does. */
import type { CommandNodeService } from "@pnet/core/CommandNode"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import type { pipe } from "../commands/pipe.ts"
import { Problem } from "../errors.ts"
import { describe, noFunction } from "../node/describe.ts"
import { awaitOne, parseTarget } from "../node/find.ts"
import { open } from "../node/open.ts"
import { noteFunctions } from "../node/remember.ts"
import { Output } from "../output/Output.ts"
import { quoted } from "../output/quoted.ts"
import { sizeOf } from "../output/units.ts"
import type { Input } from "../spec.ts"
import { pairs, stdin } from "../words.ts"

/** Why a peer has no function of that name over bytes: it may have one that is called. */
const unknown = Effect.fnUntraced(function*(node: CommandNodeService, peer: string, name: string) {
  const all = yield* Effect.orElseSucceed(describe(node, peer, name), () => [])
  if (!all.some((one) => one.name === name)) return yield* noFunction(node, peer, [name], "description")
  return new Problem({
    exit: "notFound",
    tag: "UnknownFunctionError",
    what: `${JSON.stringify(name)} of ${JSON.stringify(peer)} takes arguments, and no bytes`,
    hint: `call it: pnet call ${quoted(peer)} ${quoted(name)}`
  })
})

export const run = Effect.fnUntraced(function*(input: Input<typeof pipe>) {
  const output = yield* Output
  const stdio = yield* Stdio.Stdio
  const target = yield* parseTarget(input.target)
  if (target._tag !== "One") {
    return yield* new Problem({
      exit: "usage",
      what: `pipe goes to one peer, and ${JSON.stringify(input.target)} is several`
    })
  }
  const headers = yield* pairs("--header", input.headers)
  const opened = yield* open()
  const { node } = opened
  yield* awaitOne(opened, target.name)

  // Where the answer goes to a terminal it is what is to be seen there.
  const progress = (yield* stdio.stdoutIsTerminal)
    ? { update: () => Effect.void }
    : yield* output.progress(`${input.function} of ${target.name}`)
  const counted = { sent: 0, received: 0 }
  const count = (what: keyof typeof counted) => (part: Uint8Array) => {
    counted[what] += part.length
    return progress.update(
      `${input.function} of ${target.name}: ${sizeOf(counted.sent)} sent, ${sizeOf(counted.received)} received`
    )
  }
  const answer = node.streams.send(target.name, input.function, Stream.tap(stdin, count("sent")), {
    timeout: Option.getOrUndefined(input.timeout),
    headers
  }).pipe(Stream.catchIf(
    (error) => error._tag === "StreamResetError" && (error.code === "not_found" || error.code === "unsupported"),
    () => Stream.fromEffect(Effect.flip(unknown(node, target.name, input.function)))
  ))
  yield* Stream.runForEach(answer, (part) => Effect.andThen(output.bytes(part), count("received")(part)))
  yield* noteFunctions(node, target.name, [input.function])
})
