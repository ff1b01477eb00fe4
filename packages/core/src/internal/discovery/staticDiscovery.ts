/**
 * Discovery at known addresses (protocol section 7): the name and key behind an address are learned by an exchange of
 * adverts over TCP, again every interval (every fourth where it is heard otherwise), which is also how the node there stays heard. A host name stands for the addresses it
 * has at the time.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Crypto } from "../../Crypto.ts"
import type { Discovery, Sighting } from "../../Discovery.ts"
import { type Endpoint, Network } from "../../Network.ts"
import { NodeConfig } from "../../NodeOptions.ts"
import type { Obstacle } from "../../Obstacle.ts"
import { Transport } from "../../Transport.ts"
import { isNamed } from "../values/hostName.ts"
import { selfOf } from "../wire/self.ts"
import { type Listed, listedOf, Notes, resolve } from "./listed.ts"
import { Questions } from "./questions.ts"

// In intervals: a name that resolves is resolved again this often.
const resolveEvery = 4

const nothingListed = (bindIp: string): Obstacle => ({
  kind: "NothingListed",
  where: bindIp,
  what:
    `this node is bound to ${bindIp}, where nothing is broadcast, and peers is empty: it finds nobody, and is found by those that list it`,
  remedy: "list the addresses of other nodes in peers, or bind to an IPv4 address, on which nodes find each other"
})

/** Asks at the addresses that the entries of a list have now, and at no other, as a node that listens at `from`. */
class Rounds {
  readonly #config: NodeConfig["Service"]
  readonly #notes: Notes
  readonly #questions: Questions
  readonly #listed: ReadonlyArray<Listed>
  readonly #asking: FiberMap.FiberMap<string>
  readonly #from: Endpoint

  constructor(
    parts: {
      readonly config: NodeConfig["Service"]
      readonly notes: Notes
      readonly questions: Questions
      readonly listed: ReadonlyArray<Listed>
    },
    asking: FiberMap.FiberMap<string>,
    from: Endpoint
  ) {
    this.#config = parts.config
    this.#notes = parts.notes
    this.#questions = parts.questions
    this.#listed = parts.listed
    this.#asking = asking
    this.#from = from
  }

  /** Follows the list as it is now. */
  get follow(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function*() {
      const wanted = new Map(this.#listed.flatMap(({ endpoints }) => [...endpoints]))
      this.#questions.keep(wanted)
      for (const [place] of this.#asking) {
        if (wanted.has(place)) continue
        this.#notes.over(place)
        yield* FiberMap.remove(this.#asking, place)
      }
      for (const [place, to] of wanted) {
        const loop = Effect.forever(Effect.andThen(this.#questions.turn(to, this.#from), this.#pause(1)))
        yield* FiberMap.run(this.#asking, place, loop, { onlyIfMissing: true })
      }
    })
  }

  /** Follows the addresses of a name, for ever. */
  followName(network: Network["Service"], endpoint: Endpoint, one: Listed): Effect.Effect<never> {
    const { limits: { addressesPerName } } = this.#config
    return Effect.forever(Effect.gen({ self: this }, function*() {
      const endpoints = yield* resolve(network, this.#notes, addressesPerName, endpoint, one)
      if (endpoints !== undefined) {
        one.endpoints = endpoints
        yield* this.follow
      }
      yield* this.#pause(endpoints === undefined ? 1 : resolveEvery)
    }))
  }

  /** Nothing is listed, which is said, and said again. */
  get nothing(): Effect.Effect<void, never, Scope.Scope> {
    const said = this.#notes.met("nothing", nothingListed(this.#config.bindIp))
    return Effect.andThen(said, Effect.forkScoped(Effect.forever(Effect.andThen(this.#pause(1), said))))
  }

  #pause(intervals: number): Effect.Effect<void> {
    return Effect.flatMap(
      Random.next,
      (random) => Effect.sleep(Duration.times(this.#config.broadcastInterval, intervals * (0.9 + random * 0.2)))
    )
  }
}

export const make = (
  addresses: ReadonlyArray<Endpoint>
): Effect.Effect<Discovery["Service"], never, Network | Transport | Crypto | NodeConfig> =>
  Effect.gen(function*() {
    const network = yield* Network
    const transport = yield* Transport
    const clock = yield* Clock.Clock
    const config = yield* NodeConfig
    const self = selfOf(yield* Crypto, clock, config)
    const { limits } = config
    const names = addresses.filter(isNamed).length
    // As many as there are addresses: a later answer from one takes the place of nothing but an older one.
    const places = addresses.length - names + names * limits.addressesPerName
    const sightings = yield* Queue.sliding<Sighting>(Math.max(16, places * 2))
    const notes = new Notes(config, clock)
    const listed = addresses.map(listedOf)
    const questions = new Questions({
      transport,
      self,
      clock,
      limits,
      notes,
      listed,
      onSighting: (sighting) => Queue.offer(sightings, sighting)
    })

    return {
      // Who listens nowhere says port 0, which is nobody's.
      advertise: (from = { host: config.bindIp, port: 0 }) =>
        Effect.gen(function*() {
          const rounds = new Rounds({ config, notes, questions, listed }, yield* FiberMap.make<string>(), from)
          yield* rounds.follow
          for (const [i, endpoint] of addresses.entries()) {
            if (isNamed(endpoint)) yield* Effect.forkScoped(rounds.followName(network, endpoint, listed[i]!))
          }
          if (addresses.length === 0) yield* rounds.nothing
        }),
      sightings: Stream.fromQueue(sightings),
      attend: (heardAt) => {
        questions.heardAt = heardAt
      }
    }
  })
