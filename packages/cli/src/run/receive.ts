/** What `pnet receive` does. */
import type { IncomingOffer, Receiving } from "@pnet/files/FileOffer"
import * as Progress from "@pnet/files/Progress"
import { knownPeersStore } from "@pnet/node/NodeTrust"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import type { receive } from "../commands/receive.ts"
import { failureOf, Problem, Told } from "../errors.ts"
import { exits } from "../exit.ts"
import { beside, landingOf, offerOf, progressText, transferOf } from "../node/files.ts"
import { guarded } from "../node/guarded.ts"
import { open } from "../node/open.ts"
import { failed, Output } from "../output/Output.ts"
import { Settings } from "../settings/Settings.ts"
import type { Input } from "../spec.ts"
import { stdin } from "../words.ts"

/**
 * The lines of standard input, one for each question. What somebody types while there is none answers no later one. `ended` is how many there were, when there
 * are no more.
 */
const answers = Effect.gen(function*() {
  const lines = yield* Queue.bounded<boolean>(1)
  const ended = yield* Deferred.make<number>()
  let count = 0
  const isTyped = yield* Stdio.Stdio.use(({ stdinIsTerminal }) => stdinIsTerminal)
  let asked = false
  yield* stdin.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.runForEach((line) => {
      if (isTyped && !asked) return Effect.void
      asked = false
      count++
      return Queue.offer(lines, /^\s*y/i.test(line))
    }),
    Effect.ignore,
    // Nobody is there to ask any more.
    Effect.andThen(Effect.suspend(() => Deferred.succeed(ended, count))),
    Effect.andThen(Effect.forever(Queue.offer(lines, false))),
    Effect.forkScoped
  )
  const take = Effect.suspend(() => {
    asked = true
    return Queue.take(lines)
  })
  return { take, ended: Deferred.await(ended) }
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

/** Who is taken for those who are named: where no list and no authority says it, whoever came first by that name. */
const warnOfNames = Effect.fnUntraced(function*(names: ReadonlyArray<string>) {
  const { values } = yield* Settings
  if (values.allowList !== undefined || values.authority !== undefined) return
  const { pins } = yield* Effect.orElseSucceed(
    Effect.flatMap(knownPeersStore(values.knownPeers), ({ load }) => load),
    () => ({ pins: [] })
  )
  const known = new Set<string>(pins.map(({ name }) => name))
  const strange = names.filter((name) => !known.has(name))
  if (strange.length === 0) return
  yield* Output.use((output) =>
    output.warn(
      `${strange.join(", ")} ${
        strange.length === 1 ? "was" : "were"
      } never met here: whoever comes first by that name ` +
        "is taken for it; meet it before, and compare its fingerprint in pnet trust list, or give --allow-list"
    )
  )
})

export const run = Effect.fnUntraced(function*(input: Input<typeof receive>) {
  const output = yield* Output
  const { folder, from, once, yes } = input
  if (yes && from.length > 0) {
    return yield* new Problem({ exit: "usage", what: "--yes takes from everybody, so --from names nobody besides" })
  }
  if (yes) yield* guarded("--yes would take files of everybody on the network")
  const { name, node } = yield* open()
  const files = yield* beside(node, {
    receive: {
      folder,
      accept: yes ? "all" : from.length > 0 ? { names: from } : "ask",
      ...landingOf(input)
    }
  })
  if (from.length > 0) yield* warnOfNames(from)
  const { ended, take } = yield* answers
  const ask = (offer: IncomingOffer) =>
    Effect.gen(function*() {
      yield* output.value("offer", offerOf(offer))
      yield* output.note(`take it? Answer y or n`)
      yield* (yield* take) ? offer.accept : offer.decline()
    })
  if (!yes) yield* Effect.forkScoped(Stream.runForEach(files.offers, ask))
  const unasked: Effect.Effect<never, Problem> = Effect.gen(function*() {
    if ((yield* ended) === 0 && from.length === 0) {
      return yield* new Problem({
        exit: "usage",
        what: "nobody can be asked what is taken: standard input has ended",
        hint: "start it where answers are typed or piped in, or say --from NAMES or --yes"
      })
    }
    yield* output.warn(
      from.length > 0
        ? `standard input has ended, so nobody can be asked: what comes from others than ${from.join(", ")} is declined`
        : "standard input has ended, so nobody can be asked: what comes now is declined"
    )
    return yield* Effect.never
  })
  yield* output.note(`${name} waits for files, and puts them into ${folder}; Ctrl-C ends it`)
  const transfers = Stream.mapEffect(files.transfers, arriving, { concurrency: "unbounded" })
  const untilUnasked = <A, E, R>(effect: Effect.Effect<A, E, R>) => yes ? effect : Effect.raceFirst(effect, unasked)
  if (!once) return yield* untilUnasked(Stream.runDrain(transfers))
  const code = yield* untilUnasked(Stream.runHead(transfers))
  // The sender is to hear that all of it is there.
  yield* node.drain({ within: "5 seconds" })
  if (Option.isSome(code) && code.value !== exits.ok.code) return yield* new Told({ code: code.value })
})
