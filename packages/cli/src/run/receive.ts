/** What `pnet receive` does. */
import type { IncomingOffer, Receiving } from "@pnet/files/FileOffer"
import * as Progress from "@pnet/files/Progress"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import type { receive } from "../commands/receive.ts"
import { failureOf, Problem, Told } from "../errors.ts"
import { exits } from "../exit.ts"
import { beside, offerOf, progressText, transferOf } from "../node/files.ts"
import { guarded } from "../node/guarded.ts"
import { open } from "../node/open.ts"
import { failed, Output } from "../output/Output.ts"
import type { Input } from "../spec.ts"
import { stdin } from "../words.ts"

/** The lines of standard input, one for each question. What somebody types while there is none answers no later one. */
const answers = Effect.gen(function*() {
  const lines = yield* Queue.bounded<boolean>(1)
  const isTyped = yield* Stdio.Stdio.use(({ stdinIsTerminal }) => stdinIsTerminal)
  let asked = false
  yield* stdin.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) => {
      if (isTyped && !asked) return Effect.void
      asked = false
      return Queue.offer(lines, /^\s*y/i.test(line))
    }),
    Effect.ignore,
    // Nobody is there to ask any more.
    Effect.andThen(Effect.forever(Queue.offer(lines, false))),
    Effect.forkScoped
  )
  return Effect.suspend(() => {
    asked = true
    return Queue.take(lines)
  })
})

/** Shows a transfer, and gives the code that it ends with. */
export const arriving = Effect.fnUntraced(function*({ offer, outcome, progress }: Receiving) {
  const output = yield* Output
  const began = yield* Clock.currentTimeMillis
  const result = yield* Effect.scoped(Effect.gen(function*() {
    const shown = yield* output.progress(`${offer.from.name} sends`)
    yield* Effect.forkScoped(
      Stream.runForEach(progress, (one) => shown.update(progressText(one), Progress.fraction(one)))
    )
    return yield* Effect.result(outcome)
  }))
  const ms = (yield* Clock.currentTimeMillis) - began
  if (result._tag === "Success") {
    yield* output.value("transfer", transferOf("received", result.success, ms))
    return result.success.failed > 0 ? exits.failed.code : exits.ok.code
  }
  const failure = failed(failureOf(result.failure))
  yield* output.value("transfer", {
    peer: offer.from.name,
    direction: "received",
    files: 0,
    bytes: 0,
    hadFiles: 0,
    hadBytes: 0,
    failed: 0,
    problems: [],
    ms,
    failure
  })
  return failure.code
})

export const run = Effect.fnUntraced(function*(input: Input<typeof receive>) {
  const output = yield* Output
  const { collisions, folder, from, maxBytes, once, yes } = input
  if (yes && from.length > 0) {
    return yield* new Problem({ exit: "usage", what: "--yes takes from everybody, so --from names nobody besides" })
  }
  if (yes) yield* guarded("--yes would take files of everybody on the network")
  const { name, node } = yield* open()
  const files = yield* beside(node, {
    receive: {
      folder,
      collisions,
      accept: yes ? "all" : from.length > 0 ? { names: from } : "ask",
      ...(Option.isSome(maxBytes) ? { maxBytes: maxBytes.value } : {})
    }
  })
  const take = yield* answers
  const ask = (offer: IncomingOffer) =>
    Effect.gen(function*() {
      yield* output.value("offer", offerOf(offer))
      yield* output.note(`take it? Answer y or n`)
      yield* (yield* take) ? offer.accept : offer.decline()
    })
  if (!yes) yield* Effect.forkScoped(Stream.runForEach(files.offers, ask))
  yield* output.note(`${name} waits for files, and puts them into ${folder}; Ctrl-C ends it`)
  const transfers = Stream.mapEffect(files.transfers, arriving, { concurrency: "unbounded" })
  if (!once) return yield* Stream.runDrain(transfers)
  const code = yield* Stream.runHead(transfers)
  // The sender is to hear that all of it is there.
  yield* node.drain({ within: "5 seconds" })
  if (Option.isSome(code) && code.value !== exits.ok.code) return yield* new Told({ code: code.value })
})
