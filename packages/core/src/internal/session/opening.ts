/**
 * Streams that this node opens. Where a session stands and has room it is one step, without a fiber or a scope; otherwise the
 * session is made, or room waited for, first. A stream has its time from the moment it is asked for, whatever the way to the
 * peer takes.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type * as Frame from "../../Frame.ts"
import type { Peer } from "../../Peers.ts"
import * as ProtocolError from "../../ProtocolError.ts"
import * as Sessions from "../../Sessions.ts"
import * as AtEnd from "../base/atEnd.ts"
import type { Dialling } from "./dialling.ts"
import type { Host } from "./host.ts"
import type { MuxStream } from "./muxStream.ts"
import { nameTooLong, noHeaders, notSent } from "./refused.ts"
import type { Session } from "./session.ts"
import { collect, SessionStream } from "./sessionStream.ts"
import type { Table } from "./table.ts"

/** A stream that was opened, and the session that it is in. */
interface Opened {
  readonly session: Session
  readonly stream: MuxStream
}

// As the protocol takes it; timers overflow beyond.
const longestDeadline = 2 ** 31 - 1

/** What was opened last with a place alone, since most calls in a row are of one function. */
let plain: Frame.Open = { protocol: "", name: "" }

const openFrame = (options: Sessions.OpenOptions, millis: number | undefined): Frame.Open => {
  if (millis === undefined && options.traceparent === undefined && options.headers === undefined) {
    const { name, protocol } = options
    return plain.name === name && plain.protocol === protocol ? plain : plain = { protocol, name }
  }
  const frame = {
    protocol: options.protocol,
    name: options.name,
    ...(millis === undefined ? {} : { deadline: millis }),
    ...(options.traceparent === undefined ? {} : { traceparent: options.traceparent })
  }
  return options.headers === undefined ? frame : { ...frame, headers: options.headers }
}

/** Whether the other side reads all that there is to say. */
const reads = (session: Session, { headers }: Sessions.OpenOptions): boolean =>
  headers === undefined || session.options.established.features.has("headers")

/** Says all there is to say, for whom the answer is all there is to read. */
const say = (stream: MuxStream, data: Uint8Array) => {
  stream.write(data)
  stream.end()
}

const fail = (
  peer: Peer,
  options: Sessions.OpenOptions,
  code: "deadline" | "too_large" | "unsupported",
  detail: string
) =>
  Effect.fail(
    new Sessions.StreamResetError({ peer: peer.name, stream: options.name, code, detail, remote: false })
  )

type Service = Sessions.Sessions["Service"]

/** Opens the streams of one node. What it gives may be taken off it. */
export class Opening implements Pick<Service, "exchange" | "exchangeUnsafe" | "open"> {
  readonly #host: Host
  readonly #table: Table
  readonly #dialling: Dialling
  readonly #fork: (effect: Effect.Effect<void>) => Fiber.Fiber<void>

  constructor(host: Host, table: Table, dialling: Dialling) {
    this.#host = host
    this.#table = table
    this.#dialling = dialling
    this.#fork = Effect.runForkWith(host.context)
  }

  readonly open: Service["open"] = (peer, options) =>
    Effect.gen({ self: this }, function*() {
      const deadline = this.#deadlineOf(options)
      const { session, stream } = yield* this.#openOn(peer, options, deadline)
      if (deadline !== undefined) yield* Effect.forkScoped(this.#expire(stream, deadline))
      return new SessionStream(stream, session)
    })

  /**
   * `open` for the node's own sake: a session that is made for it takes nobody's place, and its peer is one that nobody has asked for, whom adverts
   * are enough to name.
   */
  readonly openUnasked = (
    peer: Peer,
    options: Sessions.OpenOptions
  ): Effect.Effect<SessionStream, Sessions.OpenError, Scope.Scope> =>
    Effect.suspend(() => {
      if (this.#table.get(peer.publicKey)?.current(peer.name) === undefined && !this.#table.hasRoom) {
        return Effect.fail(ProtocolError.local("ERR_BUSY", "sessions"))
      }
      return Effect.map(
        this.#openOn(peer, options, undefined, false),
        ({ session, stream }) => new SessionStream(stream, session)
      )
    })

  readonly exchange: Service["exchange"] = (peer, options, data) =>
    // The common case, without a fiber or a scope of its own; in one step, so that nothing opened can be forgotten.
    Effect.callback((resume) => {
      const deadline = this.#deadlineOf(options)
      const millis = deadline === undefined ? undefined : Math.ceil(deadline - this.#host.now())
      const session = this.#table.get(peer.publicKey)?.current(peer.name)
      const opened = session !== undefined && (millis === undefined || millis > 0) && reads(session, options)
        ? session.mux.openStream(openFrame(options, millis))
        : undefined
      if (session !== undefined && typeof opened === "object") {
        session.used()
        say(opened, data)
        if (deadline === undefined) return collect(opened, session, resume, options.limit)
        const timer = this.#fork(this.#expire(opened, deadline))
        return collect(
          opened,
          session,
          (answer) => {
            timer.interruptUnsafe()
            resume(answer)
          },
          options.limit,
          () => timer.interruptUnsafe()
        )
      }
      const opening = options.span === undefined
        ? this.#openOn(peer, options, deadline)
        : Effect.withParentSpan(this.#openOn(peer, options, deadline), options.span, { captureStackTrace: false })
      resume(this.#exchangeSlowly(options, deadline, data, opening))
    })

  readonly exchangeUnsafe: Service["exchangeUnsafe"] = (peer, options, parts, answer) => {
    const session = this.#table.get(peer.publicKey)?.current(peer.name)
    if (session === undefined || !reads(session, options)) return undefined
    const opened = session.mux.openStream(openFrame(options, undefined))
    if (typeof opened !== "object") return undefined
    session.used()
    for (const part of parts) opened.write(part)
    opened.end()
    // What is collected is given as an Exit.
    return collect(
      opened,
      session,
      answer as (whole: Effect.Effect<Uint8Array, Sessions.StreamError>) => void,
      options.limit
    )
  }

  /** When the time for a stream is up. */
  #deadlineOf({ deadline }: Sessions.OpenOptions): number | undefined {
    if (deadline === undefined) return undefined
    const millis = Duration.toMillis(Duration.fromInputUnsafe(deadline))
    return millis === Infinity ? undefined : this.#host.now() + Math.min(Math.ceil(millis), longestDeadline)
  }

  /** Gives a stream up when its time is up. */
  #expire(stream: MuxStream, deadline: number): Effect.Effect<void> {
    return Effect.andThen(
      Effect.sleep(Math.max(0, deadline - this.#host.now())),
      Effect.sync(() => stream.reset("deadline", "its time was up"))
    )
  }

  /** Its time was up before it could be opened. */
  #late(peer: Peer, options: Sessions.OpenOptions, isFull = false): Effect.Effect<never, Sessions.StreamResetError> {
    return Effect.suspend(() => {
      // It may have waited for the next dial all that time, and the reason for that is what its caller has to know.
      const last = this.#table.get(peer.publicKey)?.dials.get(peer.name)?.last
      const why = isFull
        ? "; it waited for one of the streams with its peer to end, of which there were as many as limits.streams and limits.credit allow"
        : last === undefined
        ? ""
        : `; the last attempt to reach its peer failed: ${last.message}`
      return fail(peer, options, "deadline", `${notSent}${why}`)
    })
  }

  /** Opens a stream, however long that takes, and has the scope reset it, with nothing in between where it could be forgotten. */
  #openOn(
    peer: Peer,
    options: Sessions.OpenOptions,
    deadline: number | undefined,
    wanted = true
  ): Effect.Effect<Opened, Sessions.OpenError | Sessions.StreamResetError, Scope.Scope> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.gen({ self: this }, function*() {
        const left = () => deadline === undefined ? 1 : Math.ceil(deadline - this.#host.now())
        const within = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | Sessions.StreamResetError> =>
          deadline === undefined
            ? restore(effect)
            : restore(
              Effect.timeoutOrElse(effect, { duration: left(), orElse: () => this.#late(peer, options, isFull) })
            )
        let isFull = false
        while (true) {
          if (left() <= 0) return yield* this.#late(peer, options, isFull)
          const session = yield* within(
            Effect.mapError(this.#dialling.acquire(peer, wanted), (error) =>
              error._tag === "ProtocolError" ? ProtocolError.of(peer.name)(error) : error)
          )
          const millis = left()
          if (millis <= 0) {
            return yield* this.#late(peer, options, isFull)
          }
          if (!reads(session, options)) {
            return yield* fail(peer, options, "unsupported", noHeaders)
          }
          const opened = session.mux.openStream(openFrame(options, deadline === undefined ? undefined : millis))
          if (opened === "too_large") {
            return yield* fail(peer, options, "too_large", nameTooLong)
          }
          if (opened === "draining") {
            if (session.drainingSince === undefined) {
              session.drainingSince = session.now()
            }
            continue
          }
          if (typeof opened === "string") {
            isFull = true
            const state = this.#table.of(peer.publicKey)
            if (opened === "credit") {
              this.#table.starve(state)
            }
            yield* state.queue((room) =>
              within(Effect.raceFirst(room, this.#dialling.lostMeanwhile(peer)))
            )
            continue
          }
          session.used()
          yield* AtEnd.atEnd(() => {
            opened.reset("cancelled", "")
            opened.abandon()
          })
          return { session, stream: opened }
        }
      })
    )
  }

  /** The whole answer to some bytes, over a stream that has to be waited for. */
  #exchangeSlowly(
    options: Sessions.OpenOptions & { readonly limit?: number | undefined },
    deadline: number | undefined,
    data: Uint8Array,
    opening: Effect.Effect<Opened, Sessions.OpenError | Sessions.StreamError, Scope.Scope>
  ): Effect.Effect<Uint8Array, Sessions.OpenError | Sessions.StreamError> {
    return Effect.scoped(
      Effect.flatMap(opening, ({ session, stream }) => {
        const answer = Effect.callback<Uint8Array, Sessions.StreamError>((resume) => {
          say(stream, data)
          return collect(stream, session, resume, options.limit)
        })
        return deadline === undefined
          ? answer
          : Effect.andThen(Effect.forkScoped(this.#expire(stream, deadline)), answer)
      })
    )
  }
}
