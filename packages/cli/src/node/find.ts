/**
 * Peers by what stands on the command line: a name, several with commas, or `*`.
 */
import type { CommandNodeService } from "@pnet/core/CommandNode"
import type { Peer } from "@pnet/core/Peers"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { atCommandLine } from "../atCommandLine.ts"
import { Problem } from "../errors.ts"
import { Output } from "../output/Output.ts"
import { Settings } from "../settings/Settings.ts"
import type { Opened } from "./open.ts"

/** Who is meant: one peer, several by their names, or all that are there. */
export type Target =
  | { readonly _tag: "One"; readonly name: string }
  | { readonly _tag: "Several"; readonly names: ReadonlyArray<string> }
  | { readonly _tag: "All" }

/** Reads a target. A comma makes a list; a name with a comma in it has none here. */
export const parseTarget = (text: string): Effect.Effect<Target, Problem> => {
  if (text === "*") return Effect.succeed({ _tag: "All" })
  const names = text.split(",").map((name) => name.trim()).filter((name) => name !== "")
  if (names.length === 0) {
    return Effect.fail(
      new Problem({
        exit: "usage",
        what: "the target is empty",
        hint: "give the name of a peer, several with commas, or \"*\""
      })
    )
  }
  return Effect.succeed(
    names.length === 1 && !text.includes(",")
      ? { _tag: "One", name: names[0]! }
      : { _tag: "Several", names: [...new Set(names)] }
  )
}

// Nodes answer a new one at once. Who is there is known when nobody came for so long.
const quiet = Duration.millis(400)

/** Listens until nobody new came for a while, and no longer than the settings say. */
export const listen = Effect.fnUntraced(function*(node: CommandNodeService): Effect.fn.Return<void, never, Settings> {
  const { values } = yield* Settings
  const settled = SubscriptionRef.changes(node.peers.presence).pipe(
    Stream.map((peers) => peers.length),
    Stream.changes,
    Stream.debounce(quiet),
    Stream.filter((count) => count > 0),
    Stream.runHead
  )
  yield* Effect.timeoutOption(settled, values.wait)
})

/**
 * The one peer of a name, for which is waited as long as the settings say. The first of a name is not the only one yet: where nothing says whose it is, all who
 * are there are heard before one is taken for it, as which of two came first is chance, and what it is sent may be another's.
 */
export const findOne = Effect.fnUntraced(function*({ node, trust }: Pick<Opened, "node" | "trust">, name: string) {
  const { values } = yield* Settings
  const first = yield* node.peers.awaitPeer(name, values.wait)
  if ((yield* trust.expected(first.name)) !== undefined) return first
  yield* listen(node)
  return yield* node.peers.resolveOne(name)
})

/** The same, which is said meanwhile. */
export const awaitOne = Effect.fnUntraced(function*(opened: Pick<Opened, "node" | "trust">, name: string) {
  const output = yield* Output
  return yield* output.during(`looking for ${name}`, findOne(opened, name))
})

// What was in the way of one is seldom in the way of none.
const mostSaid = 5

/** What keeps nodes from being found, where nobody was: who is listed and does not answer, say. What the log has said is not said again. */
const sayObstacles = Effect.fnUntraced(function*(node: CommandNodeService): Effect.fn.Return<void, never, Output> {
  const output = yield* Output
  for (const { remedy, what } of (yield* node.peers.obstacles).slice(0, mostSaid)) {
    const said = atCommandLine(what)
    if (!output.said(said)) yield* output.warn(`${said}; ${atCommandLine(remedy)}`)
  }
})

/** Whoever is there, as soon as it was listened, which is said meanwhile; where nobody is, what is in the way. */
export const gather = Effect.fnUntraced(function*(node: CommandNodeService): Effect.fn.Return<
  ReadonlyArray<Peer>,
  never,
  Settings | Output
> {
  const output = yield* Output
  yield* output.during("looking for peers", listen(node))
  const all = yield* node.peers.all
  if (all.length === 0) yield* sayObstacles(node)
  return all
})
