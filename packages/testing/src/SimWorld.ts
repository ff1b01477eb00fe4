/**
 * A simulated network with nodes on it, each on a host of its own: what the node suite and tests of whole networks need, in a
 * few words. The clock is the test's.
 *
 * What bites: time passes only while something runs under `passing`, or when the test adjusts its TestClock itself.
 *
 * @since 0.1.0
 */
import * as BasicNode from "@pnet/core/BasicNode"
import * as Crypto from "@pnet/core/Crypto"
import { Network } from "@pnet/core/Network"
import * as PortableCrypto from "@pnet/core/PortableCrypto"
import type { Reach } from "@pnet/core/Reach"
import * as TcpTransport from "@pnet/core/TcpTransport"
import * as TofuTrust from "@pnet/core/TofuTrust"
import * as Transport from "@pnet/core/Transport"
import * as Trust from "@pnet/core/Trust"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as SimNetwork from "./SimNetwork.ts"

type Node = BasicNode.BasicNode["Service"]

/**
 * A node on a simulated host.
 *
 * @category models
 * @since 0.1.0
 */
export interface SimNode {
  readonly node: Node
  readonly host: SimNetwork.Host
  /** The process that the node runs in: to stop, kill, pause and resume it. */
  readonly process: SimNetwork.Process<BasicNode.BasicNode>
}

/**
 * Starts a node on a fresh host called after it, listening on every interface. It runs until its process is stopped or the
 * network ends. `crypto` is the portable one unless given; it draws from the network's seed either way.
 *
 * @category constructors
 * @since 0.1.0
 */
export const startNode = <R = never>(
  network: SimNetwork.SimNetwork["Service"],
  options: BasicNode.Options<R>,
  overrides?: {
    readonly crypto?: Layer.Layer<Crypto.Crypto> | undefined
    readonly trust?: Layer.Layer<Trust.Trust> | undefined
    /** An existing host, in place of a fresh one. */
    readonly host?: SimNetwork.Host | undefined
  }
): Effect.Effect<SimNode, BasicNode.StartError, Exclude<R, Network | Reach | Scope.Scope>> =>
  Effect.gen(function*() {
    const host = overrides?.host ?? (yield* network.host(options.name))
    const layer = BasicNode.layer<R>({ bindIp: "0.0.0.0", ...options }).pipe(
      Layer.provide([overrides?.crypto ?? PortableCrypto.layer, overrides?.trust ?? TofuTrust.layer()])
    )
    const process = yield* host.launch(layer)
    return { node: Context.get(process.context, BasicNode.BasicNode), host, process }
  }) as Effect.Effect<SimNode, BasicNode.StartError, Exclude<R, Network | Reach | Scope.Scope>>

/**
 * A connection from a host without a node.
 *
 * @category constructors
 * @since 0.1.0
 */
export const dial = (
  from: SimNetwork.Host,
  endpoint: { readonly host: string; readonly port: number }
): Effect.Effect<Transport.Connection, Transport.DialError, Scope.Scope> =>
  Effect.gen(function*() {
    const process = yield* from.process
    const transport = TcpTransport.make(Context.get(process.context, Network), {
      bindIp: "0.0.0.0",
      serverPort: 0,
      dialTimeout: "5 seconds"
    })
    return yield* process.run(transport.dial(endpoint))
  })

/** A clock, and when the earliest of its sleeps is over: `Infinity` where there is none. */
const watched = (clock: Clock.Clock) => {
  /** When they are over, the latest first. */
  const ends: Array<number> = []
  let over = 0
  const enter = (end: number) => {
    let low = 0
    let high = ends.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (ends[middle]! > end) low = middle + 1
      else high = middle
    }
    ends.splice(low, 0, end)
  }
  const leave = (end: number) => {
    over++
    ends.splice(ends.indexOf(end), 1)
  }
  const sleep = (duration: Duration.Duration): Effect.Effect<void> =>
    Effect.suspend(() => {
      const end = clock.currentTimeMillisUnsafe() + Duration.toMillis(duration)
      enter(end)
      return Effect.ensuring(clock.sleep(duration), Effect.sync(() => leave(end)))
    })
  // A test under it may adjust it itself.
  const clockOfIt: Clock.Clock = Object.assign(Object.create(clock), { ...clock, sleep })
  return { clock: clockOfIt, earliest: () => ends.at(-1) ?? Infinity, over: () => over }
}

/** Steps in which nothing happened, before more than one is taken at once. */
const still = 16

/**
 * Runs an effect while virtual time passes, `step` by `step` (default 5 ms), until it is done. An effect that is not done
 * after `limit` of virtual time (default 10 minutes) dies, and so does the test. Where everybody sleeps for long, and nothing has happened for some
 * steps, those until somebody wakes are taken together, some more each time.
 *
 * @category combinators
 * @since 0.1.0
 */
export const passing =
  (options?: { readonly step?: Duration.Input; readonly limit?: Duration.Input }) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.gen(function*() {
      const step = Duration.toMillis(options?.step ?? "5 millis")
      const limit = Duration.toMillis(options?.limit ?? "10 minutes")
      const { clock, earliest, over } = watched(yield* Clock.Clock)
      const fiber = yield* Effect.provideService(effect, Clock.Clock, clock).pipe(
        Effect.forkChild({ startImmediately: true })
      )
      let quiet = 0
      for (let passed = 0; fiber.pollUnsafe() === undefined;) {
        if (passed > limit) {
          return yield* Effect.die(
            new Error(`not done after ${Duration.format(Duration.millis(limit))} of virtual time`)
          )
        }
        // Nobody wakes before the last of them. What waits for the world outside of the clock is given turns to go on.
        const free = Math.ceil((earliest() - clock.currentTimeMillisUnsafe()) / step) - 1
        const steps = quiet < still || free === Infinity ? 1 : Math.max(1, Math.min(free, quiet >> 2))
        const before = over()
        yield* TestClock.adjust(steps * step)
        passed += steps * step
        quiet = over() === before ? quiet + steps : 0
      }
      return yield* Fiber.join(fiber)
    })
