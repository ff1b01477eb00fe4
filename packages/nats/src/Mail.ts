/**
 * Letters to peers that are not there now: sealed for the receiver's key, and kept by the NATS server until he has handled them.
 *
 * ```ts
 * import { Mail } from "@pnet/nats"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const mail = yield* Mail.Mail
 *   yield* mail.handle(({ from, id, text }) => Effect.log(`${from.name} wrote ${text} (${id})`))
 *   const { id } = yield* mail.post("bob", "hello, when you are back")
 * })
 * ```
 *
 * What bites: a letter is handled at least once. One that was handled is known by its id for as long as letters are kept, so that doubles are
 * dropped; but a node that ends between the end of its handler and saying so handles it again. Do what a letter asks for under its id.
 *
 * @since 0.2.0
 */
import { DiscardPolicy, jetstream, type JetStreamClient, jetstreamManager, RetentionPolicy } from "@nats-io/jetstream"
import { type KV, Kvm } from "@nats-io/kv"
import type { NatsConnection } from "@nats-io/nats-core"
import { connect as connectTcp } from "@nats-io/transport-node"
import { Crypto, Entropy } from "@pnet/core/Crypto"
import { NodeConfig, type OptionsError } from "@pnet/core/NodeOptions"
import type { NodeName } from "@pnet/core/Packet"
import * as Peers from "@pnet/core/Peers"
import type { PublicKey } from "@pnet/core/PublicKey"
import { Trust } from "@pnet/core/Trust"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Back from "./internal/back.ts"
import * as Bounds from "./internal/bounds.ts"
import * as Client from "./internal/client.ts"
import * as Letters from "./internal/mail/letter.ts"
import * as Reading from "./internal/mail/reading.ts"
import { messageIdOf } from "./internal/messageId.ts"
import { textOf, utf8 } from "./internal/platform.ts"
import { refusalOf } from "./internal/refusal.ts"
import * as Streams from "./internal/streams.ts"
import { MailboxError, PostError } from "./MailError.ts"
import type { NatsError } from "./NatsError.ts"
import * as NatsOptions from "./NatsOptions.ts"
import * as Subjects from "./Subjects.ts"

/**
 * A letter that came.
 *
 * @category models
 * @since 0.2.0
 */
export interface Letter {
  /** The same each time that it is handled: what its sender gave it, unique among those of this sender. */
  readonly id: string
  /** Who sealed it, as the trust policy knows him. */
  readonly from: { readonly name: NodeName; readonly publicKey: PublicKey }
  /** When, by his clock, in milliseconds since the epoch. */
  readonly postedAt: number
  readonly data: Uint8Array
  /** The data as UTF-8; empty where it is none. */
  readonly text: string
  /** Which time this is, from 1 on. */
  readonly attempt: number
}

/**
 * What a sender learns: the server has it, and keeps it. Not that it was handled.
 *
 * @category models
 * @since 0.2.0
 */
export interface Posted {
  readonly id: string
  /** Its number in the stream. */
  readonly sequence: number
  /** Whether the server had a letter of this id already, from the last 10 minutes. */
  readonly duplicate: boolean
}

/**
 * Whom a letter is for: a name, whose key is that of the peer who has it or of its pin, or a name with a key.
 *
 * @category models
 * @since 0.2.0
 */
export type Receiver = string | { readonly name: string; readonly publicKey: PublicKey }

/**
 * Options of mail, besides those of NATS.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options extends NatsOptions.Input {
  /** How long a letter is kept that nobody reads, at most. The first node of a network that has mail says it for all. Default 7 days. */
  readonly keptFor?: Duration.Input | undefined
  /** Letters of one sender that wait for one receiver. One more is refused. Said as `keptFor` is. Default 1,000. */
  readonly waiting?: number | undefined
  /** Bytes of all letters of the network. One more is refused. Said as `keptFor` is. Default 1 GiB, or what the account has room for, where that is less. */
  readonly bytes?: number | undefined
  /** How often a letter is handled, that fails each time, before it is put with the dead ones. Default 5. */
  readonly attempts?: number | undefined
  /** The wait after the first failure, four times as long after each further one. Default 1 second. */
  readonly retryAfter?: Duration.Input | undefined
}

/**
 * A node's mail.
 *
 * @category services
 * @since 0.2.0
 */
export class Mail extends Context.Service<Mail, {
  /** Seals a letter, and has the server keep it. With an `id` of one's own it may be posted again when it is not known whether it was taken. */
  readonly post: (
    to: Receiver,
    payload: Uint8Array | string,
    options?: { readonly id?: string | undefined }
  ) => Effect.Effect<Posted, PostError>
  /**
   * Handles the letters of this node, one after the other, until the scope closes. One whose handler succeeded is gone; one whose handler failed
   * is handled again in a while, and others meanwhile.
   */
  readonly handle: <E, R>(
    handler: (letter: Letter) => Effect.Effect<void, E, R>
  ) => Effect.Effect<void, MailboxError, R | Scope.Scope>
  /** How many letters of this node wait, those that are handled now and those that were put off among them. */
  readonly waiting: Effect.Effect<number, MailboxError>
  /** The letters that failed too often, or came when they were too old to be handled, the oldest first, at most 1,000. */
  readonly dead: Effect.Effect<ReadonlyArray<Letter>, MailboxError>
}>()("@pnet/nats/Mail") {}

const week = 7 * 86_400_000
const duplicateWindow = 600_000

/** The stream of a network's mail, and the bucket of what was handled. */
export const streamOf = (networkToken: string): string => `pnet_mail_${networkToken}`
const handledOf = (networkToken: string): string => `pnet_handled_${networkToken}`

interface Keeping {
  readonly keptFor: number
  readonly waiting: number
  readonly bytes: number | undefined
}

interface Box {
  readonly client: NatsConnection
  readonly js: JetStreamClient
  readonly handled: KV
}

const nanos = (millis: number) => millis * 1_000_000

/** Makes the stream and the bucket, where they are not there. */
const open = (client: NatsConnection, network: string, { bytes, keptFor, waiting }: Keeping) =>
  Effect.tryPromise({
    try: () =>
      jetstreamManager(client).then((manager) =>
        Streams.open(manager, {
          name: streamOf(network),
          subjects: [`pnet.${network}.*.mail.*`, `pnet.${network}.*.dead.*`],
          // What was handled is gone, and makes room.
          retention: RetentionPolicy.Workqueue,
          max_age: nanos(keptFor),
          max_msgs_per_subject: waiting,
          discard: DiscardPolicy.New,
          discard_new_per_subject: true,
          duplicate_window: nanos(Math.min(duplicateWindow, keptFor))
        }, bytes)
      ).then(() => new Kvm(client).create(handledOf(network), { history: 1, ttl: keptFor + 86_400_000 }))
        .then((handled): Box => ({ client, js: jetstream(client), handled })),
    catch: (cause) => new MailboxError({ cause })
  })

const kinds = {
  Full: "MailboxFull",
  NoStream: "NoMailbox",
  TooLarge: "TooLarge",
  NoServer: "NoServer",
  Unsure: "Unsure"
} as const

const letterOf = ({ from, id, payload, postedAt }: Letters.Letter, attempt: number): Letter => ({
  id,
  from,
  postedAt,
  data: payload,
  text: textOf(payload) ?? "",
  attempt
})

const make = (options: NatsOptions.NatsOptions, own: Options) =>
  Effect.gen(function*() {
    const config = yield* NodeConfig
    const crypto = yield* Crypto
    const trust = yield* Trust
    const peers = yield* Peers.Peers
    const clock = yield* Clock.Clock
    const entropy = yield* Entropy
    const { identity, keyRing, name, networkId } = config
    const { attempts, bytes, keptFor: kept, retryAfter, waiting } = own
    yield* Bounds.checked("options of mail", { attempts, bytes, waiting }, { keptFor: kept, retryAfter })
    const network = Subjects.network(networkId)
    const token = Subjects.ofKey(identity.publicKey)
    const keptFor = Duration.toMillis(own.keptFor ?? week)
    const client = yield* Client.connect(options, {
      name: `pnet mail ${token}`,
      inboxPrefix: Subjects.inboxOf(network, token)
    })
    const opening = open(client, network, { keptFor, waiting: own.waiting ?? 1_000, bytes: own.bytes })
    const box = yield* opening
    const back = yield* Back.make(client)
    const sealing = (): Letters.Sealing => ({ crypto, identity, networkId, networkKeys: keyRing.bytesUnsafe() })

    const keyOf = (to: Receiver): Effect.Effect<PublicKey | undefined> =>
      typeof to !== "string" ? Effect.succeed(to.publicKey) : Effect.gen(function*() {
        const pinned = yield* trust.expected(to as NodeName)
        if (pinned !== undefined) return pinned
        const peer = yield* peers.get(to)
        return peer?.proved === true ? peer.publicKey : undefined
      })

    const drawn = () => {
      const bytes = new Uint8Array(12)
      entropy(bytes)
      return Base64Url.encode(bytes)
    }

    const post: Mail["Service"]["post"] = (to, payload, postOptions) =>
      Effect.gen(function*() {
        const id = postOptions?.id ?? drawn()
        const called = typeof to === "string" ? to : to.name
        const failed = (kind: PostError["kind"], cause?: unknown) =>
          new PostError({ kind, to: called, id, ...(cause === undefined ? {} : { cause }) })
        if (!Letters.isId(id)) return yield* failed("InvalidId")
        const publicKey = yield* keyOf(to)
        if (publicKey === undefined) return yield* failed("ReceiverUnknown")
        const sealed = Letters.seal(sealing(), publicKey, {
          id,
          from: { name, publicKey: identity.publicKey },
          postedAt: clock.currentTimeMillisUnsafe(),
          payload: typeof payload === "string" ? utf8(payload) : payload
        })
        const most = client.info?.max_payload
        if (most !== undefined && sealed.length > most - Letters.overhead) return yield* failed("TooLarge")
        const receiver = Subjects.ofKey(publicKey)
        const sent = Effect.tryPromise({
          try: () =>
            box.js.publish(Subjects.make(network, token, "mail", receiver), sealed, {
              msgID: messageIdOf(identity, "mail", receiver, id),
              timeout: 5_000
            }),
          catch: (cause) => failed(kinds[refusalOf(cause)], cause)
        })
        const once = Back.unlessLost(sent, back, () => failed("Unsure"))
        const acknowledged = yield* Effect.catchIf(
          once,
          ({ kind }) => kind === "NoMailbox",
          // Where the stream is gone, and this user may make it.
          (error) => Effect.andThen(Effect.mapError(opening, () => error), once)
        )
        return { id, sequence: acknowledged.seq, duplicate: acknowledged.duplicate }
      })

    const parts: Reading.Parts = {
      js: box.js,
      handled: box.handled,
      stream: streamOf(network),
      network,
      token,
      attempts: own.attempts ?? 5,
      retryAfter: Duration.toMillis(own.retryAfter ?? 1_000),
      back,
      reopen: Effect.asVoid(opening),
      open: (bytes) => Letters.open(sealing(), bytes, clock.currentTimeMillisUnsafe(), keptFor),
      openAnyTime: (bytes) => Letters.open(sealing(), bytes, clock.currentTimeMillisUnsafe(), Infinity, Infinity),
      now: () => clock.currentTimeMillisUnsafe(),
      deadId: (sequence) => messageIdOf(identity, "dead", streamOf(network), `${sequence}`),
      trusted: ({ from }) => Effect.isSuccess(trust.check(from.name, from.publicKey))
    }
    return Mail.of({
      post,
      handle: (handler) => Reading.handle(parts, (letter, attempt) => handler(letterOf(letter, attempt))),
      waiting: Reading.waiting(parts),
      dead: Effect.map(
        Reading.dead(parts, 1_000),
        (letters) => letters.map((letter) => letterOf(letter, parts.attempts))
      )
    })
  })

/**
 * The mail of the node whose configuration is in the context: beside `CommandNode.layerWithConfig`. It has a connection of its own.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<Mail, OptionsError | NatsError | MailboxError, NodeConfig | Crypto | Trust | Peers.Peers> => {
  const { attempts, bytes, keptFor, retryAfter, waiting, ...nats } = options
  return Layer.effect(
    Mail,
    Effect.flatMap(
      NatsOptions.make(nats),
      (decoded) => make(decoded, { attempts, bytes, keptFor, retryAfter, waiting })
    ).pipe(
      Effect.provideService(Client.Dialler, connectTcp)
    )
  )
}
