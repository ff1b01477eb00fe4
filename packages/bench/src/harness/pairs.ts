/** Pairs of processes, one that answers and one that asks, and one measurement of a pair. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { join } from "node:path"
import type { Measured, Peer, Subject, Usage } from "./calls.ts"
import * as Effort from "./effort.ts"
import type * as Machine from "./machine.ts"
import * as Workers from "./workers.ts"

/** Two processes with one subject. */
export interface Pair<Name extends string = string> {
  readonly name: Name
  /** The name that the cryptography gives itself. */
  readonly crypto: string
  readonly server: Workers.Worker
  readonly client: Workers.Worker
}

/** Starts a pair and connects it; of a program of its own, if one is named. */
export const start = <Name extends string>(
  name: Name,
  subject: Subject | Peer,
  machine: Machine.Machine,
  program?: string | undefined
): Effect.Effect<Pair<Name>, Workers.WorkerError, Scope.Scope> =>
  Effect.gen(function*() {
    const server = yield* Workers.start(`${name} server`, machine.pinned?.[0], program)
    const client = yield* Workers.start(`${name} client`, machine.pinned?.[1], program)
    const { crypto, hello, port } = yield* server.call("Serve", { subject })
    yield* client.call("Connect", { subject, port, hello })
    return { name, crypto, server, client }
  })

/**
 * Has processes that are started and not measured stand still meanwhile. Left alone for some seconds an engine tidies up, with threads of its own, and
 * a dozen that do so in turns take a tenth of each core, in slices of milliseconds.
 */
export const withOthersStill = <A, E, R>(
  pair: Pair,
  pairs: ReadonlyArray<Pair>,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, Exclude<R, Scope.Scope>> =>
  Effect.scoped(
    Effect.andThen(
      Effect.forEach(
        pairs.filter((other) => other !== pair).flatMap(({ client, server }) => [client, server]),
        ({ freeze }) => freeze,
        { discard: true }
      ),
      effect
    )
  )

const cpuMillis = (before: Usage, after: Usage) => after.cpuMillis - before.cpuMillis

/** What one process had used before something and after it. */
export type Used = readonly [before: Usage, after: Usage]

/** Runs an effect and says what both processes used meanwhile; profiles them if a file name is given. */
export const observe = <A, E, R>(
  { client, server }: Pair,
  effect: Effect.Effect<A, E, R>,
  profile?: string | undefined
): Effect.Effect<
  {
    readonly result: A
    readonly clientMillis: number
    readonly serverMillis: number
    readonly client: Used
    readonly server: Used
  },
  E | Workers.WorkerError,
  R
> =>
  Effect.gen(function*() {
    if (profile !== undefined) {
      yield* client.call("ProfileStart", null)
      yield* server.call("ProfileStart", null)
    }
    const clientBefore = yield* client.call("Usage", null)
    const serverBefore = yield* server.call("Usage", null)
    const result = yield* effect
    const serverAfter = yield* server.call("Usage", null)
    const clientAfter = yield* client.call("Usage", null)
    if (profile !== undefined) {
      yield* client.call("ProfileStop", { file: `${profile}-client.cpuprofile` })
      yield* server.call("ProfileStop", { file: `${profile}-server.cpuprofile` })
    }
    return {
      result,
      clientMillis: cpuMillis(clientBefore, clientAfter),
      serverMillis: cpuMillis(serverBefore, serverAfter),
      client: [clientBefore, clientAfter],
      server: [serverBefore, serverAfter]
    }
  })

/** How messages are measured. */
export interface MessageOptions {
  readonly atOnce: number
  readonly seconds: number
  readonly bytes: number
  /** A folder for profiles. */
  readonly profile?: string | undefined
}

/** Asks, without counting it. */
export const warm = (pair: Pair, { atOnce, bytes, seconds }: MessageOptions) =>
  pair.client.call("Measure", { atOnce, bytes, seconds }, `${seconds} seconds`)

/** One measurement of messages, and what they cost. */
export interface Measurement<Name extends string = string> extends Measured {
  readonly subject: Name
  readonly atOnce: number
  readonly perSecond: number
  /** Processor time a message, in microseconds, of the asking and of the answering process. */
  readonly clientMicros: number
  readonly serverMicros: number
  readonly client: Effort.Effort
  readonly server: Effort.Effort
}

/** Measures messages and what they cost. */
export const measure = <Name extends string>(
  pair: Pair<Name>,
  options: MessageOptions
): Effect.Effect<Measurement<Name>, Workers.WorkerError> =>
  Effect.gen(function*() {
    const { atOnce, profile, seconds } = options
    yield* warm(pair, { ...options, seconds: Math.min(0.25, seconds) })
    const { client, result, server } = yield* observe(
      pair,
      warm(pair, options),
      profile === undefined ? undefined : join(profile, `${pair.name}-${atOnce}`)
    )
    const asking = Effort.between(...client, result.messages)
    const answering = Effort.between(...server, result.messages)
    return {
      ...result,
      subject: pair.name,
      atOnce,
      perSecond: result.messages / seconds,
      clientMicros: asking.micros,
      serverMicros: answering.micros,
      client: asking,
      server: answering
    }
  })

/** The fastest of some measurements, since what else runs can only slow. */
export const fastest = <M extends { readonly perSecond: number }>(measurements: ReadonlyArray<M>): M =>
  measurements.reduce((best, one) => one.perSecond > best.perSecond ? one : best)
