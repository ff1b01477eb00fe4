/** Calls of several peers: whom they are for is found first, then each is called, and what comes of all is one record, or one stream. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import type * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { CurrentDeadline, within } from "../../Deadline.ts"
import type { NodeClosedError } from "../../FunctionError.ts"
import type { Exits, Outcome, Outcomes } from "../../Outcomes.ts"
import type { Peers, Target } from "../../Peers.ts"
import { namesOf } from "./targets.ts"

/** Who calls, and whom. */
export interface Several {
  readonly peers: Peers["Service"]
  readonly target: Target
  /** The time for each call. */
  readonly timeout: Duration.Input | undefined
  readonly concurrency: number | "unbounded" | undefined
}

/** How each of them is called, which is known when it is known who they are. */
export type Call<A, E, R> = (names: ReadonlyArray<string>) => Effect.Effect<
  (peer: string) => Effect.Effect<A, E, R>,
  never,
  R | Scope.Scope
>

/** Whom a call is for, found in its time; and when that is up, where all are called at once and what the search took is a part of it. */
const found = ({ concurrency = "unbounded", peers, target, timeout }: Several) => {
  const search = Effect.all({ names: namesOf(peers, target), until: CurrentDeadline })
  const inTime = timeout === undefined ? search : within(timeout)(search)
  return concurrency === "unbounded"
    ? inTime
    : Effect.flatMap(inTime, ({ names }) => Effect.map(CurrentDeadline, (until) => ({ names, until })))
}

/** Streams of each of a target. */
export const streamOf = <A, E, R>(
  several: Several,
  use: (names: ReadonlyArray<string>) => Stream.Stream<A, E, R>
): Stream.Stream<A, E | NodeClosedError, R> =>
  Stream.unwrap(
    Effect.map(
      found(several),
      ({ names, until }) => Stream.provideService(use(names), CurrentDeadline, until)
    )
  )

/** In the order of the names, whatever they are. */
const recordOf = <A, E>(names: ReadonlyArray<string>, exits: ReadonlyArray<Exit.Exit<A, E>>): Exits<A, E> => {
  const record: Record<string, Exit.Exit<A, E>> = Object.create(null)
  for (let i = 0; i < names.length; i++) record[names[i]!] = exits[i]!
  return record
}

class Calls<A, E, R> extends Effectable.Class<Exits<A, E>, NodeClosedError, R> implements Outcomes<A, E, R> {
  readonly #several: Several
  readonly #call: Call<A, E, R>

  constructor(several: Several, call: Call<A, E, R>) {
    super()
    this.#several = several
    this.#call = call
  }

  asEffect(): Effect.Effect<Exits<A, E>, NodeClosedError, R> {
    const { concurrency = "unbounded" } = this.#several
    return Effect.scoped(
      Effect.flatMap(found(this.#several), ({ names, until }) =>
        Effect.provideService(
          Effect.flatMap(this.#call(names), (call) =>
            Effect.map(
              Effect.forEach(names, (peer) => Effect.exit(call(peer)), { concurrency }),
              (exits) => recordOf(names, exits)
            )),
          CurrentDeadline,
          until
        ))
    ) as Effect.Effect<Exits<A, E>, NodeClosedError, R>
  }

  get stream(): Stream.Stream<Outcome<A, E>, NodeClosedError, R> {
    const { concurrency = "unbounded" } = this.#several
    return streamOf(this.#several, (names) =>
      Stream.unwrap(
        Effect.map(this.#call(names), (call) =>
          Stream.mapEffect(
            Stream.fromIterable(names),
            (peer) => Effect.map(Effect.exit(call(peer)), (exit) => ({ peer, exit })),
            { concurrency, unordered: true }
          ))
      )) as Stream.Stream<Outcome<A, E>, NodeClosedError, R>
  }
}

/** Calls all of a target, when it is run. */
export const make = <A, E, R>(several: Several, call: Call<A, E, R>): Outcomes<A, E, R> => new Calls(several, call)
