/**
 * Sessions: one secure, multiplexed connection to a peer, made when it is first needed and shared by everything that talks to
 * that peer (protocol sections 4 and 5).
 *
 * A `SessionStream` is a pair of byte streams with credit of their own: a slow reader stalls its own stream and no other. A
 * peer that is declared lost, or whose session breaks, fails all its streams at once with `PeerLostError`.
 *
 * What bites: bytes that were written belong to the stream and must not be changed. A stream that its scope leaves
 * unfinished is reset, which interrupts the handler on the other side.
 *
 * @since 0.1.0
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { AnySpan } from "effect/Tracer"
import * as Frame from "./Frame.ts"
import { quote } from "./internal/base/quote.ts"
import { NodeName } from "./Packet.ts"
import type { Peer, PeerLostError } from "./Peers.ts"
import type { ProtocolError } from "./ProtocolError.ts"
import type { PublicKey } from "./PublicKey.ts"
import type * as Rights from "./Rights.ts"
import type { DialError } from "./Transport.ts"
import type { UntrustedPeerError } from "./Trust.ts"
import * as Why from "./Why.ts"

const explained = {
  refused: "busy",
  deadline: "deadline",
  cancelled: "given-up",
  not_found: "unknown-function",
  not_allowed: "not-allowed",
  invalid_arguments: "invalid-arguments",
  unsupported: "handshake",
  too_large: "too-large",
  going_away: "going-away",
  internal: "broke-there",
  failed: "failed-there"
} as const

/**
 * A stream was reset.
 *
 * @category errors
 * @since 0.1.0
 */
export class StreamResetError extends Schema.TaggedError<StreamResetError>("@pnet/core/Sessions/StreamResetError")(
  "StreamResetError",
  {
    /** The peer at the other end. */
    peer: NodeName,
    /** What the stream was for. */
    stream: Schema.String,
    code: Frame.ResetCode,
    /** What the side that reset it says; a peer's text, escaped where it is shown. */
    detail: Schema.String,
    /** Whether the peer reset it, or this side. */
    remote: Schema.Boolean,
    /** The typed error of the peer's handler as its Schema encoded it, where `code` is `failed`. */
    error: Schema.optionalKey(Schema.Unknown)
  }
) {
  /** Whether it is known that nothing was run, so that it may be tried again. */
  get retryable(): boolean {
    return this.code === "refused"
  }
  override get message() {
    const who = quote(this.peer)
    const what = quote(this.stream)
    if (this.code === "going_away" && !this.remote) {
      return Why.see(
        `this node ended its session with ${who} while ${what} was running${
          this.detail === "" ? "" : ` (${quote(this.detail)})`
        }; whether it was done is not known`,
        "going-away"
      )
    }
    const why = {
      refused: `${who} has no room for ${what} now; nothing was run, try again`,
      deadline: `${what} at ${who} ran out of time; give it more where it may run twice`,
      cancelled: `${what} at ${who} was given up`,
      not_found: `${who} has no function ${what} for bytes; call get_funcs to see those it has for values`,
      not_allowed: `${who} does not let this node call ${what}; nothing was run`,
      invalid_arguments: `${what} at ${who} does not take these headers; nothing was run`,
      unsupported: `${who} does not serve what ${what} needs`,
      too_large: `${what} at ${who}: more than may be sent`,
      going_away: `${who} ended the session while ${what} was running`,
      internal: `${what} failed at ${who}; its log has the cause`,
      failed: `${what} failed at ${who}`
    }[this.code]
    // That there is none is all that the other side has to say of it.
    return Why.see(
      this.detail === "" || this.code === "not_found" ? why : `${why} (${quote(this.detail)})`,
      explained[this.code]
    )
  }
}

/**
 * Why a stream failed.
 *
 * @category errors
 * @since 0.1.0
 */
export type StreamError = StreamResetError | PeerLostError

/**
 * Why a stream could not be opened. A `StreamResetError` is one of this side: its deadline passed before there was a session and
 * room for it, or its name is too long to be sent.
 *
 * @category errors
 * @since 0.1.0
 */
export type OpenError = DialError | ProtocolError | UntrustedPeerError | PeerLostError | StreamResetError

/**
 * One stream of a session.
 *
 * @category models
 * @since 0.1.0
 */
export interface SessionStream {
  /** The peer at the other end, as the handshake proved it. */
  readonly peer: { readonly name: NodeName; readonly publicKey: PublicKey }
  readonly protocol: string
  readonly name: string
  /** What the trust policy of this node lets the peer do, as it is now. */
  readonly rights: Effect.Effect<Rights.Rights>
  /** The time that was left when it was opened. */
  readonly deadline: Duration.Duration | undefined
  readonly traceparent: string | undefined
  /** JSON of the object that its opener sent along. */
  readonly headers: string | undefined
  /**
   * The bytes that have come, at least one; waits for them, and ends with the other side's END. It fails when the stream does, and with
   * `cancelled` where its handler is done, or its scope closed, and something was dropped that it had not read.
   */
  readonly pull: Pull.Pull<NonEmptyReadonlyArray<Uint8Array>, StreamError>
  /**
   * Everything that comes, until the other side says that it is all: `wholeUpTo` of the node's `limits.callSize`. It is held whole;
   * interrupting it gives the stream up.
   */
  readonly whole: Effect.Effect<Uint8Array, StreamError>
  /**
   * Everything, of at most so many bytes: a longer one resets the stream with `too_large`, and fails. `room` is asked whether there is
   * any for what is held now and was not before, which is more than the bytes that came, or less than nothing where it became
   * less; where there is none, the stream is reset with `refused`, which tells the peer to try again.
   */
  readonly wholeUpTo: (limit: number, room?: (bytes: number) => boolean) => Effect.Effect<Uint8Array, StreamError>
  /** Hands over bytes, from any fiber, and waits while the other side has no credit to give. Does nothing once the answer is complete. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, StreamError>
  /**
   * Says that no more will be written. Who opened it stops sending then and says its END, as what is left of a question is not wanted
   * after its answer: a handler that ends first and reads on cannot tell that END from one of all that there was, so it reads first.
   */
  readonly end: Effect.Effect<void>
  /** Gives the stream up. */
  readonly reset: (code: Frame.ResetCode, message: string, error?: unknown) => Effect.Effect<void>
  /** Fails when the stream fails; never succeeds. */
  readonly failed: Effect.Effect<never, StreamError>
}

/**
 * What a stream is opened for.
 *
 * @category models
 * @since 0.1.0
 */
export interface OpenOptions {
  readonly protocol: Frame.Protocol
  readonly name: string
  /** Time in which it must be done. It counts on both sides, and interrupts the handler. */
  readonly deadline?: Duration.Input | undefined
  readonly traceparent?: string | undefined
  /**
   * JSON of an object that goes along, of at most `Frame.maxHeaders` bytes. To a peer that does not read headers nothing is sent: this
   * side resets the stream with `unsupported`.
   */
  readonly headers?: string | undefined
}

/**
 * How streams are handled.
 *
 * @category models
 * @since 0.1.0
 */
export interface HandleOptions {
  /** What the interruption of a handler is annotated with, where its peer gave the stream up. Default: nothing. */
  readonly cancelled?: Context.Context<never> | undefined
  /**
   * Whether each stream's handler has a scope of its own, which closes with it, and the span of the caller as its parent.
   * Default: true. A handler that sees to both itself is cheaper without.
   */
  readonly scoped?: boolean | undefined
}

/**
 * A session as it is now.
 *
 * @category models
 * @since 0.1.0
 */
export interface SessionInfo {
  readonly peer: { readonly name: NodeName; readonly publicKey: PublicKey }
  /** Whether this node dialled. */
  readonly dialled: boolean
  readonly binary: boolean
  readonly streams: number
  /** Whether open streams finish and no more begin. */
  readonly draining: boolean
}

/**
 * The sessions of a node.
 *
 * @category services
 * @since 0.1.0
 */
export class Sessions extends Context.Service<Sessions, {
  /** Opens a stream to a peer, with a session made for it if there is none. It is reset if its scope closes before its end. */
  readonly open: (peer: Peer, options: OpenOptions) => Effect.Effect<SessionStream, OpenError, Scope.Scope>
  /**
   * Opens a stream, sends the bytes, and gives the whole answer: what is done with `open` otherwise, at a fraction of the cost.
   * Interrupting it resets the stream. The answer is held whole, up to `limit` bytes; a longer one resets the stream with
   * `too_large`. Default: the node's `limits.callSize`.
   */
  readonly exchange: (
    peer: Peer,
    options: OpenOptions & {
      readonly limit?: number | undefined
      /** The span that a session which has to be made first is a part of. Default: the current one. */
      readonly span?: AnySpan | undefined
    },
    data: Uint8Array
  ) => Effect.Effect<Uint8Array, OpenError | StreamError>
  /**
   * `exchange` without an Effect, for layers that make thousands of calls a second: on a session that stands, with parts that are
   * sent one after another. Gives what gives the call up, or `undefined` where a session has to be made or waited for, and
   * nothing was done. `answer` is called once, which may be before this returns.
   */
  readonly exchangeUnsafe: (
    peer: Peer,
    options: Omit<OpenOptions, "deadline"> & { readonly limit?: number | undefined },
    parts: ReadonlyArray<Uint8Array>,
    answer: (exit: Exit.Exit<Uint8Array, StreamError>) => void
  ) => Effect.Effect<void> | undefined
  /**
   * Handles the streams that peers open for a protocol, or for one name of it, until the scope closes. A stream ends with its
   * handler: reset where it is not finished then. Streams of a protocol that nobody handles are reset with `unsupported`, those
   * of a name that nobody handles with `not_found`. Of several handlers of the same, the last one that was set serves, and the one
   * before it again when its scope closes. A handler that throws, or gives no Effect, resets its own stream with
   * `internal`, and no other; the log has it.
   */
  readonly handle: <R>(
    where: Frame.Protocol | { readonly protocol: Frame.Protocol; readonly name: string },
    handler: (stream: SessionStream) => Effect.Effect<void, never, R> | PromiseLike<void> | void,
    options?: HandleOptions
  ) => Effect.Effect<void, never, Exclude<R, Scope.Scope> | Scope.Scope>
  /** Says goodbye on every session: open streams are reset with `going_away`, and nothing is waited for. */
  readonly closeAll: Effect.Effect<void>
  /** The sessions there are now. */
  readonly all: Effect.Effect<ReadonlyArray<SessionInfo>>
}>()("@pnet/core/Sessions") {}
