/**
 * Which of several peers a call goes to: policies as values, the settings of a client of a service, and the errors of a service that
 * is full or has nobody.
 *
 * ```ts
 * Balance.leastPending                                            // the default
 * Balance.consistentHash({ by: (job: { user: string }) => job.user })
 * Balance.make("the first", () => (candidates) => candidates[0])  // one's own
 * ```
 *
 * A policy chooses among those that may be called now. Who is drained, is left out after failures, is full, or was tried by this very
 * call is not among them, so that a policy is about preference and about nothing else.
 *
 * What bites: each client of a service balances what it sends itself, and knows nothing of the calls of others but what the servers
 * say. Policies are synchronous and run in every call.
 *
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { quote } from "./internal/base/quote.ts"
import { count, duration, durationOrNone, issueOf, share } from "./internal/values/optionSchemas.ts"
import { OptionsError } from "./NodeOptions.ts"
import * as Why from "./Why.ts"

/**
 * A peer that a call may go to, as it is now. Its fields change with every call: read them, keep nothing but `id` and `slot`.
 *
 * @category models
 * @since 0.2.0
 */
export interface Candidate<P = unknown> {
  /** Who it is: the same for as long as the peer has its key. */
  readonly id: string
  /** A small number that is its own while it is there, for tables of a policy's own. Somebody else has it after it has gone. */
  readonly slot: number
  /** The peer itself. */
  readonly peer: P
  /** Calls of this client that are out to it. */
  readonly pending: number
  /** Calls that it says it takes at once; the mean of those who say so where it says nothing, 1 where nobody does. Above 0. */
  readonly capacity: number
  /** Milliseconds from a call to its answer, a mean over some twenty calls. `undefined` before the first. */
  readonly latency: number | undefined
  /** That latency against what all take for the same functions: 1 is like the others. `undefined` before the first. */
  readonly relative: number | undefined
  /** 1, or from 3 to 10 where it is so many times slower than the median of all. Differences below a millisecond count for little. */
  readonly slowness: number
}

/**
 * The call that a place is looked for. It is made anew for each choice out of the same object: keep nothing of it.
 *
 * @category models
 * @since 0.2.0
 */
export interface Call<Payload = unknown> {
  /** The function's name. */
  readonly function: string
  readonly payload: Payload
  /** Calls of this client that are out to all peers of the service. */
  readonly pending: number
  /** The capacity of all of them, those included that may not be called now. */
  readonly capacity: number
  /** The largest capacity of one. */
  readonly largest: number
}

/**
 * Chooses one of at least two candidates. Draws randomness from `random`, from 0 to 1, and from nowhere else.
 *
 * @category models
 * @since 0.2.0
 */
export type Pick<in Payload = unknown, in P = unknown> = (
  candidates: ReadonlyArray<Candidate<P>>,
  call: Call<Payload>,
  random: () => number
) => Candidate | undefined

/**
 * How a client of a service chooses. One value may serve many clients: each starts it for itself.
 *
 * @category models
 * @since 0.2.0
 */
export interface Policy<in Payload = unknown, in P = unknown> {
  readonly name: string
  /** Its state for one client. */
  readonly start: () => Pick<Payload, P>
}

/**
 * A policy of one's own. One that throws, or gives what is no candidate, is answered for by `leastPending`, and the log says so once
 * for a client.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = <Payload = unknown, P = unknown>(
  name: string,
  start: () => Pick<Payload, P>
): Policy<Payload, P> => ({ name, start })

// --- policies --------------------------------------------------------------------------------------------------------------------

/** Its share of what is drawn. Of two peers one of which is ten times slower, that one is drawn once in a thousand times. */
const weightOf = ({ capacity, slowness }: Candidate<any>): number =>
  slowness === 1 ? capacity : capacity / slowness ** 3

/** A candidate by the chance of its weight, which is at most `largest`. Most have all of it, so that this is one draw. */
const draw = <P>(
  candidates: ReadonlyArray<Candidate<P>>,
  largest: number,
  random: () => number
): Candidate<P> => {
  const { length } = candidates
  for (let tries = 0; tries < 16; tries++) {
    const one = candidates[Math.floor(random() * length)]!
    const weight = weightOf(one)
    if (weight >= largest || random() * largest < weight) return one
  }
  return drawOfAll(candidates, random)
}

const drawOfAll = <P>(candidates: ReadonlyArray<Candidate<P>>, random: () => number): Candidate<P> => {
  let sum = 0
  for (const one of candidates) sum += weightOf(one)
  let left = random() * sum
  for (const one of candidates) {
    left -= weightOf(one)
    if (left < 0) return one
  }
  return candidates[candidates.length - 1]!
}

/** How full it is: a slow one is as full with fewer calls. */
const load = (one: Candidate<any>): number => one.pending * one.slowness / one.capacity

/** Whether one is less busy than another by at least a call of the smaller one: below, it is the chance of a moment. */
const isLessBusy = (one: Candidate<any>, other: Candidate<any>): boolean =>
  (load(other) - load(one)) * Math.min(one.capacity / one.slowness, other.capacity / other.slowness) > 0.999

/** Calls for each one that goes to a slow peer to see whether it still is: half a per cent, so that it is not in the 99th. */
const trialEvery = 200

/** One of the slow ones that have nothing to do. */
const slowOne = <P>(candidates: ReadonlyArray<Candidate<P>>, random: () => number): Candidate<P> | undefined => {
  let chosen: Candidate<P> | undefined
  let seen = 0
  for (const one of candidates) {
    if (one.slowness > 1 && one.pending === 0 && random() * ++seen < 1) chosen = one
  }
  return chosen
}

/**
 * The less busy of two drawn by chance, measured by pending calls for their capacity: the default. One draw keeps load even where
 * nobody is busy, the comparison where somebody is, and two clients do not run after the same idle peer.
 *
 * A peer that is over three times slower than the median counts as that much smaller and gets next to nothing but one call in 200,
 * by which it is seen whether it has recovered.
 *
 * @category policies
 * @since 0.2.0
 */
export const leastPending: Policy = make("leastPending", () => {
  let calls = 0
  return (candidates, { largest }, random) => {
    if (++calls % trialEvery === 0) {
      const slow = slowOne(candidates, random)
      if (slow !== undefined) return slow
    }
    const first = draw(candidates, largest, random)
    let second = draw(candidates, largest, random)
    for (let tries = 0; second === first && tries < 3; tries++) second = draw(candidates, largest, random)
    return isLessBusy(second, first) ? second : first
  }
})

/**
 * Any, by chance, those of more capacity as much more often.
 *
 * @category policies
 * @since 0.2.0
 */
export const random: Policy = make("random", () => (candidates, { largest }, random) => {
  const { length } = candidates
  for (let tries = 0; tries < 64; tries++) {
    const one = candidates[Math.floor(random() * length)]!
    if (one.capacity >= largest || random() * largest < one.capacity) return one
  }
  return candidates[Math.floor(random() * length)]!
})

/** What a policy keeps of each candidate: by its slot, for as long as it is the same one. */
class Table {
  readonly #ids: Array<string> = []
  readonly #values: Array<number> = []
  get({ id, slot }: Candidate<any>): number | undefined {
    return this.#ids[slot] === id ? this.#values[slot] : undefined
  }
  set({ id, slot }: Candidate<any>, value: number): number {
    this.#ids[slot] = id
    this.#values[slot] = value
    return value
  }
}

/**
 * One after another, those of more capacity as much more often. Takes no account of how busy or slow a peer is.
 *
 * @category policies
 * @since 0.2.0
 */
export const roundRobin: Policy = make("roundRobin", () => {
  // Each has a time at which it is next, which a call moves on by less the more capacity it has.
  const next = new Table()
  let now = 0
  return (candidates) => {
    let chosen = candidates[0]!
    let earliest = Infinity
    for (const one of candidates) {
      // Who was away, or full, is not given all at once what it missed.
      const at = Math.max(next.get(one) ?? now, now)
      if (at < earliest || (at === earliest && one.slot < chosen.slot)) {
        earliest = at
        chosen = one
      }
    }
    now = earliest
    next.set(chosen, earliest + 1 / chosen.capacity)
    return chosen
  }
})

/** Calls for each one that goes to anybody, so that distances are known. */
const exploreEvery = 50

/**
 * The one that answers first: by latency, measured against what all take for the same functions, and times the calls that are out to
 * it, so that a near peer that is busy leaves calls to the next. One call in 50 goes to anybody, by which latencies stay known.
 *
 * @category policies
 * @since 0.2.0
 */
export const nearest: Policy = make("nearest", () => {
  let calls = 0
  return (candidates, _, random) => {
    if (++calls % exploreEvery === 0) return candidates[Math.floor(random() * candidates.length)]
    let chosen: Candidate | undefined
    let least = Infinity
    for (const one of candidates) {
      // Who was never measured is, once, and until then is like the others.
      const cost = one.relative === undefined
        ? (one.pending === 0 ? -1 : one.pending + 1)
        : one.relative * (one.pending + 1)
      if (cost < least) {
        least = cost
        chosen = one
      }
    }
    return chosen
  }
})

/** FNV-1a over UTF-16. */
const hashText = (text: string): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash
}

/** The end of MurmurHash3: every bit depends on every other. */
const mix = (bits: number): number => {
  let hash = bits
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** Pending calls with which a peer keeps its keys whatever the others have: with few calls shares are the chance of a moment. */
const affordable = 4

class NoKeyError extends Error {
  override readonly name = "NoKeyError"
}

/**
 * Calls of one key to one peer, for caches and what is kept in memory: by rendezvous hashing, so that when a peer comes or goes only
 * the keys that it gains or had move. Those of more capacity have as many more keys.
 *
 * - `by`: the key of a call, of its payload. A string, or a number
 * - `bound`: how many times its share of all pending calls a peer may have before its keys go to the next one, 1.25 by default; four
 *   at the least. It holds load even where one key is asked for by everybody
 *
 * @category policies
 * @since 0.2.0
 */
export const consistentHash = <Payload>(options: {
  readonly by: (payload: Payload) => string | number
  readonly bound?: number | undefined
}): Policy<Payload> => {
  const bound = options.bound ?? 1.25
  return make<Payload>("consistentHash", () => {
    const hashes = new Table()
    return (candidates, call) => {
      const key: unknown = options.by(call.payload)
      if (typeof key !== "string" && typeof key !== "number") {
        throw new NoKeyError("the key of a call is no string or number")
      }
      const keyHash = hashText(String(key))
      const perCapacity = bound * (call.pending + 1) / call.capacity
      let chosen: Candidate | undefined
      let best = -Infinity
      for (const one of candidates) {
        if (one.pending >= affordable && one.pending + 1 > Math.ceil(perCapacity * one.capacity)) continue
        const own = hashes.get(one) ?? hashes.set(one, mix(hashText(one.id)))
        // Of weights w, the one with the greatest -w / ln(u) is so by the chance of its weight.
        const score = -one.capacity / Math.log((mix(keyHash ^ own) + 0.5) / 0x1_0000_0000)
        if (score > best) {
          best = score
          chosen = one
        }
      }
      return chosen ?? emptiest(candidates)
    }
  })
}

const emptiest = <P>(candidates: ReadonlyArray<Candidate<P>>): Candidate<P> => {
  let chosen = candidates[0]!
  for (const one of candidates) if (load(one) < load(chosen)) chosen = one
  return chosen
}

// --- functions -------------------------------------------------------------------------------------------------------------------

/**
 * Whether a function does no harm where it runs twice: then a call that may have run is sent to another peer, where its own was lost. An
 * annotation of an Rpc, or of a group; commands say it with their option `idempotent`.
 *
 * ```ts
 * Rpc.make("thumbnail", { payload: { of: Schema.String }, success: Schema.Uint8Array }).annotate(Balance.Idempotent, true)
 * ```
 *
 * @category references
 * @since 0.2.0
 */
export const Idempotent: Context.Reference<boolean> = Context.Reference("@pnet/core/Balance/Idempotent", {
  defaultValue: (): boolean => false
})

// --- settings --------------------------------------------------------------------------------------------------------------------

/**
 * What a client of a service may be told besides its policy, with the defaults.
 *
 * @category schemas
 * @since 0.2.0
 */
export const Settings = Schema.Struct({
  whenFull: durationOrNone(
    "5 seconds",
    "Time that a call waits, in order, where all peers are full; none: it fails at once. Then OverloadedError."
  ),
  whenNobody: durationOrNone(
    "5 seconds",
    "Time that a call waits where no peer is there; none: it fails at once. Then an error that says so."
  ),
  waiting: count(
    1_024,
    "Calls of one client that wait. One more is OverloadedError, or takes the place of the last one of the caller that has the most."
  ),
  pending: count(1_024, "Calls of one client that are out to one peer. Further ones go to others, or wait."),
  failures: count(
    3,
    "Failures in a row after which a peer is left out. At most half of the peers are, and never the last."
  ),
  leaveOut: duration("1 second", "Time for which a peer is left out first, twice as long each time it fails again."),
  leaveOutMax: duration("1 minute", "The longest such time."),
  retries: share(
    0.2,
    "Retries for each call, over ten seconds. Beyond, a call that failed is not sent to another peer."
  ),
  retriesPerSecond: count(10, "Retries that are free, for a client that calls seldom.", 0),
  hedges: share(0.05, "Second attempts for each call that was given up waiting for. Beyond, the first is waited for.")
})

/**
 * What a client of a service may be told besides its policy.
 *
 * @category models
 * @since 0.2.0
 */
export type Settings = typeof Settings.Type

const decode = Schema.decodeUnknownEffect(Settings, { errors: "all", onExcessProperty: "error" })

/**
 * Checks settings, and fills in the defaults.
 *
 * @category constructors
 * @since 0.2.0
 */
export const settings = (input: typeof Settings.Encoded = {}): Effect.Effect<Settings, OptionsError> =>
  Effect.mapError(
    decode(input),
    (error) => new OptionsError({ of: "settings of a client of a service", issue: issueOf(error, input) })
  )

/**
 * How many calls of a function a node runs at once, and how many wait: in order, and a caller's behind those of the other callers who
 * have fewer. One more is refused as busy, which a client of a service takes for "another peer".
 *
 * @category schemas
 * @since 0.2.0
 */
export const Concurrency = Schema.Struct({
  running: count(64, "Calls that run at once."),
  waiting: count(
    256,
    "Calls that wait for one of these to end. One more is refused, or the last one of the caller that has the most.",
    0
  )
})

/**
 * How many calls of a function a node runs at once, and how many wait.
 *
 * @category models
 * @since 0.2.0
 */
export type Concurrency = typeof Concurrency.Type

/**
 * How many calls of a function run at once, as its registration takes it.
 *
 * @category models
 * @since 0.2.0
 */
export interface Limited {
  /**
   * Calls that run at once, and calls that wait, fair between callers: `{ running: 4, waiting: 16 }`. Further ones are refused as busy. What all
   * such functions of a node run at once is what it tells its peers that it takes (`Offer.capacity`). Default: no bound but that of all calls.
   */
  readonly concurrency?: typeof Concurrency.Encoded | undefined
}

// --- errors ----------------------------------------------------------------------------------------------------------------------

const people = (peers: number): string => peers === 1 ? "the one peer" : `all ${peers} peers`

/**
 * Everybody who could run a call is full. It was not run.
 *
 * - `QueueFull`: as many calls wait already as may
 * - `PushedOut`: it waited, and made room for a caller that has fewer calls waiting
 * - `TimeUp`: it waited in vain, for as long as it may or until its deadline
 *
 * @category errors
 * @since 0.2.0
 */
export class OverloadedError extends Schema.TaggedError<OverloadedError>("@pnet/core/Balance/OverloadedError")(
  "OverloadedError",
  {
    /** What was called: the service, or the function. */
    service: Schema.String,
    reason: Schema.Literals(["QueueFull", "PushedOut", "TimeUp"]),
    /** Peers that are there for it. */
    peers: Schema.Int,
    /** Calls of this client that are out to them. */
    pending: Schema.Int,
    /** Calls of this client that wait. */
    waiting: Schema.Int,
    /** How long it waited. */
    waited: Schema.optionalKey(Schema.Duration)
  }
) {
  override get message() {
    const waited = this.waited === undefined ? "" : ` after ${Duration.format(this.waited)}`
    const why = {
      QueueFull: "no more may wait",
      PushedOut: "it made room for a caller who has fewer calls waiting",
      TimeUp: "its time to wait was up"
    }[this.reason]
    return Why.see(
      `${quote(this.service)} is full: ${
        people(this.peers)
      } that could run it take no more (${this.pending} calls of this node are out, ${this.waiting} wait), and ${why}${waited}. It was not run; call again later, with fewer at once, or start more peers`,
      "overloaded"
    )
  }
}

/**
 * Nobody is there who could run a call. It was not run.
 *
 * @category errors
 * @since 0.2.0
 */
export class NobodyThereError extends Schema.TaggedError<NobodyThereError>("@pnet/core/Balance/NobodyThereError")(
  "NobodyThereError",
  {
    /** What was called: the service, or the function. */
    service: Schema.String,
    /** Peers that are there for it and take no calls any more, as they leave. */
    draining: Schema.Int,
    /** Names of some that say that they serve it, and to which this node's trust policy does not grant it. */
    notGranted: Schema.optionalKey(Schema.Array(Schema.String)),
    /** How long it waited. */
    waited: Schema.optionalKey(Schema.Duration)
  }
) {
  override get message() {
    const waited = this.waited === undefined ? "" : ` after ${Duration.format(this.waited)}`
    const leaving = this.draining === 0 ? "" : `, and ${this.draining} that did take no more calls as they leave`
    const { notGranted = [] } = this
    const claim = notGranted.length === 0
      ? ""
      : `; ${
        notGranted.map(quote).join(", ")
      } said so, and this node's trust policy does not grant it to them: grant it in the allow list or the certificate, or trust every peer's word by Trust.open`
    return Why.see(
      `no peer serves ${
        quote(this.service)
      }${leaving}${waited}${claim}. It was not run; start one, or wait longer with whenNobody`,
      "nobody-there"
    )
  }
}
