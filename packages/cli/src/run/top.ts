/** What `pnet top` does. */
import { formatEndpoint } from "@pnet/core/Advert"
import type { CommandNodeService } from "@pnet/core/CommandNode"
import type { Peer } from "@pnet/core/Peers"
import * as PublicKey from "@pnet/core/PublicKey"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { top } from "../commands/top.ts"
import { Told } from "../errors.ts"
import { exits } from "../exit.ts"
import { now } from "../node/events.ts"
import { gather, listen } from "../node/find.ts"
import { offered } from "../node/offered.ts"
import { open, type Opened } from "../node/open.ts"
import { Output } from "../output/Output.ts"
import type { Screen } from "../output/screen.ts"
import type { Shape } from "../output/shapes.ts"
import { Settings } from "../settings/Settings.ts"
import type { Input } from "../spec.ts"

type Snapshot = Shape<"snapshot">
type Calls = Snapshot["calls"]

/** Answers that count for the mean. */
const answersKept = 30
/** Peers that are asked at once. */
const atOnce = 32

/** Functions that every node has. */
const everyNode = new Set<unknown>(["describe", "get_funcs", "get_peers"])

/** What is known of a peer by asking it. */
interface Watched {
  readonly since: number
  asked: number
  lost: number
  last: number | undefined
  functions: number | undefined
  readonly answers: Array<number>
}

const hundredths = (ms: number): number => Math.round(ms * 100) / 100

/** Asks a peer what it serves, which any answer does for. */
const ask = Effect.fnUntraced(
  function*(node: CommandNodeService, { name }: Peer, watched: Watched, timeout: Duration.Duration) {
    const began = yield* Clock.currentTimeNanos
    const result = yield* Effect.result(node.target(name, { timeout })("get_funcs"))
    const ms = hundredths(Number((yield* Clock.currentTimeNanos) - began) / 1e6)
    watched.asked++
    // That it does not know the function, or does not allow it, is an answer.
    const isAnswer = Result.isSuccess(result) || result.failure._tag === "UnknownFunctionError" ||
      result.failure._tag === "NotAllowedError"
    watched.last = isAnswer ? ms : undefined
    if (!isAnswer) watched.lost++
    // The first answer made the session, too.
    else if (watched.asked > 1) {
      watched.answers.push(ms)
      if (watched.answers.length > answersKept) watched.answers.shift()
    }
    if (Result.isSuccess(result)) {
      const names: unknown = result.success
      watched.functions = Array.isArray(names) ? names.filter((one) => !everyNode.has(one)).length : undefined
    }
  }
)

interface Counts {
  readonly at: number
  readonly out: number
  readonly in: number
  readonly failed: number
  readonly sent: number
  readonly received: number
}

/** What was counted of calls by now. */
const count = Effect.gen(function*() {
  const sums = { out: 0, in: 0, failed: 0, sent: 0, received: 0 }
  for (const metric of yield* Metric.snapshot) {
    if (metric.type !== "Counter") continue
    const counted = Number(metric.state.count)
    if (metric.id === "pnet_calls") sums[metric.attributes?.["direction"] === "in" ? "in" : "out"] += counted
    else if (metric.id === "pnet_call_failures") sums.failed += counted
    else if (metric.id === "pnet_call_bytes_sent") sums.sent += counted
    else if (metric.id === "pnet_call_bytes_received") sums.received += counted
  }
  return { at: yield* Clock.currentTimeMillis, ...sums } satisfies Counts
})

/** What was counted between two moments, a second. */
const rates = (before: Counts, after: Counts): Calls => {
  const seconds = Math.max(0.001, (after.at - before.at) / 1_000)
  const rate = (of: "out" | "in" | "sent" | "received") => Math.round((after[of] - before[of]) / seconds * 10) / 10
  return {
    out: rate("out"),
    in: rate("in"),
    failed: after.failed,
    bytesSent: rate("sent"),
    bytesReceived: rate("received")
  }
}

/** Watches peers: each time it is run it asks them all, and gives what is known then. */
const watching = Effect.fnUntraced(function*({ name, node, sealed, trust }: Opened, every: Duration.Duration) {
  const { values } = yield* Settings
  const known = new Map<string, Watched>()
  let before = yield* count
  yield* node.peers.interested
  return Effect.gen(function*() {
    const at = yield* Clock.currentTimeMillis
    const there = yield* node.peers.all
    const keys = new Set<string>(there.map(({ publicKey }) => publicKey))
    for (const key of known.keys()) if (!keys.has(key)) known.delete(key)
    for (const { publicKey } of there) {
      if (!known.has(publicKey)) {
        known.set(publicKey, { since: at, asked: 0, lost: 0, last: undefined, functions: undefined, answers: [] })
      }
    }
    yield* Effect.forEach(there, (peer) => ask(node, peer, known.get(peer.publicKey)!, every), {
      concurrency: atOnce,
      discard: true
    })
    const after = yield* count
    const calls = rates(before, after)
    before = after
    const peers: Array<Snapshot["peers"][number]> = []
    for (const peer of yield* node.peers.all) {
      const watched = known.get(peer.publicKey)
      if (watched === undefined) continue
      const { roles, topics, unsaid } = yield* offered(trust, peer, true)
      const { answers, asked, functions, last, lost, since } = watched
      const address = peer.endpoints[0]
      peers.push({
        name: peer.name,
        fingerprint: PublicKey.fingerprint(peer.publicKey),
        ...(address === undefined ? {} : { address: formatEndpoint(address) }),
        status: peer.status === "Online" ? "online" : "suspect",
        hereMs: after.at - since,
        ...(last === undefined ? {} : { ms: last }),
        ...(answers.length === 0
          ? {}
          : { meanMs: hundredths(answers.reduce((sum, one) => sum + one, 0) / answers.length) }),
        asked,
        lost,
        ...(functions === undefined ? {} : { functions }),
        ...(roles === undefined ? {} : { roles }),
        ...(topics === undefined ? {} : { topics }),
        ...(unsaid === undefined || roles !== undefined && topics !== undefined ? {} : { unsaid })
      })
    }
    return { time: yield* now, node: name, network: values.network, sealed, peers, calls } satisfies Snapshot
  })
})

/** The screen, drawn anew with each snapshot and each size, until somebody quits. It gives the last of so many snapshots as are asked for. */
const onScreen = Effect.fnUntraced(function*(
  screen: Screen,
  heard: Effect.Effect<void, never, Settings>,
  next: Effect.Effect<Snapshot>,
  first: Snapshot,
  every: Duration.Duration,
  most: number | undefined
) {
  const output = yield* Output
  let shown = first
  const draw = Effect.suspend(() => screen.draw(output.drawn("snapshot", shown)))
  const redraws = Effect.forever(Effect.andThen(screen.resized, draw))
  const refreshes = Effect.gen(function*() {
    yield* heard
    for (let i = 0; most === undefined || i < most; i++) {
      if (i > 0) yield* Effect.sleep(every)
      shown = yield* next
      yield* draw
    }
    return "last" as const
  })
  const ended = yield* Effect.andThen(draw, Effect.raceAllFirst([screen.quit, redraws, refreshes]))
  if (ended === "interrupted") return yield* new Told({ code: exits.interrupted.code })
  return ended === "last" ? shown : undefined
})

export const run = Effect.fnUntraced(function*({ count: most, every: given }: Input<typeof top>) {
  const output = yield* Output
  const { values } = yield* Settings
  const every = Option.getOrElse(given, () => Duration.seconds(2))
  const opened = yield* open()
  const next = yield* watching(opened, every)
  const nothing: Snapshot = {
    time: yield* now,
    node: opened.name,
    network: values.network,
    sealed: opened.sealed,
    peers: [],
    calls: { out: 0, in: 0, failed: 0, bytesSent: 0, bytesReceived: 0 }
  }
  const drawn = yield* Effect.scoped(Effect.gen(function*() {
    const screen = yield* output.screen
    if (screen === undefined) return false
    return { last: yield* onScreen(screen, listen(opened.node), next, nothing, every, most) }
  }))
  // The screen takes with it what was on it.
  if (drawn !== false) return drawn.last === undefined ? undefined : yield* output.value("snapshot", drawn.last)
  yield* gather(opened.node)
  for (let i = 0; most === undefined || i < most; i++) {
    if (i > 0) yield* Effect.sleep(every)
    yield* output.value("snapshot", yield* next)
  }
})
