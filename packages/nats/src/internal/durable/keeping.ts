/** Publishing what is to be kept: numbered, signed, sealed, and acknowledged by the server. */
import type { JetStreamClient } from "@nats-io/jetstream"
import type { NatsConnection } from "@nats-io/nats-core"
import type { KeyPair } from "@pnet/core/Crypto"
import { Entropy } from "@pnet/core/Crypto"
import type { NodeName } from "@pnet/core/Packet"
import * as Topic from "@pnet/core/Topic"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import { KeepError } from "../../DurableTopicsError.ts"
import * as Subjects from "../../Subjects.ts"
import * as Back from "../back.ts"
import { isId } from "../mail/letter.ts"
import { messageIdOf } from "../messageId.ts"
import { refusalOf } from "../refusal.ts"
import * as Items from "./item.ts"
import * as Names from "./names.ts"
import * as Values from "./values.ts"

export interface Parts {
  readonly client: NatsConnection
  readonly js: JetStreamClient
  readonly identity: KeyPair
  readonly name: NodeName
  readonly network: string
  readonly token: string
  readonly sealing: () => Items.Sealing
  readonly back: Back.Back
  /** Makes the stream, where it is gone and this user may. */
  readonly reopen: Effect.Effect<void, unknown>
}

/** As `DurableTopics` has them, which says what each is. */
export interface PublishOptions {
  readonly id?: string | undefined
  readonly key?: string | undefined
}

/** As `DurableTopics` has it. */
export interface Kept {
  readonly id: string
  readonly seq: number
  readonly duplicate: boolean
}

const answersWithin = 5_000

/** Publishes for this run of the node. */
export const make = ({ back, client, identity, js, name, network, reopen, sealing, token }: Parts) =>
  Effect.gen(function*() {
    const clock = yield* Clock.Clock
    const entropy = yield* Entropy
    const drawn = (length: number) => {
      const bytes = new Uint8Array(length)
      entropy(bytes)
      return bytes
    }
    const run = Array.from(drawn(Items.runLength), (byte) => byte.toString(16).padStart(2, "0")).join("")
    // The last number of each topic that this node publishes on.
    const numbers = new Map<string, number>()

    return (
      topic: string | Topic.Any,
      value: unknown,
      options?: PublishOptions
    ): Effect.Effect<Kept, KeepError | Topic.InvalidPublicationError, any> =>
      Effect.gen(function*() {
        const called = typeof topic === "string" ? topic : topic.name
        const id = options?.id ?? Base64Url.encode(drawn(12))
        const wrong = Names.wrongWith(called, false) ?? (isId(id) ? undefined : "its id is none")
        if (wrong !== undefined) return yield* new Topic.InvalidPublicationError({ topic: called, issue: wrong })
        const coding = Values.codingOf(topic)
        const key = yield* Values.keyOf(called, coding, value, options?.key)
        const payload = yield* coding.encode(value)
        const failed = (kind: KeepError["kind"], cause?: unknown) =>
          new KeepError({ kind, topic: called, id, ...(cause === undefined ? {} : { cause }) })

        // What is sent is sent in the order of the numbers.
        let number = 0
        const sent = Effect.suspend(() => {
          number = (numbers.get(called) ?? 0) + 1
          const sealed = Items.seal(sealing(), identity, {
            topic: called,
            from: { name, publicKey: identity.publicKey },
            id,
            at: clock.currentTimeMillisUnsafe(),
            run,
            number,
            key,
            kind: coding.kind,
            payload
          })
          const most = client.info?.max_payload
          if (most !== undefined && sealed.length > most - 512) return Effect.fail(failed("TooLarge"))
          numbers.set(called, number)
          const subject = Subjects.make(network, token, "topic", Subjects.topic(called))
          return Effect.tryPromise({
            try: () =>
              js.publish(subject, sealed, {
                msgID: messageIdOf(identity, "topic", called, id),
                timeout: answersWithin
              }),
            catch: (cause) => failed(refusalOf(cause), cause)
          })
        })
        // A number that nothing was kept under is given again, where none was after it.
        const giveBack = Effect.sync(() => {
          if (numbers.get(called) === number) numbers.set(called, number - 1)
        })
        const once = Effect.tapError(
          Back.unlessLost(sent, back, () => failed("Unsure")),
          ({ kind }) => kind === "Unsure" ? Effect.void : giveBack
        )
        const { duplicate, seq } = yield* Effect.catchIf(
          once,
          ({ kind }) => kind === "NoStream",
          (error) => Effect.andThen(Effect.mapError(reopen, () => error), once)
        )
        if (duplicate) yield* giveBack
        return { id, seq, duplicate }
      })
  })
