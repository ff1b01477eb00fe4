/** A console of a node, asked by a client in the same process. */
import { ConsoleApi } from "@pnet/console/ConsoleApi"
import type { ConsoleSpans } from "@pnet/console/ConsoleSpans"
import * as ConsoleTrust from "@pnet/console/ConsoleTrust"
import type { CommandNodeService } from "@pnet/core/CommandNode"
import { Clock, Effect, Layer, Stream } from "effect"
import { RpcTest } from "effect/rpc"
import type { Patch, Peer } from "../../src/ConsoleApi.ts"
import * as Handlers from "../../src/internal/server/handlers.ts"

/** A client of a console, until the scope closes. */
export const consoleOf = (
  node: CommandNodeService,
  options: Partial<Omit<Handlers.Parts, "spans">> & { readonly spans?: ConsoleSpans["Service"] } = {}
) =>
  Effect.gen(function*() {
    const context = yield* Layer.build(ConsoleApi.toLayer(Handlers.make({
      node,
      act: false,
      sealed: false,
      version: "0",
      instance: "one",
      since: yield* Clock.currentTimeMillis,
      trust: ConsoleTrust.unknown,
      spans: undefined,
      diagnose: undefined,
      ...options
    })))
    return yield* Effect.provideContext(RpcTest.makeClient(ConsoleApi), context)
  })

/** What a page makes of patches. */
export class Shown {
  readonly peers = new Map<number, Peer>()
  readonly links = new Map<number, Set<number>>()
  count = 0
  patches = 0
  largest = 0
  last: Patch | undefined

  take(patch: Patch): void {
    this.patches++
    this.last = patch
    this.largest = Math.max(this.largest, JSON.stringify(patch).length)
    for (const id of patch.gone) {
      this.peers.delete(id)
      this.links.delete(id)
      for (const to of this.links.values()) to.delete(id)
    }
    for (const peer of patch.peers) this.peers.set(peer.id, peer)
    for (const { from, gone, to } of patch.links) {
      const sees = this.links.get(from) ?? new Set()
      this.links.set(from, sees)
      for (const id of to) sees.add(id)
      for (const id of gone) sees.delete(id)
    }
    this.count = patch.count
  }

  /** Names of peers, and of whom each sees. */
  get sees(): Record<string, ReadonlyArray<string>> {
    return Object.fromEntries(
      [...this.links].map(([from, to]) =>
        [this.peers.get(from)!.name, [...to].map((id) => this.peers.get(id)!.name).sort()] as const
      ).sort(([a], [b]) => a < b ? -1 : 1)
    )
  }

  named(name: string): Peer | undefined {
    return [...this.peers.values()].find((peer) => peer.name === name)
  }
}

type Client = Effect.Success<ReturnType<typeof consoleOf>>

/** A page that has `watch` open, until the scope closes. */
export const watching = (client: Client) =>
  Effect.gen(function*() {
    const shown = new Shown()
    yield* Effect.forkScoped(Stream.runForEach(client.watch(), (patch) => Effect.sync(() => shown.take(patch))))
    return shown
  })
