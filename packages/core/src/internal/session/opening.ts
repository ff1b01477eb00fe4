/**
 * Streams that this node opens. Where a session stands and has room it is one step, without a fiber or a scope; otherwise the
 * session is made, or room waited for, first. A stream has its time from the moment it is asked for, whatever the way to the
 * peer takes.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type * as Frame from "../../Frame.ts"
import type { Peer } from "../../Peers.ts"
import * as ProtocolError from "../../ProtocolError.ts"
import * as Sessions from "../../Sessions.ts"
import type { Dialling } from "./dialling.ts"
import type { Host } from "./host.ts"
import type { MuxStream } from "./muxStream.ts"
import { nameTooLong, notSent } from "./refused.ts"
import type { Session } from "./session.ts"
import { SessionStream } from "./sessionStream.ts"
import type { Table } from "./table.ts"

/** A stream that was opened, and the session that it is in. */
interface Opened {
  readonly session: Session
  readonly stream: MuxStream
}

// As the protocol takes it; timers overflow beyond.
const longestDeadline = 2 ** 31 - 1

const openFrame = (options: Sessions.OpenOptions, millis: number | undefined): Frame.Open => ({
  protocol: options.protocol,
  name: options.name,
  ...(millis === undefined ? {} : { deadline: millis }),
  ...(options.traceparent === undefined ? {} : { traceparent: options.traceparent })
})

/** Says all there is to say, for whom the answer is all there is to read. */
const say = (stream: MuxStream, session: Session, data: Uint8Array) => {
  stream.write(data)
  stream.end()
  return new SessionStream(stream, session)
}

export const make = (
  host: Host,
  table: Table,
  dialling: Dialling
): Pick<Sessions.Sessions["Service"], "exchange" | "exchangeUnsafe" | "open"> => {
  const { now } = host
  const fork = Effect.runForkWith(host.context)

  /** When the time for a stream is up. */
  const deadlineOf = ({ deadline }: Sessions.OpenOptions): number | undefined => {
    if (deadline === undefined) return undefined
    const millis = Duration.toMillis(Duration.fromInputUnsafe(deadline))
    return millis === Infinity ? undefined : now() + Math.min(Math.ceil(millis), longestDeadline)
  }

  /** Gives a stream up when its time is up. */
  const expire = (stream: MuxStream, deadline: number) =>
    Effect.andThen(
      Effect.sleep(Math.max(0, deadline - now())),
      Effect.sync(() => stream.reset("deadline", "its time was up"))
    )

  const fail = (peer: Peer, options: Sessions.OpenOptions, code: "deadline" | "too_large", detail: string) =>
    Effect.fail(
      new Sessions.StreamResetError({ peer: peer.name, stream: options.name, code, detail, remote: false })
    )

  /** Its time was up before it could be opened. */
  const late = (peer: Peer, options: Sessions.OpenOptions) =>
    Effect.suspend(() => {
      // It may have waited for the next dial all that time, and the reason for that is what its caller has to know.
      const last = table.get(peer.publicKey)?.dials.get(peer.name)?.last
      return fail(
        peer,
        options,
        "deadline",
        `${notSent}${last === undefined ? "" : `; the last attempt to reach its peer failed: ${last.message}`}`
      )
    })

  /** Opens a stream, however long that takes, and has the scope reset it, with nothing in between where it could be forgotten. */
  const openOn = (
    peer: Peer,
    options: Sessions.OpenOptions,
    deadline: number | undefined
  ): Effect.Effect<Opened, Sessions.OpenError | Sessions.StreamResetError, Scope.Scope> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const left = () => deadline === undefined ? 1 : Math.ceil(deadline - now())
        const within = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | Sessions.StreamResetError> =>
          deadline === undefined
            ? restore(effect)
            : restore(Effect.timeoutOrElse(effect, { duration: left(), orElse: () => late(peer, options) }))
        while (true) {
          if (left() <= 0) return yield* late(peer, options)
          const session = yield* within(
            Effect.mapError(dialling.acquire(peer), (error) =>
              error._tag === "ProtocolError" ? ProtocolError.of(peer.name)(error) : error)
          )
          const millis = left()
          if (millis <= 0) {
            return yield* late(peer, options)
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
            const state = table.of(peer.publicKey)
            if (opened === "credit") {
              table.starve(state)
            }
            yield* state.queue((room) =>
              within(Effect.raceFirst(room, dialling.lostMeanwhile(peer)))
            )
            continue
          }
          session.usedAt = session.now()
          yield* Effect.addFinalizer(() =>
            Effect.sync(() => {
              opened.reset("cancelled", "")
              opened.abandon()
            })
          )
          return { session, stream: opened }
        }
      })
    )

  /** The whole answer to some bytes, over a stream that has to be waited for. */
  const exchangeSlowly = (
    options: Sessions.OpenOptions & { readonly limit?: number | undefined },
    deadline: number | undefined,
    data: Uint8Array,
    opening: ReturnType<typeof openOn>
  ) =>
    Effect.scoped(
      Effect.flatMap(opening, ({ session, stream }) => {
        const answer = Effect.callback<Uint8Array, Sessions.StreamError>((resume) =>
          say(stream, session, data).collect(resume, options.limit)
        )
        return deadline === undefined ? answer : Effect.andThen(Effect.forkScoped(expire(stream, deadline)), answer)
      })
    )

  return {
    open: (peer, options) =>
      Effect.gen(function*() {
        const deadline = deadlineOf(options)
        const { session, stream } = yield* openOn(peer, options, deadline)
        if (deadline !== undefined) yield* Effect.forkScoped(expire(stream, deadline))
        return new SessionStream(stream, session)
      }),
    exchange: (peer, options, data) =>
      // The common case, without a fiber or a scope of its own; in one step, so that nothing opened can be forgotten.
      Effect.callback((resume) => {
        const deadline = deadlineOf(options)
        const millis = deadline === undefined ? undefined : Math.ceil(deadline - now())
        const session = table.get(peer.publicKey)?.current(peer.name)
        const opened = millis === undefined || millis > 0
          ? session?.mux.openStream(openFrame(options, millis))
          : undefined
        if (session !== undefined && typeof opened === "object") {
          session.usedAt = session.now()
          if (deadline === undefined) return say(opened, session, data).collect(resume, options.limit)
          const timer = fork(expire(opened, deadline))
          return say(opened, session, data).collect(
            (answer) => {
              timer.interruptUnsafe()
              resume(answer)
            },
            options.limit,
            () => timer.interruptUnsafe()
          )
        }
        const opening = options.span === undefined
          ? openOn(peer, options, deadline)
          : Effect.withParentSpan(openOn(peer, options, deadline), options.span, { captureStackTrace: false })
        resume(exchangeSlowly(options, deadline, data, opening))
      }),
    exchangeUnsafe: (peer, options, parts, answer) => {
      const session = table.get(peer.publicKey)?.current(peer.name)
      const opened = session?.mux.openStream(openFrame(options, undefined))
      if (session === undefined || typeof opened !== "object") return undefined
      session.usedAt = session.now()
      for (const part of parts) opened.write(part)
      opened.end()
      const onWhole = (whole: Effect.Effect<Uint8Array, Sessions.StreamError>) =>
        answer(whole as Exit.Exit<Uint8Array, Sessions.StreamError>)
      return new SessionStream(opened, session).collect(onWhole, options.limit)
    }
  }
}
