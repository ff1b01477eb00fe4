/**
 * The directory in JetStream: a key for each node that is there, in a bucket of the network. It says who might be there, and nothing else:
 * whoever is in it is asked. What is forbidden or fails is left, since any node can be asked who it knows, too.
 */
import { jetstream } from "@nats-io/jetstream"
import { type KV, Kvm } from "@nats-io/kv"
import type { NatsConnection } from "@nats-io/nats-core"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Subjects from "../Subjects.ts"
import type { Bus } from "./bus.ts"

// A node says that it is there at least three times in it, and one that crashed is in it for so long.
const ttl = 3_600_000
export const renewed = ttl / 3

const empty = new Uint8Array(0)

export class Directory {
  readonly #bus: Bus
  readonly #most: number
  #client: NatsConnection | undefined
  #bucket: KV | undefined

  constructor(bus: Bus, most: number) {
    this.#bus = bus
    this.#most = most
  }

  /** Says that this node is there. */
  get enter(): Effect.Effect<void> {
    return this.#using((bucket) => bucket.put(this.#bus.own, empty))
  }

  /** Says that it is not. */
  get leave(): Effect.Effect<void> {
    return this.#bucket === undefined ? Effect.void : this.#using((bucket) => bucket.delete(this.#bus.own))
  }

  /** The tokens of the nodes that are in it; empty where there is none. */
  get tokens(): Effect.Effect<ReadonlyArray<string>> {
    return Effect.gen({ self: this }, function*() {
      const bucket = yield* this.#open
      if (bucket === undefined) return []
      const keys = yield* Effect.tryPromise(() => bucket.keys())
      return yield* Stream.fromAsyncIterable(keys, (cause) => cause).pipe(
        Stream.filter(Subjects.isNode),
        Stream.take(this.#most),
        Stream.runCollect
      )
    }).pipe(
      Effect.timeout("5 seconds"),
      Effect.catchCause((cause) => Effect.as(Effect.logDebug("the directory in JetStream cannot be read", cause), []))
    )
  }

  get #open(): Effect.Effect<KV | undefined> {
    return Effect.suspend(() => {
      const client = this.#bus.jetStream()
      if (client === undefined) return Effect.succeed(undefined)
      if (client === this.#client) return Effect.succeed(this.#bucket)
      const name = Subjects.bucket(this.#bus.network)
      const options = { history: 1, ttl, max_bytes: this.#most * 256 }
      // Without a look at the whole account first, which nodes need not be permitted.
      return Effect.tryPromise(() => new Kvm(jetstream(client, { checkAPI: false })).create(name, options)).pipe(
        Effect.timeout("5 seconds"),
        Effect.catchCause((cause) =>
          Effect.as(
            Effect.logDebug("there is no directory in JetStream, so that nodes are asked alone", cause),
            undefined
          )
        ),
        Effect.tap((bucket) =>
          Effect.sync(() => {
            this.#client = client
            this.#bucket = bucket
          })
        )
      )
    })
  }

  #using(use: (bucket: KV) => Promise<unknown>): Effect.Effect<void> {
    return Effect.flatMap(
      this.#open,
      (bucket) => bucket === undefined ? Effect.void : Effect.tryPromise(() => use(bucket))
    ).pipe(
      Effect.timeout("5 seconds"),
      Effect.catchCause((cause) => Effect.logDebug("the directory in JetStream cannot be written", cause)),
      Effect.asVoid
    )
  }
}
