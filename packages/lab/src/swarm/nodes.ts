/**
 * The nodes of a swarm: a place for each, its start, and its end in order, after which nothing of it may be left.
 *
 * What bites: a node's own fibers are counted, those of the calls that it is asked to make are not. So a node is built in a fiber
 * that counts what it starts, and its services are taken out of it.
 */
import {
  type BasicNode,
  CommandNode,
  Crypto,
  Network,
  NetworkKeys,
  PeerRpc,
  RpcRegistry,
  Sessions,
  Trust
} from "@pnet/core"
import { Cause, Context, Effect, Exit, Fiber, Layer, Logger, Metric, Scope } from "effect"
import { Group, Told, toldToBreak } from "./contract.ts"
import { networkKey } from "./cryptography.ts"
import type { Journal } from "./journal.ts"
import type { NodeSpec } from "./plan.ts"
import { makePolicy } from "./policy.ts"
import { onMessage, proceduresOf, relay, streamsOf, typed, work } from "./served.ts"
import type { Running, Services, Slot } from "./slot.ts"
import type { World } from "./world.ts"

// --- a place -----------------------------------------------------------------------------------------------------------------

/** Makes a place for a node of the plan, or for a stranger. */
export const makeSlot = (world: World, place: {
  readonly spec: NodeSpec
  readonly index: number
  readonly identity: Crypto.KeyPair
  readonly stranger: boolean
  readonly hostName: string
}): Effect.Effect<Slot> =>
  Effect.gen(function*() {
    const { identity, index, spec, stranger } = place
    const host = yield* world.network.host(place.hostName, {
      interfaces: spec.lans.map((lan) => ({ lan: `lan${lan}` })),
      clockDrift: spec.drift
    })
    yield* host.setBroadcastAllowed(spec.broadcasts)
    const addresses = (yield* host.interfaces).flatMap(({ address, loopback }) => loopback ? [] : [address])
    const policy = yield* makePolicy(world, spec, () => {
      slot.changedAt = world.journal.now()
    })
    const keys = yield* Effect.orDie(NetworkKeys.make(world.plan.keyed ? [networkKey] : []))
    const blind = world.planted.is("untrusted session")
    const slot: Slot = {
      ...policy,
      trust: blind ? { ...policy.trust, check: () => Effect.void, proved: () => Effect.void } : policy.trust,
      name: spec.name,
      index,
      host,
      spec,
      stranger,
      addresses,
      identity,
      keys,
      running: undefined,
      busy: false,
      frozen: false,
      thawedAt: -Infinity,
      changedAt: -Infinity
    }
    return slot
  })

// --- a node ------------------------------------------------------------------------------------------------------------------

/** Nothing that a node logs may say that something broke, but what is told to. */
const listening = (journal: Journal) =>
  Logger.layer([Logger.make<unknown, void>(({ cause, logLevel, message }) => {
    const reasons = cause.reasons.filter((reason) => reason._tag === "Die")
    const defects = reasons.filter(({ defect }) => !(defect instanceof Error && defect.message === toldToBreak))
    const told = reasons.length > defects.length ||
      cause.reasons.some((reason) => reason._tag === "Fail" && reason.error instanceof Told)
    if (defects.length > 0 || logLevel === "Fatal" || logLevel === "Error" && !told) {
      journal.problem(
        "nothing breaks but what is told to",
        `logged (${logLevel}): ${String(message)} ${Cause.pretty(cause)}`
      )
    }
  })])

/** The addresses that a node is given: each on a LAN that both are on. */
const listedOf = ({ slots }: World, { listed, lans }: NodeSpec) =>
  listed.map((i) => {
    const { addresses, spec } = slots[i]!
    return `${addresses[spec.lans.findIndex((lan) => lans.includes(lan))]}:4000`
  })

const nodeLayer = (world: World, slot: Slot) => {
  const { planted, plan } = world
  const { spec } = slot
  const isListed = plan.nodes.some(({ listed }) => !slot.stranger && listed.includes(slot.index))
  return Layer.effectDiscard(PeerRpc.serve(Group)).pipe(
    Layer.provide(proceduresOf(world, slot)),
    Layer.provideMerge(CommandNode.layer({
      name: slot.name,
      networkId: "swarm",
      bindIp: "0.0.0.0",
      identity: slot.identity,
      framing: spec.framing,
      peers: listedOf(world, spec),
      ...(isListed ? { serverPort: 4_000 } : {}),
      limits: planted.is("too many sessions") ? {} : spec.limits,
      streams: streamsOf(world, slot),
      functions: { work: work(world, slot), relay: relay(world, slot) },
      commands: [typed(world, slot)],
      onMessage: onMessage(world, slot)
    } as CommandNode.Options<any, any, any, never>)),
    Layer.provideMerge(RpcRegistry.layer),
    Layer.provide([
      Layer.succeed(Crypto.Crypto, world.crypto),
      Layer.succeed(Trust.Trust, slot.trust),
      Layer.succeed(NetworkKeys.NetworkKeys, slot.keys),
      listening(world.journal)
    ])
  ) as Layer.Layer<Services, BasicNode.StartError, any>
}

/** A node's scope, within that of its process, and what its own fibers run in. */
type Own = Pick<Running, "scope" | "context">

/** Builds a node with its fibers counted, and hands out what is its own. */
const counted = (
  node: Layer.Layer<Services, BasicNode.StartError, any>,
  fibers: { count: number },
  capture: (own: Own) => void
): Layer.Layer<Services, BasicNode.StartError> => {
  const counting: Metric.FiberRuntimeMetricsService = {
    recordFiberStart: () => void fibers.count++,
    recordFiberEnd: () => void fibers.count--
  }
  return Layer.effectContext(Effect.gen(function*() {
    const scope = yield* Scope.fork(yield* Effect.scope)
    const build = Layer.build(node).pipe(
      Scope.provide(scope),
      Effect.provideService(Metric.FiberRuntimeMetrics, counting)
    )
    // In a fiber that is counted, and has ended when the node has started.
    const services = yield* Effect.flatMap(
      Effect.forkChild(Effect.provideService(build, Metric.FiberRuntimeMetrics, counting), { startImmediately: true }),
      Fiber.join
    )
    const whole = yield* Effect.context<never>()
    capture({ scope, context: Context.add(whole, Metric.FiberRuntimeMetrics, counting) })
    return services
  })) as Layer.Layer<Services, BasicNode.StartError>
}

/** Starts the node of a place. */
export const launch = (world: World, slot: Slot): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { journal } = world
    const fibers = { count: 0 }
    let own!: Own
    const started = yield* Effect.exit(slot.host.launch(counted(nodeLayer(world, slot), fibers, (captured) => {
      own = captured
    })))
    if (Exit.isFailure(started)) {
      // Its host may have gone down meanwhile.
      if (slot.host.isUp() && !Cause.hasInterrupts(started.cause)) {
        journal.problem(
          "nothing breaks but what is told to",
          `${slot.name} did not start: ${Cause.pretty(started.cause)}`
        )
      }
      return
    }
    const process = started.value
    slot.running = {
      ...own,
      node: Context.get(process.context, CommandNode.CommandNode),
      sessions: Context.get(process.context, Sessions.Sessions),
      process,
      fibers,
      calls: 0
    }
    journal.note(`${slot.name} is there`)
    if (world.planted.sow("leaked socket")) {
      yield* Effect.orDie(
        process.run(
          Effect.flatMap(Network.Network, (net) => Scope.provide(net.listen({ host: "0.0.0.0", port: 0 }), world.scope))
        )
      )
    }
  }).pipe(Scope.provide(world.scope))

// --- and its end -------------------------------------------------------------------------------------------------------------

/** Looks for what a node that has stopped left behind. */
const leftovers = ({ journal, network }: World, { name }: Slot, { calls, fibers, process, sessions }: Running) =>
  Effect.gen(function*() {
    const left = (text: string) => journal.problem("a stopped node leaves nothing behind", text)
    if (fibers.count !== 0) left(`${name} has ${fibers.count} fibers after it stopped`)
    if (calls !== 0) left(`${calls} calls that ${name} had made go on after it stopped`)
    for (const socket of network.openSockets()) {
      if (socket.pid === process.pid) left(`${name} has a ${socket.kind} socket to ${socket.remote} after it stopped`)
    }
    const all = yield* sessions.all
    if (all.length > 0) left(`${name} has ${all.length} sessions after it stopped`)
  })

/** Ends a node in order. Its process may be killed meanwhile, and then there is nothing to look for. */
export const stop = (world: World, slot: Slot): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { running } = slot
    if (running === undefined) return
    const { journal } = world
    const { process, scope } = running
    slot.running = undefined
    if (!process.isAlive()) return
    journal.note(`${slot.name} stops`)
    const closing = yield* Effect.forkDetach(Scope.close(scope, Exit.void), { startImmediately: true })
    const closed = yield* Effect.timeoutOption(Fiber.await(closing), "1 minute")
    if (!process.isAlive()) return
    if (closed._tag === "None") {
      return journal.problem("a stopped node leaves nothing behind", `${slot.name} does not stop`)
    }
    if (Exit.isFailure(closed.value)) {
      journal.problem(
        "nothing breaks but what is told to",
        `stopping ${slot.name}: ${Cause.pretty(closed.value.cause)}`
      )
    }
    yield* Effect.sleep("1 second")
    if (!process.isAlive()) return
    yield* leftovers(world, slot, running)
    yield* process.stop
  })
