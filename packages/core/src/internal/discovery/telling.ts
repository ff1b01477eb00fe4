/** Telling everybody of this node: in a burst when it starts, each interval while it is there, and that it leaves. */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { DiscoveryError } from "../../Discovery.ts"
import type { NodeConfig } from "../../NodeOptions.ts"
import type { Sockets } from "./sockets.ts"

const burst = [0, 100, 200]
// On a network with a key "leaving" outdates all other adverts of its second, also those of a node that starts again within it.
// One more, a second after the first, has a later time than whatever was said before the start.
const nextSecond = 750
// Datagrams get lost, and nobody is left to repeat this one.
const leavingCopies = 4
// Of many, some miss all of those.
const leavingCopiesInCrowd = 8

/** How long to wait between broadcasts, in milliseconds, and whether that is for many. */
interface Pace {
  readonly interval: number
  readonly isCrowd: boolean
}

/** Waits so many milliseconds, give or take a tenth, so that nodes do not fall in step. */
export const jittered = (millis: number): Effect.Effect<void> =>
  Effect.flatMap(Random.next, (random) => Effect.sleep(millis * (0.9 + random * 0.2)))

export class Telling {
  readonly #config: NodeConfig["Service"]
  readonly #sockets: Sockets
  readonly #crowd: Pace
  readonly #encrypted: boolean
  // One at a time: a round closes and opens the sockets that another would be writing to.
  readonly #rounds = Semaphore.makeUnsafe(1)
  #port: number | undefined

  constructor(
    config: NodeConfig["Service"],
    sockets: Sockets,
    crowd: Pace,
    encrypted: boolean
  ) {
    this.#config = config
    this.#sockets = sockets
    this.#crowd = crowd
    this.#encrypted = encrypted
  }

  /** While it advertises: the port this node listens on. */
  get port(): number | undefined {
    return this.#port
  }

  /** Tells on every interface that is there now; how many the system forbade. */
  get round(): Effect.Effect<number> {
    return this.#rounds.withPermit(
      Effect.suspend(() =>
        this.#port === undefined
          ? Effect.succeed(0)
          : Effect.andThen(this.#sockets.refresh, this.#sockets.broadcast(this.#port))
      )
    )
  }

  /** Tells of a port until the scope closes, and then that the node leaves. */
  advertise(port: number): Effect.Effect<void, DiscoveryError, Scope.Scope> {
    const { advertisePort, bindIp, peers } = this.#config
    return Effect.gen({ self: this }, function*() {
      this.#port = port
      yield* Effect.addFinalizer(() => this.#leave)
      const forbidden = yield* this.round
      // Nodes at known addresses can be reached all the same.
      if (forbidden > 0 && forbidden === this.#sockets.size && peers.length === 0) {
        return yield* new DiscoveryError({ kind: "BroadcastImpossible", address: bindIp, port: advertisePort })
      }
      yield* Effect.forkScoped(Effect.gen({ self: this }, function*() {
        for (const wait of [...burst.slice(1), ...this.#encrypted ? [nextSecond] : []]) {
          yield* Effect.sleep(wait)
          yield* this.round
        }
        while (true) {
          yield* jittered(this.#crowd.interval)
          yield* this.round
        }
      }))
    })
  }

  get #leave(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const length = this.#crowd.isCrowd ? leavingCopiesInCrowd : leavingCopies
      this.#port = undefined
      return this.#rounds.withPermit(
        Effect.forEach(Array.from({ length }), () => this.#sockets.broadcast(0), { discard: true })
      )
    })
  }
}
