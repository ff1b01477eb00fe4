/**
 * A whole network of nodes as one layer, for the tests of programs that talk over it: nodes with names, each on a host of its own,
 * that know each other when the layer is built; faults as verbs; and time that passes by itself under a `TestClock`.
 *
 * ```ts
 * class Home extends TestNetwork.Service<Home>()("test/Home", {
 *   seed: 1,
 *   nodes: {
 *     alice: TestNetwork.node(),
 *     bob: TestNetwork.node({ beside: CommandNode.serve(Files).pipe(Layer.provide(FilesLive)) })
 *   }
 * }) {}
 *
 * it.effect("fails at once when bob is gone", () =>
 *   Effect.gen(function*() {
 *     const { alice, bob } = (yield* Home).nodes
 *     const files = yield* alice.node.client(Files, "bob")
 *     yield* bob.kill
 *     const error = yield* Effect.flip(files.read({ path: "/notes" }))
 *     assert.strictEqual(error._tag, "DialError")
 *   }).pipe(Effect.provide(Home.layer)))
 * ```
 *
 * **Time.** As long as the network exists, a fiber of the layer adjusts the TestClock, from one thing that is due to the next,
 * each time after everything that could run has run. So an effect that waits, for a peer, a timeout, a retry, is `yield*`ed
 * directly, and an hour takes moments. To bound a test use `Effect.timeout`, which counts virtual time. `time: "manual"`
 * leaves the clock to the test. Under a live clock nothing is adjusted, and the same network runs in real time.
 *
 * **Seed.** A run depends on its seed alone: latencies, losses, keys, the jitter of adverts, and what nodes draw from Effect's
 * `Random`. Ids of spans, which travel with calls, are drawn from it too where the tracer is Effect's own. So a run that failed
 * is repeated by its seed, with the same trace (`network.formatTrace()`), byte for byte.
 *
 * **What bites.** A test clock waits a second of real time for what is due at one instant, and then goes on and says so in the
 * log: hundreds of calls at one moment on a slow machine may take that long, and the run is not the same each time. The clocks of nodes give whole milliseconds,
 * as real ones do; the test's own stands between them where latencies do, and a `DateTime` of such a time cannot be encoded: make it at a node, or have latencies of
 * whole milliseconds. While a test waits for something outside of Effect, such as a promise of a real disk, virtual time flies, and every
 * timeout with it. One layer for several tests gives them one network, and time passes between them too: build one for each test
 * where a run has to be the same each time. After `restart` a node is another value: read `bob.node` again.
 *
 * @since 0.1.0
 */
import * as AdvancedNode from "@pnet/core/AdvancedNode"
import * as BasicNode from "@pnet/core/BasicNode"
import * as CommandNode from "@pnet/core/CommandNode"
import * as Crypto from "@pnet/core/Crypto"
import type * as FunctionError from "@pnet/core/FunctionError"
import * as Identity from "@pnet/core/Identity"
import { Network } from "@pnet/core/Network"
import type * as NodeOptions from "@pnet/core/NodeOptions"
import * as Peers from "@pnet/core/Peers"
import * as PortableCrypto from "@pnet/core/PortableCrypto"
import { Reach } from "@pnet/core/Reach"
import type * as Sessions from "@pnet/core/Sessions"
import * as TofuTrust from "@pnet/core/TofuTrust"
import * as Trust from "@pnet/core/Trust"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as TestClock from "effect/testing/TestClock"
import * as Tracer from "effect/Tracer"
import { Prng } from "./internal/prng.ts"
import * as SimNetwork from "./SimNetwork.ts"

// --- what a node is made of -------------------------------------------------------------------------------------------

/**
 * How a node of the network is made. It gives `A` and needs `R` besides what its host has.
 *
 * @category models
 * @since 0.1.0
 */
export interface Spec<out A, out E = never, out R = never> extends AnySpec {
  readonly "~A": () => A
  readonly "~E": () => E
  readonly "~R": () => R
}

/** Apart from `Spec`, so that nothing of it is taken for what a node gives, fails with or needs. */
interface AnySpec {
  readonly host: SimNetwork.HostOptions | undefined
  readonly reach?: Layer.Layer<Reach, never, Network> | undefined
  /** The node's layer, from its name and the network id that it has where it does not say otherwise. */
  readonly layer: (name: string, networkId: string) => AnyLayer
}

type AnyLayer = Layer.Layer<any, any, any>

/**
 * The options of a CommandNode in a test: those of `CommandNode.layer`, none of which is required, and what runs with it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<
  Services = Record<string, never>,
  Commands = never,
  Streams = Record<string, never>,
  R = never,
  Beside extends Layer.Any = never,
  Provided extends Layer.Any = never
> extends Partial<NodeOptions.Input> {
  /** Functions that peers call by name. */
  readonly functions?: CommandNode.Functions<Services> | undefined
  /** Commands that it serves. */
  readonly commands?: CommandNode.Options<{}, Commands>["commands"]
  /** Functions over byte streams. */
  readonly streams?: AdvancedNode.Functions<Streams> | undefined
  /** Handles its messages. */
  readonly onMessage?: BasicNode.MessageHandler<unknown, R> | undefined
  /** What runs beside the node on its host, with the node, such as `CommandNode.serve(group).pipe(Layer.provide(handlers))`. */
  readonly beside?: Beside | undefined
  /** What the functions and `beside` need. Each node has an instance of its own; provide to the network's layer what all share. */
  readonly services?: Provided | undefined
  /** The host: skew and drift of its clocks, its interfaces. */
  readonly host?: SimNetwork.HostOptions | undefined
  /** How it reaches the others. Default: as all nodes of the network do. */
  readonly reach?: Layer.Layer<Reach, never, Network> | undefined
}

type SuccessOf<L extends Layer.Any> = [L] extends [never] ? never : Layer.Success<L>
type ErrorOf<L extends Layer.Any> = [L] extends [never] ? never : Layer.Error<L>
type NeedsOf<L extends Layer.Any> = [L] extends [never] ? never : Layer.Services<L>

/** What a host of a test network has for whatever runs on it. */
type Host = Network | Reach | Crypto.Crypto | Trust.Trust | Identity.Identity

type CommandServices =
  | CommandNode.CommandNode
  | AdvancedNode.AdvancedNode
  | BasicNode.BasicNode
  | Sessions.Sessions
  | Peers.Peers

const defaults = (name: string, networkId: string) => ({ name, networkId, bindIp: "0.0.0.0" })

/**
 * A CommandNode. Unless the options say otherwise it is called like its key in `nodes`, belongs to the network's `networkId`,
 * listens on every interface of its host (`bindIp: "0.0.0.0"`), and has a key pair that it keeps when it is restarted.
 *
 * @category constructors
 * @since 0.1.0
 */
export const node = <
  Services extends Record<string, unknown> = {},
  Commands = never,
  Streams extends Record<string, unknown> = {},
  R = never,
  Beside extends Layer.Any = never,
  Provided extends Layer.Any = never
>(
  options?: Options<Services, Commands, Streams, R, Beside, Provided>
): Spec<
  CommandServices | SuccessOf<Beside> | SuccessOf<Provided>,
  BasicNode.StartError | FunctionError.DuplicateFunctionError | ErrorOf<Beside> | ErrorOf<Provided>,
  | Exclude<
    | Exclude<AdvancedNode.Needs<Services> | Commands | AdvancedNode.Needs<Streams> | Exclude<R, Scope.Scope>, Host>
    | Exclude<NeedsOf<Beside>, CommandServices | Host>,
    SuccessOf<Provided>
  >
  | Exclude<NeedsOf<Provided>, Host>
> => {
  const { beside, host, reach, services, ...rest } = options ?? {}
  return {
    host,
    reach,
    layer: (name: string, networkId: string) => {
      const alone: AnyLayer = CommandNode.layer({ ...defaults(name, networkId), ...rest } as never)
      const whole = beside === undefined
        ? alone
        : Layer.provideMerge(beside as unknown as AnyLayer, alone)
      return services === undefined
        ? whole
        : Layer.provideMerge(whole, services as unknown as AnyLayer) as AnyLayer
    }
  } as never
}

/**
 * A program as it is: a layer that has a node in it, of any type, and gives its `Peers`. Its name has to be its key in `nodes`,
 * its network id the network's, and its `bindIp` `"0.0.0.0"`. For testing the layer of a production program, or nodes that are
 * no CommandNodes: `program(AdvancedNode.layer({ name: "carol", networkId: "test", bindIp: "0.0.0.0" }))`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const program = <A, E, R>(
  layer: Layer.Layer<A | Peers.Peers, E, R>,
  options?: Pick<Options, "host" | "reach">
): Spec<A | Peers.Peers, E, Exclude<R, Host>> =>
  ({ host: options?.host, reach: options?.reach, layer: () => layer }) as never

// --- the network ------------------------------------------------------------------------------------------------------

/**
 * The node that services have in them: a CommandNode where there is one, or else an AdvancedNode, or a BasicNode.
 *
 * @category utility types
 * @since 0.1.0
 */
export type NodeOf<A> = CommandNode.CommandNode extends A ? CommandNode.CommandNode["Service"]
  : AdvancedNode.AdvancedNode extends A ? AdvancedNode.AdvancedNode["Service"]
  : BasicNode.BasicNode extends A ? BasicNode.BasicNode["Service"]
  : undefined

/**
 * A node of the network, and what may happen to it.
 *
 * @category models
 * @since 0.1.0
 */
export interface TestNode<A, E = never> {
  readonly name: string
  /** The node as it is now: another one after `restart`. */
  readonly node: NodeOf<A>
  /** Everything that its layer gives. */
  readonly context: Context.Context<A | Network | Reach>
  /** The machine it is on. */
  readonly host: SimNetwork.Host
  /** Runs an effect on its host, with its services, its clock and its randomness. Interrupted when the node ends. */
  readonly run: <B, E2, R>(
    effect: Effect.Effect<B, E2, R>
  ) => Effect.Effect<B, E2, Exclude<R, A | Crypto.Crypto | Trust.Trust | Network | Reach>>
  readonly isRunning: () => boolean
  /** Ends it in order: its layer's scope closes, and its peers hear that it leaves. */
  readonly stop: Effect.Effect<void>
  /** kill -9: it says nothing more, and the system closes its connections. */
  readonly kill: Effect.Effect<void>
  /** Power loss: nothing more is sent, not even that connections are closed. */
  readonly crash: Effect.Effect<void>
  /** Freezes it: timers and reads wait, while the system goes on to take what comes. */
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
  /**
   * Starts it anew, with nothing left but its key pair and its address: after `stop`, if it still runs. Its peers find it with
   * its next advert; `awaitAll` waits for that. After a `crash` those who had a session with it learn of its end by their
   * next call, which fails with `PeerLostError`.
   */
  readonly restart: Effect.Effect<void, E>
}

type Nodes<Specs> = {
  readonly [Name in keyof Specs]: Specs[Name] extends Spec<infer A, infer E, infer _R> ? TestNode<A, E> : never
}
type ErrorsOf<Specs> = { readonly [Name in keyof Specs]: Specs[Name] extends Spec<any, infer E, any> ? E : never }[
  keyof Specs
]
type RequirementsOf<Specs> = {
  readonly [Name in keyof Specs]: Specs[Name] extends Spec<any, any, infer R> ? R : never
}[keyof Specs]

/**
 * One node or several, by name.
 *
 * @category models
 * @since 0.1.0
 */
export type Names<Name extends string> = Name | ReadonlyArray<Name>

/**
 * A network of nodes. The names in its verbs are those of its nodes, and no others.
 *
 * @category models
 * @since 0.1.0
 */
export interface TestNetwork<Specs> {
  /** The nodes by name. */
  readonly nodes: Nodes<Specs>
  /** The simulated network underneath: interceptors, injected datagrams, trace, counters, further hosts. */
  readonly network: SimNetwork.SimNetwork["Service"]
  /** Cuts nodes from each other, without `to` from all others; with `oneWay` in one direction. What is on its way is lost. */
  readonly partition: (
    from: Names<keyof Specs & string>,
    to?: Names<keyof Specs & string>,
    options?: { readonly oneWay?: boolean | undefined }
  ) => Effect.Effect<void>
  /** Takes partitions back; without arguments all of them. */
  readonly heal: (from?: Names<keyof Specs & string>, to?: Names<keyof Specs & string>) => Effect.Effect<void>
  /** Changes latency, loss and the rest of the link between all nodes. What is not named stays. */
  readonly setLink: (link: SimNetwork.LinkModel) => Effect.Effect<void>
  /** The same between some nodes, over what `setLink` says; `undefined` takes it back. */
  readonly setPath: (
    from: Names<keyof Specs & string>,
    to: Names<keyof Specs & string>,
    link: SimNetwork.LinkModel | undefined,
    options?: { readonly oneWay?: boolean | undefined }
  ) => Effect.Effect<void>
  /**
   * Waits until every node that runs knows every other that runs, at its present address, and suspects none. One that is cut off, or does not
   * agree with the others on the network, makes this a defect after `timeout` (default 30 seconds).
   */
  readonly awaitAll: (timeout?: Duration.Input) => Effect.Effect<void>
}

/**
 * Options of a network of nodes: those of the simulated network, and its nodes.
 *
 * @category models
 * @since 0.1.0
 */
export interface NetworkOptions<Specs> extends SimNetwork.Options {
  /** The nodes, by the names they have. */
  readonly nodes: Specs
  /** The network id of nodes that do not say otherwise. Default `"test"`. */
  readonly networkId?: string | undefined
  /** Cryptography of all nodes. Default `PortableCrypto.layer`, which draws from the seed. */
  readonly crypto?: Layer.Layer<Crypto.Crypto> | undefined
  /** The trust policy of all nodes, each with an instance of its own. Default `TofuTrust.layer()`. */
  readonly trust?: Layer.Layer<Trust.Trust> | undefined
  /** How nodes that do not say otherwise reach each other. Default: `LanReach`, over the network of their host. */
  readonly reach?: Layer.Layer<Reach, never, Network> | undefined
  /** Who adjusts the TestClock once the nodes know each other: the network, always, or the test. Default `"passes"`. */
  readonly time?: "passes" | "manual" | undefined
}

const isTestClock = (clock: Clock.Clock): clock is TestClock.TestClock => "adjust" in clock

/** A span whose ids come from the seed. They travel with calls, and Effect draws them from elsewhere. */
class SeededSpan extends Tracer.NativeSpan {
  constructor(options: ConstructorParameters<typeof Tracer.NativeSpan>[0], prng: Prng) {
    super(options)
    const hex = (words: number) =>
      Array.from({ length: words }, () => prng.uint32().toString(16).padStart(8, "0")).join("")
    this._traceId = Option.isSome(this.parent) ? this.parent.value.traceId : hex(4)
    this._spanId = hex(2)
  }
}

/** The tracer there is, unless it is Effect's own: then one that does the same from the seed. */
const tracerOf = (seed: string) =>
  Effect.map(Tracer.Tracer, (tracer) => {
    if (tracer !== Tracer.nativeTracer) return tracer
    const prng = new Prng(`${seed}/spans`)
    return Tracer.make({ span: (options) => new SeededSpan(options, prng) })
  })

/** Adjusts a TestClock for ever; one that is not a TestClock passes by itself. */
const drive: Effect.Effect<void> = Effect.flatMap(
  Clock.Clock,
  (clock) => isTestClock(clock) ? Effect.forever(clock.adjust("1 second")) : Effect.void
)

/**
 * Closes a node, and says which one it is that does not close: a runner's own timeout would name the test and nothing else. A
 * test's clock tells it in ten minutes of virtual time, and then the test fails; any other in three seconds, and goes on waiting.
 */
const closing = (name: string, stop: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.flatMap(Clock.Clock, (clock) => {
    const virtual = isTestClock(clock)
    const stuck = new Error(
      `TestNetwork: the node ${name} does not close: something on it cannot be interrupted, such as a handler under `
        + "Effect.uninterruptible, or a finalizer that waits for what does not come"
    )
    return Effect.gen(function*() {
      const fiber = yield* Effect.forkDetach(stop, { startImmediately: true })
      const hint = Effect.andThen(
        Effect.sleep(virtual ? "10 minutes" : "3 seconds"),
        virtual ? Effect.die(stuck) : Effect.andThen(Effect.logError(stuck.message), Effect.never)
      )
      yield* Effect.raceFirst(Fiber.join(fiber), hint)
    })
  })

/** The node that a context has in it. */
const nodeIn = (context: Context.Context<any>) => {
  for (const key of [CommandNode.CommandNode, AdvancedNode.AdvancedNode, BasicNode.BasicNode] as const) {
    const found = Context.getOption(context, key as Context.Key<any, BasicNode.BasicNode["Service"]>)
    if (Option.isSome(found)) return found.value
  }
  return undefined
}

/** Whether a peer is known at the address that its node has now. */
const isAt = (peer: Peers.Peer, of: TestNode<any, any>): boolean => {
  const endpoints = nodeIn(of.context)?.endpoints ?? []
  return endpoints.length === 0 ||
    peer.endpoints.some(({ host, port }) =>
      endpoints.some((own) => port === own.port && (host === own.host || host === of.host.address))
    )
}

/** What all nodes of a network are made with. */
interface Prepared {
  readonly options: NetworkOptions<Record<string, AnySpec>>
  readonly network: SimNetwork.SimNetwork["Service"]
  readonly context: Context.Context<never>
}

/** A host with a node on it that is started and ended by itself; `launch` starts it. */
const prepare = Effect.fnUntraced(function*(
  { context, network, options }: Prepared,
  name: string,
  spec: AnySpec
) {
  const { crypto, networkId = "test", reach, trust } = options
  const host = yield* network.host(name, spec.host)
  let keyPair: Crypto.KeyPair | undefined
  const identity = Layer.effect(
    Identity.Identity,
    Effect.map(Crypto.Crypto, (crypto) => keyPair ??= crypto.generateKeyPair())
  )
  const way = spec.reach ?? reach
  const bare = spec.layer(name, networkId)
  const layer = (way === undefined ? bare : Layer.provide(bare, way)).pipe(
    Layer.provideMerge(identity),
    Layer.provideMerge(Layer.mergeAll(crypto ?? PortableCrypto.layer, trust ?? TofuTrust.layer()))
  ) as Layer.Layer<Peers.Peers, unknown, Network>
  let process: SimNetwork.Process<Peers.Peers> | undefined

  const launch = Effect.gen(function*() {
    if (!host.isUp()) yield* host.restart
    process = yield* host.launch(layer)
  }).pipe(Effect.provideContext(context))
  const contextOf = () => {
    if (process === undefined) throw new Error(`TestNetwork: ${name} has not been started yet`)
    return process.context
  }
  const ofProcess = (verb: "stop" | "kill") =>
    Effect.suspend(() => process === undefined ? Effect.void : closing(name, process[verb]))

  const node: TestNode<any, any> = {
    name,
    host,
    get node() {
      return nodeIn(contextOf()) as never
    },
    get context() {
      return contextOf()
    },
    isRunning: () => process?.isAlive() === true,
    run: ((effect: Effect.Effect<unknown>) =>
      Effect.suspend(() =>
        process?.isAlive() === true
          ? process.run(effect)
          : Effect.die(new Error(`TestNetwork: ${name} does not run, so nothing can be run on it; restart it first`))
      )) as unknown as TestNode<any, any>["run"],
    stop: ofProcess("stop"),
    kill: ofProcess("kill"),
    crash: host.crash,
    pause: host.pause,
    resume: host.resume,
    restart: Effect.andThen(ofProcess("stop"), launch)
  }
  return { node, launch }
})

const peersOf = ({ context }: TestNode<any, any>) => Context.get(context as Context.Context<Peers.Peers>, Peers.Peers)

/** What a node knows to be in the way of others, such as clocks. */
const obstaclesAt = (node: TestNode<any, any>) =>
  Effect.map(peersOf(node).obstacles, (all) => all.map(({ remedy, what }) => `. At ${node.name}: ${what}: ${remedy}`))

/** Waits until each of the nodes that run knows all others, and suspects none: who is suspected was cut off, as before `heal`, and may yet be lost. */
const awaitAllOf = (testNodes: ReadonlyMap<string, TestNode<any, any>>, timeout: Duration.Input) =>
  Effect.suspend(() => {
    const running = [...testNodes.values()].filter((each) => each.isRunning())
    const missing = new Set<string>()
    const pairs = running.flatMap((by) => running.filter((of) => of !== by).map((of) => ({ by, of })))
    return Effect.forEach(pairs, ({ by, of }) => {
      const what = `${by.name} does not know ${of.name}`
      missing.add(what)
      return peersOf(by).presenceOf(of.name).pipe(
        Stream.filter((peer) => peer?.status === "Online" && isAt(peer, of)),
        Stream.take(1),
        Stream.runDrain,
        Effect.andThen(Effect.sync(() => missing.delete(what)))
      )
    }, { concurrency: "unbounded", discard: true }).pipe(
      Effect.timeoutOrElse({
        duration: timeout,
        orElse: () =>
          Effect.flatMap(Effect.forEach(running, obstaclesAt), (obstacles) =>
            Effect.die(
              new Error(
                `TestNetwork: ${
                  [...missing].join(", ")
                }. Nodes find each other when they are called as in "nodes", have the `
                  + `same networkId, networkKey and advertisePort, a bindIp of "0.0.0.0", and no partition between them`
                  + obstacles.flat().join("")
              )
            ))
      })
    )
  })

const start = Effect.fnUntraced(function*(options: NetworkOptions<Record<string, AnySpec>>) {
  const { crypto: _crypto, networkId: _networkId, nodes: specs, reach: _reach, time, trust: _trust, ...sim } = options
  const network = yield* SimNetwork.make(sim)
  const tracer = yield* tracerOf(network.seed)
  const context = Context.add(yield* Effect.context<never>(), Tracer.Tracer, tracer)
  const testNodes = new Map<string, TestNode<any, any>>()

  const awaitAll = (timeout: Duration.Input = "30 seconds") => awaitAllOf(testNodes, timeout)

  // What is frozen cannot end. Before the network ends, which would wait for a node that does not close without a word.
  yield* Effect.addFinalizer(() =>
    Effect.gen(function*() {
      yield* Effect.forEach(testNodes.values(), ({ resume }) => resume, { discard: true })
      const all = Effect.forEach(testNodes.values(), ({ stop }) => stop, { concurrency: "unbounded", discard: true })
      // Time has to pass for whatever waits in order to close.
      yield* Effect.raceFirst(all, Effect.andThen(drive, Effect.never))
    }).pipe(Effect.interruptible)
  )
  const driver = yield* Effect.forkScoped(drive)
  const launches = yield* Effect.forEach(
    Object.entries(specs),
    ([name, spec]) =>
      Effect.map(prepare({ options, network, context }, name, spec), ({ launch, node }) => {
        testNodes.set(name, node)
        return launch
      })
  )
  // One after another, since a test clock waits a second of real time for what is due at one instant, and no longer. None waits
  // for the one before, which may be waiting for it.
  yield* Effect.all(launches.map((launch, i) => Effect.delay(launch, `${i} millis`)), {
    concurrency: "unbounded",
    discard: true
  })
  yield* awaitAll()
  if (time === "manual") yield* Fiber.interrupt(driver)

  const lans = Object.keys(options.lans ?? { lan: {} })
  const value: TestNetwork<Record<string, AnySpec>> = {
    nodes: Object.fromEntries(testNodes) as Nodes<Record<string, AnySpec>>,
    network,
    partition: network.partition,
    heal: network.heal,
    setLink: (link: SimNetwork.LinkModel) =>
      Effect.forEach(lans, (lan) => network.setLink(lan, link), { discard: true }),
    setPath: network.setPath,
    awaitAll
  }
  return { value, tracer }
})

/**
 * A network of nodes that ends with the scope. It is there when all of its nodes know each other. The ids of the caller's own
 * spans are Effect's; with the layer of a `Service` they come from the seed too.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <const Specs extends Record<string, AnySpec>>(
  options: NetworkOptions<Specs>
): Effect.Effect<TestNetwork<Specs>, ErrorsOf<Specs>, RequirementsOf<Specs> | Scope.Scope> =>
  Effect.map(start(options), ({ value }) => value) as Effect.Effect<any, any, any>

// --- as a service -----------------------------------------------------------------------------------------------------

/**
 * A network of nodes as a service, with its layers.
 *
 * @category services
 * @since 0.1.0
 */
export interface ServiceClass<in out Self, in out Id extends string, in out Specs>
  extends Context.ServiceClass<Self, Id, TestNetwork<Specs>>
{
  /** The network: its nodes run and know each other when it is built. It needs what its nodes still need. */
  readonly layer: Layer.Layer<Self, ErrorsOf<Specs>, RequirementsOf<Specs>>
  /** The same with other options: another seed, a worse link. */
  readonly layerWith: (
    options: Omit<NetworkOptions<Specs>, "nodes">
  ) => Layer.Layer<Self, ErrorsOf<Specs>, RequirementsOf<Specs>>
}

/**
 * Defines a network of nodes: `class Home extends TestNetwork.Service<Home>()("test/Home", { nodes: { … } }) {}`. A test has it
 * by `yield* Home`, and provides `Home.layer`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const Service = <Self>() =>
<const Id extends string, const Specs extends Record<string, AnySpec>>(
  id: Id,
  options: NetworkOptions<Specs>
): ServiceClass<Self, Id, Specs> => {
  const Tag = Context.Service<Self, TestNetwork<Specs>>()(id)
  const layerWith = (overrides: Omit<NetworkOptions<Specs>, "nodes">) =>
    Layer.effectContext(
      Effect.map(
        start({ ...options, ...overrides }),
        ({ tracer, value }) => Context.add(Context.make(Tag, value as never), Tracer.Tracer, tracer)
      )
    )
  return Object.assign(Tag, { layer: layerWith({}), layerWith }) as unknown as ServiceClass<Self, Id, Specs>
}
