/** What `pnet ping` does. */
import { formatEndpoint } from "@pnet/core/Advert"
import type { CommandNodeService } from "@pnet/core/CommandNode"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { ping } from "../commands/ping.ts"
import { failureOf, Told } from "../errors.ts"
import { exits } from "../exit.ts"
import { awaitOne, gather, parseTarget } from "../node/find.ts"
import { open } from "../node/open.ts"
import { failed, Output } from "../output/Output.ts"
import type { Shape } from "../output/shapes.ts"
import type { Input } from "../spec.ts"

const tenths = (ms: number): number => Math.round(ms * 100) / 100

/** Whether an error is an answer of the peer all the same: that it does not know the function, or does not allow it. */
const isAnswer = (tag: string): boolean => tag === "UnknownFunctionError" || tag === "NotAllowedError"

/** One question, and what it came to. */
const once = Effect.fnUntraced(
  function*(
    node: CommandNodeService,
    peer: string,
    seq: number,
    input: Input<typeof ping>
  ): Effect.fn.Return<Shape<"pong">> {
    const began = yield* Clock.currentTimeNanos
    const result = yield* Effect.result(node.target(peer, { timeout: input.timeout })("get_funcs"))
    const ms = tenths(Number((yield* Clock.currentTimeNanos) - began) / 1e6)
    const address = (yield* node.peers.get(peer))?.endpoints[0]
    const about = { peer, seq, ...(address === undefined ? {} : { address: formatEndpoint(address) }) }
    return Result.isSuccess(result) || isAnswer(result.failure._tag)
      ? { ...about, ms }
      : { ...about, failure: failed(failureOf(result.failure)) }
  }
)

const summary = (peer: string, pongs: ReadonlyArray<Shape<"pong">>): Shape<"pings"> => {
  // The session's beginning is no answer's time.
  const counted = pongs.filter(({ seq }) => seq > 0)
  const times = counted.flatMap(({ ms }) => ms === undefined ? [] : [ms]).toSorted((a, b) => a - b)
  return {
    peer,
    sent: counted.length,
    answered: times.length,
    ...(times.length === 0 ? {} : {
      minMs: times[0]!,
      medianMs: times[Math.floor((times.length - 1) / 2)]!,
      meanMs: tenths(times.reduce((sum, ms) => sum + ms, 0) / times.length),
      maxMs: times.at(-1)!
    })
  }
}

/** Asks one peer, and gives its exit code. The summary is printed however it ends. */
const pingOne = (node: CommandNodeService, peer: string, input: Input<typeof ping>) =>
  Effect.gen(function*() {
    const output = yield* Output
    const pongs: Array<Shape<"pong">> = []
    const ask = (seq: number) =>
      Effect.tap(once(node, peer, seq, input), (pong) => {
        pongs.push(pong)
        return output.value("pong", pong)
      })
    const all = Effect.gen(function*() {
      const first = yield* ask(0)
      if (first.failure !== undefined) return
      for (let seq = 1; input.count === 0 || seq <= input.count; seq++) {
        if (seq > 1) yield* Effect.sleep(input.interval)
        yield* ask(seq)
      }
    })
    yield* Effect.ensuring(
      all,
      Effect.suspend(() => pongs.some(({ seq }) => seq > 0) ? output.value("pings", summary(peer, pongs)) : Effect.void)
    )
    return pongs.findLast(({ failure }) => failure !== undefined)?.failure?.code ?? exits.ok.code
  })

export const run = Effect.fnUntraced(function*(input: Input<typeof ping>) {
  const target = yield* parseTarget(input.target)
  const opened = yield* open()
  const { node } = opened
  if (target._tag === "One") {
    yield* Effect.catchTag(awaitOne(opened, target.name), "NameConflictError", () => Effect.void)
  } else if (target._tag === "Several") {
    // Who does not come is said in its own row.
    yield* Effect.forEach(target.names, (name) => Effect.ignore(awaitOne(opened, name)), { concurrency: "unbounded" })
  }
  const names = target._tag === "One"
    ? [target.name]
    : target._tag === "Several"
    ? target.names
    : (yield* gather(node)).map(({ name }) => name as string)
  const codes = new Set(
    yield* Effect.forEach(names, (name) => pingOne(node, name, input), { concurrency: "unbounded" })
  )
  const [code = exits.notFound.code] = codes
  if (codes.size > 1) return yield* new Told({ code: exits.partly.code })
  if (code !== exits.ok.code) return yield* new Told({ code })
})
