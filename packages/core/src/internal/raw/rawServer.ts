/**
 * The answering side of RAW (protocol section 3). Messages of one connection are handled one after another, and answered in
 * that order, so a sender's messages arrive in the order it sent them, and nothing that comes after a refused one is run.
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import type { Crypto, SharedKey } from "../../Crypto.ts"
import type { Endpoint } from "../../Network.ts"
import type { Limits } from "../../NodeOptions.ts"
import * as Packet from "../../Packet.ts"
import * as ProtocolError from "../../ProtocolError.ts"
import * as PublicKey from "../../PublicKey.ts"
import * as Raw from "../../Raw.ts"
import type { SharedKeys } from "../../SharedKeys.ts"
import type { Trust } from "../../Trust.ts"
import { isBytes } from "../base/bytes.ts"
import { describe } from "../base/given.ts"
import * as Metrics from "../base/metrics.ts"
import { utf8 } from "../base/platform.ts"
import { quote } from "../base/quote.ts"
import * as Seldom from "../base/seldom.ts"
import * as WallTime from "../base/wallTime.ts"
import * as Acceptor from "../connect/acceptor.ts"
import type { Self } from "../wire/advertExchange.ts"
import * as PacketStream from "../wire/packetStream.ts"
import * as WriteBuffer from "../wire/writeBuffer.ts"

/** The sender of a message, as its box proved. */
export interface Sender {
  readonly name: Packet.NodeName
  readonly publicKey: PublicKey.PublicKey
  readonly endpoint: Endpoint | undefined
}

/** Handles one message; what it gives is the answer. Never fails: failures are its Exit's. */
export type Handle = (from: Sender, data: Uint8Array) => Effect.Effect<Exit.Exit<unknown, unknown>>

const empty = new Uint8Array(0)

const refused = (error: ProtocolError.ProtocolError) => Effect.fail(new Acceptor.Refusal(error, true))

const internal = refused(ProtocolError.local("ERR_INTERNAL"))

interface Options {
  readonly self: Self
  readonly crypto: Crypto["Service"]
  readonly sharedKeys: SharedKeys
  readonly clock: Clock.Clock
  readonly trust: Trust["Service"]
  readonly limits: Limits
  readonly replay: Raw.Replay
  readonly handle: Handle
  readonly context: Context.Context<never>
}

/** A message that is to be handled. */
interface Message {
  readonly key: SharedKey
  readonly name: Packet.NodeName
  readonly publicKey: PublicKey.PublicKey
  readonly payload: Uint8Array
  readonly stamp: number
}

class RawServer implements Acceptor.Service {
  readonly accepts = Raw.isRaw
  readonly #options: Options
  readonly #lines: Seldom.Lines
  /** The most bytes that an answer may have. */
  readonly #limit: number
  #connections = 0

  constructor(options: Options) {
    const { clock, self: { cipher, name, networkId } } = options
    this.#options = options
    this.#lines = Seldom.lines(clock)
    this.#limit = Raw.maxPayload({ networkId, name, encrypted: cipher.encrypted })
  }

  serve(accepted: Acceptor.Accepted, first: Acceptor.Command): Effect.Effect<void, Acceptor.Refusal> {
    const { limits } = this.#options
    return Effect.suspend(() => {
      if (this.#connections >= limits.rawConnections) {
        return refused(ProtocolError.local("ERR_BUSY", "RAW connections"))
      }
      this.#connections++
      return Effect.ensuring(
        this.#converse(accepted, first),
        Effect.sync(() => {
          this.#connections--
        })
      )
    })
  }

  /** Answers the messages of one connection, to its end. */
  #converse(accepted: Acceptor.Accepted, first: Acceptor.Command) {
    const { clock, context, handle, limits } = this.#options
    return Effect.gen({ self: this }, function*() {
      const { connection, stream } = accepted
      const out = WriteBuffer.make(connection, { clock, writeTimeout: limits.writeTimeout })
      let reading = false
      // An asker that takes no answers is served no longer: its connection may be as open as before, and reading would never
      // say so. A message that is being handled is let finish.
      const unread = Effect.andThen(Effect.ignore(out.run), Effect.suspend(() => reading ? Effect.void : Effect.never))
      const next = this.#next(stream, first)
      const slow = Effect.catchTags(stream.watch(limits.rawIdleTimeout), {
        Idle: () => Effect.void,
        ProtocolError: (error) => Effect.fail(Acceptor.refusal(error))
      })
      yield* Effect.gen({ self: this }, function*() {
        let command = first
        let name: Packet.NodeName | undefined
        while (true) {
          const message = yield* this.#admit(command, name)
          name = message.name
          accepted.proved()
          const from = { name: message.name, publicKey: message.publicKey, endpoint: connection.remote }
          const payload = yield* Effect.flatMap(handle(from, message.payload), (exit) => this.#payloadOf(from, exit))
          Metrics.rawRequests("answered", context)
          out.offer(this.#answer(message, payload))
          if (out.full()) yield* out.room
          if (out.ended()) return
          reading = true
          const following = yield* next
          reading = false
          if (following === undefined) return
          command = following
        }
      }).pipe(
        Effect.raceFirst(slow),
        Effect.tapError(({ error }) => Effect.sync(() => Metrics.rawRequests(error.code, context))),
        // Answers that were given go out before the connection closes, or before the err that ends it. Not when this node
        // is closing: that waits for nobody.
        Effect.tap(() => out.flushed),
        Effect.tapError(() => out.flushed),
        Effect.raceFirst(unread)
      )
    }).pipe(Effect.scoped)
  }

  /** The next message of the connection; `undefined` at its end. */
  #next(stream: PacketStream.PacketStream, first: Acceptor.Command) {
    const { self } = this.#options
    return Effect.gen(function*() {
      const bytes = yield* stream.next
      const decoded = Packet.decode(bytes, {
        networkId: self.networkId,
        types: ["msg", "err"],
        maxLength: Packet.maxStreamLength,
        likelyKey: first.publicKey
      })
      if (Result.isFailure(decoded)) {
        return PacketStream.saysErr(bytes) ? undefined : yield* Effect.fail(Acceptor.refusal(decoded.failure))
      }
      if (decoded.success.type === "err") return undefined
      if (decoded.success.publicKey !== first.publicKey) {
        return yield* Effect.fail(Acceptor.refusal(ProtocolError.local("ERR_PUBLIC_KEY", "another than before")))
      }
      const following = Acceptor.commandOf(self, decoded.success)
      if (Result.isFailure(following)) return yield* Effect.fail(Acceptor.refusal(following.failure))
      return following.success
    }).pipe(
      // Closed: nothing is owed any more.
      Effect.catchTags({
        ConnectionClosedError: () => Effect.undefined,
        ProtocolError: (error) => Effect.fail(Acceptor.refusal(error))
      })
    )
  }

  /** Everything that decides whether a message is handled, in the protocol's order. */
  #admit(command: Acceptor.Command, likely: Packet.NodeName | undefined): Effect.Effect<Message, Acceptor.Refusal> {
    const { clock, crypto, replay, self, sharedKeys, trust } = this.#options
    return Effect.gen({ self: this }, function*() {
      const { bytes, publicKey } = command
      if (!Raw.isRaw(bytes)) return yield* refused(ProtocolError.local("ERR_HANDSHAKE", "not RAW"))
      const key = sharedKeys.get(publicKey)
      const expected = { kind: "request", to: self.identity.publicKey, networkId: self.networkId } as const
      const opened = Raw.open(crypto, key, bytes, expected, likely)
      if (Result.isFailure(opened)) return yield* refused(opened.failure)
      const { name, payload, stamp } = opened.success
      const now = WallTime.millisUnsafe(clock)
      const untimely = replay.checkTime(stamp, now)
      if (untimely !== undefined) return yield* refused(untimely)
      yield* trust.check(name, publicKey).pipe(
        Effect.catch((error) =>
          Effect.andThen(
            this.#lines(
              error.message,
              "untrusted",
              (more) => Effect.logWarning(`refused a message: ${error.message}${more}`)
            ),
            refused(ProtocolError.local("ERR_UNTRUSTED"))
          )
        )
      )
      const known = (yield* trust.expected(name)) === publicKey
      const replayed = replay.accept(publicKey, stamp, now, known)
      if (replayed !== undefined) return yield* refused(replayed)
      return { key, name, payload, publicKey, stamp }
    })
  }

  /** The packet of an answer. */
  #answer(message: Message, payload: Uint8Array): Uint8Array {
    const { crypto, self: { cipher, identity: { publicKey: own }, name, networkId } } = this.#options
    const answer = Raw.seal(crypto, message.key, {
      kind: "answer",
      to: message.publicKey,
      networkId,
      name,
      stamp: message.stamp,
      payload
    })
    return Packet.encode({
      networkId,
      type: "rsp",
      content: cipher.seal("rsp", own, Raw.toText(answer)),
      publicKey: own
    })
  }

  /** The bytes that a handler answered with, whatever it gave. */
  #payloadOf(from: Sender, exit: Exit.Exit<unknown, unknown>): Effect.Effect<Uint8Array, Acceptor.Refusal> {
    const who = () => `${quote(from.name)} (${PublicKey.fingerprint(from.publicKey)})`
    if (Exit.isFailure(exit)) {
      // Interruption is this node closing; there is nothing to report.
      const log = Cause.hasInterruptsOnly(exit.cause)
        ? Effect.void
        : this.#lines(
          Seldom.defect("", exit.cause),
          "failed",
          (more) => Effect.logError(`handling a message from ${who()} failed${more}`, exit.cause)
        )
      return Effect.andThen(log, internal)
    }
    const value = exit.value
    const payload = value === undefined ? empty : typeof value === "string" ? utf8(value) : value
    if (!isBytes(payload)) {
      return Effect.andThen(
        this.#lines(describe(payload), "answer", (more) =>
          Effect.logError(
            `onMessage answered ${who()} with ${
              describe(payload)
            }, and has to answer with bytes, text or nothing${more}`
          )),
        internal
      )
    }
    return payload.length > this.#limit
      ? Effect.andThen(
        this.#lines("too large", "answer", (more) =>
          Effect.logError(
            `the answer to ${who()} has ${payload.length} bytes and may have ${this.#limit}; ERR_INTERNAL was sent${more}`
          )),
        internal
      )
      : Effect.succeed(payload)
  }
}

export const make = (options: Options): Acceptor.Service => new RawServer(options)
