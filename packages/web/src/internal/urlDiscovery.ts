/**
 * Nodes at listed URLs (protocol section 20): each is asked for its name and key by a connection of its own, at once, and again while this node has no
 * connection to it. While it has one, that is how the node there is heard.
 */
import * as Adverts from "@pnet/core/Adverts"
import type { Crypto } from "@pnet/core/Crypto"
import type { Discovery, Sighting } from "@pnet/core/Discovery"
import type { Endpoint } from "@pnet/core/Network"
import { NodeConfig } from "@pnet/core/NodeOptions"
import type { Obstacle } from "@pnet/core/Obstacle"
import type { ProtocolError } from "@pnet/core/ProtocolError"
import * as PublicKey from "@pnet/core/PublicKey"
import type { ConnectionClosedError, DialError, Transport } from "@pnet/core/Transport"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import type { ListedUrl } from "./listedUrls.ts"

// Where nobody answers it is asked again so soon at first, in milliseconds, then after twice as long each time, up to the interval of adverts.
const soonest = 250
// A server that starts is asked before it listens; only that it goes on is worth a word.
const failuresNoted = 2

type Failure = DialError | ProtocolError | ConnectionClosedError

const obstacleOf = (url: string, error: Failure): Obstacle => {
  const code = error._tag === "ProtocolError" ? error.code : undefined
  const listed = `${url}, which peers lists`
  switch (code) {
    case "ERR_NETWORK_INCORRECT":
      return {
        kind: "NetworkId",
        where: url,
        what: `the node at ${listed}, belongs to another network`,
        remedy: "give both the same networkId and networkKey"
      }
    case "ERR_NET_DECRYPTION_FAILED":
      return {
        kind: "NetworkKey",
        where: url,
        what:
          `the node at ${listed}, and this one cannot read each other: the network keys differ, or only one of them has one, or the clocks differ by over a minute`,
        remedy: "give all nodes of the network the same networkKey, and set the clocks"
      }
    default:
      return {
        kind: "NoAnswer",
        where: url,
        what: `no node answers at ${listed}: ${
          error._tag === "DialError" && error.kind === "Refused" ? "no WebSocket could be opened there" : error.message
        }`,
        remedy:
          "see whether the server runs, listens at that path and lets this page's origin connect; a page that came by https: can use wss: alone"
      }
  }
}

/** Those who are asked, and what is told of them. */
class Asking {
  readonly #config: NodeConfig["Service"]
  readonly #clock: Clock.Clock
  readonly #ask: (to: Endpoint) => Effect.Effect<Adverts.Heard, Failure>
  readonly #isConnected: (to: Endpoint) => boolean
  readonly #tell: (sighting: Sighting) => Effect.Effect<unknown>

  constructor(parts: {
    readonly config: NodeConfig["Service"]
    readonly clock: Clock.Clock
    readonly ask: (to: Endpoint) => Effect.Effect<Adverts.Heard, Failure>
    readonly isConnected: (to: Endpoint) => boolean
    readonly tell: (sighting: Sighting) => Effect.Effect<unknown>
  }) {
    this.#config = parts.config
    this.#clock = parts.clock
    this.#ask = parts.ask
    this.#isConnected = parts.isConnected
    this.#tell = parts.tell
  }

  /** Asks at a URL, for ever. */
  follow(listed: ListedUrl): Effect.Effect<never> {
    const interval = Duration.toMillis(this.#config.broadcastInterval)
    let failures = 0
    let last: Sighting | undefined
    const step: Effect.Effect<void> = Effect.gen({ self: this }, function*() {
      if (last !== undefined && this.#isConnected(listed.endpoint)) {
        yield* this.#tell(last)
        return
      }
      last = yield* this.#look(listed, failures)
      failures = last === undefined ? failures + 1 : 0
      if (last !== undefined) yield* this.#tell(last)
    })
    return Effect.forever(
      Effect.andThen(
        step,
        Effect.suspend(() =>
          jittered(failures === 0 ? interval : Math.min(interval, soonest * 2 ** Math.min(failures - 1, 20)))
        )
      )
    )
  }

  /** Asks once. */
  #look({ endpoint, publicKey: pinned, url }: ListedUrl, failures: number): Effect.Effect<Sighting | undefined> {
    return this.#ask(endpoint).pipe(Effect.matchEffect({
      onFailure: (error) =>
        Effect.as(
          failures + 1 < failuresNoted && error._tag !== "ProtocolError"
            ? Effect.void
            : this.#met(url, () => obstacleOf(url, error)),
          undefined
        ),
      onSuccess: ({ advert, publicKey }) => {
        const sighting: Sighting = {
          name: advert.name,
          publicKey,
          endpoint,
          source: endpoint,
          via: "static",
          answer: Effect.void
        }
        // Listed by itself.
        if (publicKey === this.#config.identity.publicKey) return Effect.succeed(undefined)
        if (pinned === undefined || pinned === publicKey) {
          this.#config.obstacles.over(`listed ${url}`)
          return Effect.succeed(sighting)
        }
        return Effect.as(
          this.#met(url, () => ({
            kind: "PinnedKey",
            where: url,
            what: `the node at ${url}, which peers lists, has the key ${PublicKey.fingerprint(publicKey)}, and ${
              PublicKey.fingerprint(pinned)
            } is behind the # of its URL`,
            remedy: "compare the keys: if the node was set up anew, list its new one; if not, somebody poses as it"
          })),
          undefined
        )
      }
    }))
  }

  #met(url: string, look: () => Obstacle): Effect.Effect<void> {
    return Effect.suspend(() => {
      const now = Number(this.#clock.monotonicTimeNanosUnsafe() / 1_000_000n)
      return this.#config.obstacles.met(`listed ${url}`, now, look, { listed: true }) ?? Effect.void
    })
  }
}

const jittered = (millis: number): Effect.Effect<void> =>
  Effect.flatMap(Random.next, (random) => Effect.sleep(millis * (0.9 + random * 0.2)))

export const make = (
  listed: ReadonlyArray<ListedUrl>,
  transport: Transport["Service"],
  isConnected: (to: Endpoint) => boolean
): Effect.Effect<Discovery["Service"], never, Crypto | NodeConfig> =>
  Effect.gen(function*() {
    const adverts = yield* Adverts.make
    const sightings = yield* Queue.sliding<Sighting>(Math.max(16, listed.length * 2))
    const parts = {
      config: yield* NodeConfig,
      clock: yield* Clock.Clock,
      isConnected,
      tell: (sighting: Sighting) => Queue.offer(sightings, sighting)
    }
    return {
      // Who listens nowhere says port 0, which is nobody's.
      advertise: (own = { host: "127.0.0.1", port: 0 }) => {
        const asking = new Asking({ ...parts, ask: (to) => adverts.ask(transport, own, to) })
        return Effect.forEach(listed, (one) => Effect.forkScoped(asking.follow(one)), { discard: true })
      },
      sightings: Stream.fromQueue(sightings)
    }
  })
