/**
 * A simulated network: hosts on LANs, datagrams with broadcast, streams with backpressure, and the faults of real ones,
 * driven by the Effect Clock and one seed.
 *
 * Each host gives a `Network` layer (the same service that `NodeNetwork` implements with real sockets) together with a
 * Clock, a Random and an Entropy of its own, so a program built with it lives on that host and never notices. Under a
 * `TestClock` hours pass in milliseconds.
 *
 * ```
 * const network = yield* SimNetwork.make({ seed: 42, link: { latency: "5 millis", loss: 0.01 } })
 * const alice = yield* network.host("alice")
 * const bob = yield* network.host("bob")
 * const node = yield* alice.launch(NodeLayer)
 * yield* network.partition(alice, bob)
 * ```
 *
 * **Reproducible.** Nothing but the Clock moves it, and every draw comes from generators that are seeded with the network's
 * seed and the name of their purpose (a pair of interfaces, a connection, a process). The same seed and the same program
 * give the same events in the same order, and the same text from `formatTrace`. Events due at one instant happen in the
 * order in which they were scheduled.
 *
 * **What bites.** Under a `TestClock` nothing that takes time happens until the test adjusts the clock: fork first, then
 * adjust. Layers are memoised by identity, so use `launch` to run one layer value on several hosts. A constant latency keeps
 * datagrams in order; a varying one does not. Only IPv4 is simulated, without multicast and without routers.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Address from "./internal/address.ts"
import * as Datagrams from "./internal/datagrams.ts"
import { Engine } from "./internal/engine.ts"
import { makeHost, stateOf } from "./internal/hosts.ts"
import type {
  Host,
  HostOptions,
  Hosts,
  LanOptions,
  LinkModel,
  OpenSocket,
  Options,
  Packet,
  Stats,
  TraceEvent,
  Verdict
} from "./internal/model.ts"
import { processesOf } from "./internal/process.ts"
import { formatEvent } from "./internal/trace.ts"
import { type HostState, World } from "./internal/world.ts"

export type {
  Host,
  HostOptions,
  Hosts,
  InterfaceOptions,
  LanOptions,
  Latency,
  LinkModel,
  OpenSocket,
  Options,
  Packet,
  Process,
  Stats,
  StreamOptions,
  TraceEvent,
  Verdict
} from "./internal/model.ts"

/**
 * A simulated network. Its verbs take effect at once, at the current instant of the Clock. Misuse, such as an unknown
 * name or an address that is taken, is a defect.
 *
 * @category services
 * @since 0.1.0
 */
export class SimNetwork extends Context.Service<SimNetwork, {
  /** The seed, to be printed when a run fails. */
  readonly seed: string
  /** Attaches a new host. */
  readonly host: (name: string, options?: HostOptions) => Effect.Effect<Host>
  /** The hosts so far, in the order of their making. */
  readonly hosts: () => ReadonlyArray<Host>
  /** Adds a LAN. */
  readonly lan: (name: string, options?: LanOptions) => Effect.Effect<void>
  /** Changes some numbers of a LAN's link model, for what is sent from now on. */
  readonly setLink: (lan: string, link: LinkModel) => Effect.Effect<void>
  /** Overrides the link model between hosts, in both directions unless `oneWay`; `undefined` takes the override back. */
  readonly setPath: (
    from: Hosts,
    to: Hosts,
    link: LinkModel | undefined,
    options?: { readonly oneWay?: boolean | undefined }
  ) => Effect.Effect<void>
  /**
   * Nothing gets through between the hosts of one side and those of the other: in both directions, or with `oneWay` from the
   * first to the second. What is on its way is lost too. Without `to`, from all others there are now.
   */
  readonly partition: (
    from: Hosts,
    to?: Hosts,
    options?: { readonly oneWay?: boolean | undefined }
  ) => Effect.Effect<void>
  /** Takes partitions back, in both directions; without arguments all of them. */
  readonly heal: (from?: Hosts, to?: Hosts) => Effect.Effect<void>
  /**
   * Sees, and may change, every datagram and every piece of a stream when it is sent, until the scope closes. Interceptors
   * run in the order of their registration, each on what the one before left.
   */
  readonly intercept: (hook: (packet: Packet) => Verdict) => Effect.Effect<void, never, Scope.Scope>
  /**
   * Sends a datagram from a host with any source address, as an attacker on its LAN can. `from` and `to` are `address:port`.
   */
  readonly inject: (
    host: Host | string,
    datagram: { readonly from: string; readonly to: string; readonly payload: Uint8Array }
  ) => Effect.Effect<void>
  /**
   * Gives a host name its addresses, in place of those it had, on every host; `undefined` takes the name away. At first there is
   * `localhost` alone.
   */
  readonly setName: (name: string, addresses: ReadonlyArray<string> | undefined) => Effect.Effect<void>
  /** Whether names can be resolved, as they cannot while no name server answers. At first they can. */
  readonly setNamesAvailable: (available: boolean) => Effect.Effect<void>
  /** What happened, oldest first, as far as the ring reaches. */
  readonly trace: () => ReadonlyArray<TraceEvent>
  /** The trace as text, one line an event; `filter` picks events. */
  readonly formatTrace: (filter?: (event: TraceEvent) => boolean) => string
  readonly stats: () => Stats
  /** The sockets that processes hold now. Empty where everything was closed. */
  readonly openSockets: () => ReadonlyArray<OpenSocket>
}>()("@pnet/testing/SimNetwork") {}

/** What lies between hosts: the paths, and where they are cut. */
const makePaths = (world: World, hosts: ReadonlyMap<HostState, Host>) => {
  const states = (of: Hosts): ReadonlyArray<HostState> =>
    (typeof of === "string" || "name" in of ? [of] : of).map((each) => {
      const state = typeof each === "string" ? world.hosts.get(each) : stateOf(each)
      if (state === undefined || !hosts.has(state)) {
        throw new Error(`SimNetwork has no host ${typeof each === "string" ? each : each.name}`)
      }
      return state
    })
  const names = (of: ReadonlyArray<HostState>) => of.map((state) => state.name).join(",")
  const forPairs = (
    from: ReadonlyArray<HostState>,
    to: ReadonlyArray<HostState>,
    oneWay: boolean,
    f: (a: HostState, b: HostState) => void
  ) => {
    for (const a of from) {
      for (const b of to) {
        f(a, b)
        if (!oneWay) f(b, a)
      }
    }
  }
  const others = (from: ReadonlyArray<HostState>) => [...hosts.keys()].filter((state) => !from.includes(state))

  return {
    states,
    setPath: (from, to, link, pathOptions) =>
      Effect.sync(() => {
        const [a, b] = [states(from), states(to)]
        forPairs(a, b, pathOptions?.oneWay ?? false, (x, y) => world.setPair(x, y, link))
        world.trace.verb("path.model", names(a), names(b))
      }),
    partition: (from, to, partitionOptions) =>
      Effect.sync(() => {
        const a = states(from)
        const b = to === undefined ? others(a) : states(to)
        const oneWay = partitionOptions?.oneWay ?? false
        forPairs(a, b, oneWay, (x, y) => world.setCut(x, y, true))
        world.trace.verb("net.partition", names(a), `${oneWay ? "to" : "and"} ${names(b)}`)
      }),
    heal: (from, to) =>
      Effect.sync(() => {
        if (from === undefined) {
          world.healAll()
          return world.trace.verb("net.heal", "all")
        }
        const a = states(from)
        const b = to === undefined ? others(a) : states(to)
        forPairs(a, b, false, (x, y) => world.setCut(x, y, false))
        world.trace.verb("net.heal", names(a), names(b))
      })
  } satisfies Partial<SimNetwork["Service"]> & { readonly states: typeof states }
}

const openSocketsOf = (world: World): ReadonlyArray<OpenSocket> =>
  [...world.hosts.values()].flatMap((host) =>
    [...processesOf(host)].flatMap((process) =>
      [...process.held].map((socket) => ({
        host: host.name,
        pid: process.pid,
        kind: socket.kind,
        local: `${Address.format(socket.localAddress)}:${socket.localPort}`,
        remote: socket.remote && `${Address.format(socket.remote.address)}:${socket.remote.port}`
      }))
    )
  )

/**
 * A network that ends with the scope, and every process on it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options = {}
): Effect.fn.Return<SimNetwork["Service"], never, Scope.Scope> {
  const scope = yield* Effect.scope
  const context = yield* Effect.context<never>()
  const engine = new Engine(yield* Clock.Clock, Context.omit(Scope.Scope)(context as Context.Context<Scope.Scope>))
  yield* Effect.addFinalizer(() => Effect.sync(() => engine.close()))
  const world = new World(engine, options)
  const hosts = new Map<HostState, Host>()
  // Closed before the engine, so that finalizers of programs can still send, and wait without anybody passing the time.
  const processes = yield* Scope.fork(scope)
  yield* Effect.addFinalizer(() => Effect.sync(() => engine.rush()))

  const { states, ...paths } = makePaths(world, hosts)

  return SimNetwork.of({
    seed: world.prng.name,
    host: (name, hostOptions = {}) =>
      Effect.sync(() => {
        const host = makeHost(world, processes, name, hostOptions)
        hosts.set(stateOf(host)!, host)
        return host
      }),
    hosts: () => [...hosts.values()],
    setName: (name, addresses) =>
      Effect.sync(() => {
        world.setName(name, addresses)
        world.trace.verb("name.set", name, addresses?.join(",") ?? "")
      }),
    setNamesAvailable: (available) =>
      Effect.sync(() => {
        world.resolves = available
        world.trace.verb(available ? "names.up" : "names.down", "")
      }),
    lan: (name, lanOptions = {}) => Effect.sync(() => void world.addLan(name, lanOptions)),
    setLink: (lan, link) =>
      Effect.sync(() => {
        world.setLink(lan, link)
        world.trace.verb("link.model", lan)
      }),
    ...paths,
    intercept: (hook) =>
      Effect.acquireRelease(Effect.sync(() => world.intercept(hook)), (remove) => Effect.sync(remove)),
    inject: (host, { from, payload, to }) =>
      Effect.sync(() => {
        const state = states(host)[0]!
        const [source, target] = [endpoint(from), endpoint(to)]
        const route = world.route(state, target.address, source.address)
        if (route === undefined) throw new Error(`host ${state.name} has no way to ${to}`)
        Datagrams.emit(
          world,
          state,
          route,
          payload.slice(),
          source.address,
          source.port,
          target.address,
          target.port
        )
      }),
    trace: () => world.trace.events(),
    formatTrace: (filter) => {
      const events = world.trace.events()
      return (filter === undefined ? events : events.filter(filter)).map(formatEvent).join("\n")
    },
    stats: () => world.trace.snapshot(),
    openSockets: () => openSocketsOf(world)
  })
})

const endpoint = (text: string): { readonly address: number; readonly port: number } => {
  const [host, port] = text.split(":")
  const address = Address.parse(host!)
  if (address === undefined || !(Number(port) >= 1 && Number(port) <= 65_535)) {
    throw new Error(`${text} is not an address:port`)
  }
  return { address, port: Number(port) }
}

/**
 * `make` as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<SimNetwork> => Layer.effect(SimNetwork, make(options))
