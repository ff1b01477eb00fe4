/** Hosts and processes as the user holds them: handles around `HostState` and `ProcessState`. */
import { Entropy } from "@pnet/core/Crypto"
import * as LanReach from "@pnet/core/LanReach"
import * as Network from "@pnet/core/Network"
import { Reach } from "@pnet/core/Reach"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as Address from "./address.ts"
import * as Datagrams from "./datagrams.ts"
import type { Host, HostOptions, Process } from "./model.ts"
import { makeClock, makeRandom, processesOf, ProcessState } from "./process.ts"
import * as Sockets from "./sockets.ts"
import { broadcastOf, type HostState, type Interface, type World } from "./world.ts"

const states = new WeakMap<Host, HostState>()

/** The state behind a handle. */
export const stateOf = (host: Host): HostState | undefined => states.get(host)

const millis = (input: Duration.Input): number => Duration.toMillis(Duration.fromInputUnsafe(input))

const describe = (i: Interface): Network.NetworkInterface => ({
  name: i.name,
  family: "IPv4",
  address: Address.format(i.address),
  broadcast: Address.format(broadcastOf(i)),
  prefixLength: i.lan.prefixLength,
  loopback: false
})

const loopback: Network.NetworkInterface = {
  name: "lo",
  family: "IPv4",
  address: "127.0.0.1",
  broadcast: "127.255.255.255",
  prefixLength: 8,
  loopback: true
}

const interfacesOf = (host: HostState): ReadonlyArray<Network.NetworkInterface> => [
  ...(host.loopbackUp ? [loopback] : []),
  ...host.interfaces.filter((i) => i.up).map(describe)
]

/** The services of a process. A memo map of its own makes the same layer another instance in another process. */
const servicesOf = (process: ProcessState): Context.Context<Network.Network | Reach> => {
  const { host, world } = process
  const prng = world.prng.fork(`process/${host.name}/${process.pid}`)
  const entropy = prng.fork("entropy")
  const network: Network.Network["Service"] = {
    interfaces: Effect.sync(() => interfacesOf(host)),
    datagram: (options) => Datagrams.makeSocket(process, options),
    listen: (endpoint) => Sockets.listen(process, endpoint),
    dial: (endpoint) => Effect.sync(() => Sockets.dial(process, endpoint)),
    resolve: (name) =>
      Effect.suspend(() => {
        const found = world.resolve(name)
        return typeof found === "string"
          ? Effect.fail(new Network.ResolveError({ kind: found, name }))
          : Effect.succeed(found)
      })
  }
  return Context.make(Network.Network, network).pipe(
    Context.add(Reach, LanReach.make(network)),
    Context.add(Clock.Clock, makeClock(process)),
    Context.add(Random.Random, makeRandom(prng.fork("random"))),
    Context.add(Entropy, (bytes) => entropy.fill(bytes)),
    Context.add(Layer.CurrentMemoMap, Layer.makeMemoMapUnsafe())
  )
}

/** What is known of a running process beside its state. */
interface Running {
  readonly process: ProcessState
  readonly scope: Scope.Closeable
}

/** Runs in the process's scope, so that the process's end interrupts it, and gives its result to the caller. */
const inScope = <A, E, R>(scope: Scope.Scope, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkIn(restore(effect), scope, { startImmediately: true })
      return yield* restore(Fiber.join(fiber)).pipe(Effect.onInterrupt(() => Fiber.interrupt(fiber)))
    })
  )

/** Closed by a fiber of its own, so that a program may end itself: its wait for the end is interrupted like the rest. */
const close = (scope: Scope.Closeable, exit: Exit.Exit<unknown, unknown>) =>
  Effect.forkDetach(Scope.close(scope, exit), { startImmediately: true })

/** The programs that run on a host, each a process with its scope, services and sockets. */
const makePrograms = (world: World, state: HostState, networkScope: Scope.Scope, hostOf: () => Host) => {
  const { name } = state
  const running = new Map<ProcessState, Running>()

  const start = Effect.fnUntraced(function*(scope: Scope.Scope) {
    if (!state.up) return yield* Effect.die(new Error(`host ${name} is down; restart it before running anything on it`))
    const process = new ProcessState(world, state)
    const child = yield* Scope.fork(scope)
    running.set(process, { process, scope: child })
    world.trace.verb("process.start", name, `pid ${process.pid}`)
    yield* Scope.addFinalizer(
      child,
      Effect.sync(() => {
        running.delete(process)
        if (!process.alive) return
        // What it left open is closed by the system; after that it is gone.
        world.trace.verb("process.exit", name, `pid ${process.pid}`)
        process.die()
        process.finish("kill")
      })
    )
    return { process, scope: child, services: servicesOf(process) }
  })

  /** Fibers are interrupted first, then sockets closed, so that a dying program does not watch itself die. */
  const end = (victims: ReadonlyArray<Running>, how: "kill" | "vanish") =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const living = victims.filter(({ process }) => process.alive)
        for (const { process } of living) {
          process.die()
          running.delete(process)
        }
        const closing = yield* Effect.forEach(living, ({ scope }) => close(scope, Exit.interrupt()))
        for (const { process } of living) process.finish(how)
        yield* restore(Effect.forEach(closing, Fiber.await, { discard: true }))
      })
    )

  const handle = <A>(
    { process, scope }: Running,
    context: Context.Context<A | Network.Network | Reach>
  ): Process<A> => ({
    host: hostOf(),
    pid: process.pid,
    context,
    isAlive: () => process.alive,
    run: (effect) => inScope(scope, Effect.provideContext(effect, context)) as never,
    stop: Effect.suspend(() => process.alive ? Effect.flatMap(close(scope, Exit.void), Fiber.await) : Effect.void),
    kill: Effect.suspend(() => {
      if (process.alive) world.trace.verb("process.kill", name, `pid ${process.pid}`)
      return end([{ process, scope }], "kill")
    }),
    pause: Effect.sync(() => {
      world.trace.verb("process.pause", name, `pid ${process.pid}`)
      process.paused = true
    }),
    resume: Effect.sync(() => {
      world.trace.verb("process.resume", name, `pid ${process.pid}`)
      process.paused = false
      process.thaw()
    })
  })

  const launch: Host["launch"] = <A, E, R>(layer: Layer.Layer<A, E, R>) =>
    Effect.gen(function*() {
      const { process, scope, services } = yield* start(networkScope)
      const built = yield* Scope.provide(Layer.build(layer), scope).pipe(
        Effect.provideContext(services),
        (build) => inScope(scope, build),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )
      return handle<A>({ process, scope }, Context.merge(services, built))
    }) as never

  const run: Host["run"] = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      start(networkScope),
      ({ scope, services }) => inScope(scope, Effect.provideContext(Scope.provide(effect as never, scope), services)),
      ({ scope }, exit) => Scope.close(scope, exit)
    ) as never

  const layer = Layer.effectContext(
    Effect.gen(function*() {
      const { services } = yield* start(yield* Effect.scope)
      // Whoever builds with this layer memoises where it likes.
      return Context.omit(Layer.CurrentMemoMap)(
        services as Context.Context<Network.Network | Reach | Layer.CurrentMemoMap>
      )
    })
  )

  return {
    layer,
    launch,
    process: Effect.map(start(networkScope), (started) => handle<never>(started, started.services)),
    run,
    /** Everything stops at once, and says nothing. */
    vanish: Effect.suspend(() => end([...running.values()], "vanish"))
  }
}

/** A host's interfaces, and what can be done to them while programs run. */
const makeLinks = (world: World, state: HostState) => {
  const { name } = state
  const named = (label: string): Interface => {
    const found = state.interfaces.find((i) => i.name === label)
    if (found === undefined) {
      throw new Error(
        `host ${name} has no interface ${label}; it has ${state.interfaces.map((i) => i.name).join(", ")}`
      )
    }
    return found
  }

  return {
    interfaces: Effect.sync(() => interfacesOf(state)),
    addInterface: (each = {}) =>
      Effect.sync(() => {
        const lan = each.lan === undefined ? world.defaultLan : world.lan(each.lan)
        const added = world.addInterface(state, lan, each.address, each.name)
        world.trace.verb("link.add", name, `${added.name} ${Address.format(added.address)}`)
        return describe(added)
      }),
    removeInterface: (label) =>
      Effect.sync(() => {
        const found = named(label)
        world.trace.verb("link.remove", name, `${label} ${Address.format(found.address)}`)
        world.removeInterface(found)
      }),
    changeAddress: (label, address) =>
      Effect.sync(() => {
        const found = named(label)
        const before = Address.format(found.address)
        world.changeAddress(found, address)
        world.trace.verb("link.address", name, `${label} ${before} to ${Address.format(found.address)}`)
        return describe(found)
      }),
    setLinkUp: (label, up) =>
      Effect.sync(() => {
        if (label === "lo") state.loopbackUp = up
        else named(label).up = up
        world.trace.verb(up ? "link.up" : "link.down", name, label)
      }),
    setBroadcastAllowed: (allowed) =>
      Effect.sync(() => {
        state.broadcasts = allowed
        world.trace.verb(allowed ? "broadcast.allow" : "broadcast.forbid", name)
      })
  } satisfies Partial<Host>
}

export const makeHost = (world: World, networkScope: Scope.Scope, name: string, options: HostOptions): Host => {
  const state = world.addHost(name, millis(options.clockSkew ?? 0), options.clockDrift ?? 0)
  for (const each of options.interfaces ?? [{}]) {
    world.addInterface(state, each.lan === undefined ? world.defaultLan : world.lan(each.lan), each.address, each.name)
  }
  const { vanish, ...programs } = makePrograms(world, state, networkScope, () => host)

  const crash = Effect.suspend(() => {
    if (!state.up) return Effect.void
    world.trace.verb("host.crash", name)
    state.up = false
    state.paused = false
    return vanish
  })

  const host: Host = {
    name,
    get address() {
      const first = state.interfaces[0]
      return first === undefined ? "127.0.0.1" : Address.format(first.address)
    },
    ...programs,
    ...makeLinks(world, state),
    setSkew: (skew) =>
      Effect.sync(() => {
        state.skew = millis(skew)
        world.trace.verb("clock.skew", name, `${state.skew}ms`)
      }),
    crash,
    restart: Effect.andThen(
      crash,
      Effect.sync(() => {
        world.trace.verb("host.restart", name)
        state.up = true
      })
    ),
    pause: Effect.sync(() => {
      world.trace.verb("host.pause", name)
      state.paused = true
    }),
    resume: Effect.sync(() => {
      world.trace.verb("host.resume", name)
      state.paused = false
      for (const process of processesOf(state)) process.thaw()
    }),
    isUp: () => state.up
  }
  states.set(host, state)
  return host
}
