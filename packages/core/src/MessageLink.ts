/**
 * A byte connection over a channel of messages, such as a WebSocket, a subject of a broker, or a MessagePort: with waiting on both
 * sides, half-close, and an end that says whether anything was lost. For writing transports.
 *
 * ```ts
 * const connection = yield* MessageLink.make(channel, { remote })
 * ```
 *
 * Both ends of a channel speak it (protocol section 18). Each message of the channel carries one frame. What one end may send
 * before the other has taken it is bounded by a window, so a channel needs no way to make its sender wait. Messages are numbered: where
 * the channel loses, repeats or reorders one, the connection ends at both ends with `clean: false`, and nothing wrong is read.
 *
 * What bites: a link repairs nothing, and proves nothing about who is at the other end.
 *
 * @since 0.2.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Ended, Link } from "./internal/link/link.ts"
import type { Endpoint } from "./Network.ts"
import { type Connection, ConnectionClosedError } from "./Transport.ts"

/**
 * Takes what a channel has to say. All of it is plain and synchronous. After `closed` nothing more is taken.
 *
 * @category models
 * @since 0.2.0
 */
export interface Receiver {
  /** A message has come. Its bytes are the link's from then on; of memory that is shared with another thread, or of much more than the message, it makes a copy. What is no `Uint8Array` ends the connection. */
  readonly message: (bytes: Uint8Array) => void
  /** There is room again after a `send` that was answered with `false`. */
  readonly room: () => void
  /** The channel has ended, and why. What the other end has ended in order before stays clean. */
  readonly closed: (cause: unknown) => void
}

/**
 * A channel of messages to one other end. It keeps messages whole, and carries them in order, or loses some.
 *
 * @category models
 * @since 0.2.0
 */
export interface Channel {
  /** The longest message that it carries, in bytes: 256 at least. Everything is cut to it, so as a rule it is some ten thousand. */
  readonly maxMessage: number
  /**
   * Begins, once: what comes, and has come before, is given to the receiver, but never inside of a `send`.
   */
  readonly open: (receiver: Receiver) => void
  /**
   * Memory for the message that is sent next, of exactly so many bytes, for a channel that knows when a message has left and uses its memory again.
   * Default: each has memory of its own.
   */
  readonly memory?: ((length: number) => Uint8Array) | undefined
  /**
   * Sends a message, whose bytes are the channel's from then on. It waits for nothing and does not throw. `false`: this message was
   * taken, and there is no room for more until the receiver is told; a few short ones may come nevertheless.
   */
  readonly send: (message: Uint8Array) => boolean
  /** Ends the channel, once, after what was sent. Nothing is sent after it, and it does not throw. */
  readonly close: () => void
}

/**
 * What can be chosen for a link.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /** What `Connection.remote` is. Of an accepted one it must be nothing that the other end can choose. */
  readonly remote: Endpoint | undefined
  /** Bytes that the other end may send before they are taken, from 65,536 up to 2^30. Default 524,288. */
  readonly window?: number | undefined
  /** It looks so often whether anything came, and where nothing did asks the other end for a sign of life. Default 5 seconds. */
  readonly pingInterval?: Duration.Input | undefined
  /** Where nothing comes for so long, the connection ends when it looks next. Default 15 seconds; at least two of `pingInterval`. */
  readonly silence?: Duration.Input | undefined
  /** What `Connection.relayed` is. Default `false`. */
  readonly relayed?: boolean | undefined
}

const errorOf = ({ cause, clean }: Ended): ConnectionClosedError =>
  new ConnectionClosedError(cause === undefined ? { clean } : { clean, cause })

/**
 * A connection over a channel, which it opens now and closes with the scope: in order, or, where something that was to be written has
 * not been sent, with a reset.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (channel: Channel, options: Options): Effect.Effect<Connection, never, Scope.Scope> =>
  Effect.gen(function*() {
    const interval = Duration.toMillis(Duration.fromInputUnsafe(options.pingInterval ?? "5 seconds"))
    const silence = Duration.toMillis(Duration.fromInputUnsafe(options.silence ?? "15 seconds"))
    const link = new Link(channel, {
      window: options.window ?? 524_288,
      patience: Math.max(2, Math.ceil(silence / interval))
    })
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        channel.open({
          message: (bytes) => link.receive(bytes),
          room: () => link.room(),
          closed: (cause) => link.lost(cause)
        })
      ),
      () => Effect.sync(() => link.close())
    )
    yield* Effect.forkScoped(
      Effect.whileLoop({
        while: () => !link.over,
        body: () => Effect.sleep(interval),
        step: () => link.tick()
      })
    )
    return connectionOf(link, options)
  })

const connectionOf = (link: Link, { relayed, remote }: Options): Connection => {
  const pull: Connection["pull"] = Effect.suspend(() => {
    const chunks = link.take()
    if (chunks !== undefined) return Effect.succeed(chunks)
    return link.readEnd === undefined ? readable : Effect.fail(errorOf(link.readEnd))
  })
  // What has come is taken by the fiber itself: one that was interrupted has taken nothing.
  const readable: Connection["pull"] = Effect.callback((resume) => {
    const cancel = link.onReadable(() => resume(pull))
    return Effect.sync(cancel)
  })
  const ended = Effect.suspend(() => link.writeEnd === undefined ? Effect.void : Effect.fail(errorOf(link.writeEnd)))
  return {
    remote,
    relayed,
    pull,
    write: (bytes) =>
      Effect.suspend(() => {
        if (link.writeEnd !== undefined || link.ending) return closedForWriting(link)
        const waiting = link.write(bytes)
        if (waiting === undefined) return ended
        return Effect.callback<void, ConnectionClosedError>((resume) => {
          const done = () => resume(waiting.at === waiting.bytes.length ? Effect.void : ended)
          waiting.done = done
          return Effect.sync(() => link.forsake(waiting))
        })
      }),
    end: Effect.sync(() => link.end())
  }
}

const closedForWriting = (link: Link): Effect.Effect<never, ConnectionClosedError> =>
  Effect.fail(
    link.writeEnd === undefined
      ? new ConnectionClosedError({ clean: false, cause: new Error("ended by this side") })
      : errorOf(link.writeEnd)
  )
