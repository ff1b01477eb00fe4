/**
 * One seed, one run: a whole network of nodes under random work and faults, and whatever must not happen, in words.
 *
 * The plan comes first (`swarmPlan.ts`), and is data. Here it is carried out in virtual time, over a simulated network, while
 * what the nodes do is compared with what they are told to:
 *
 * - an answer belongs to its call, and a function ran at most once for it: exactly once where the caller got a value
 * - no function begins after its deadline, and no call goes on after it
 * - every failure is a typed error of those that the call's type lists, and nothing breaks but what is told to
 * - of each peer that was known, a call to all has one outcome
 * - bytes of streams come whole, in order, once
 * - no session, and no call, of a key that the policy refuses
 * - tables stay within their limits; a node that was stopped leaves no fiber, no socket and no session behind
 * - once all is well again, those that may talk can talk
 */
import {
  type AdvancedNode,
  AllowListTrust,
  AnyTrust,
  type BasicNode,
  Caller,
  Command,
  CommandNode,
  Crypto,
  Network,
  type NetworkKey,
  NetworkKeys,
  PeerRpc,
  type Peers,
  RpcRegistry,
  Sessions,
  TofuTrust,
  Trust
} from "@pnet/core"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { SimNetwork } from "@pnet/testing"
import {
  Cause,
  Clock,
  Context,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  Metric,
  Redacted,
  Schema,
  Scope,
  Stream
} from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import * as VirtualTime from "../worlds/virtualTime.ts"
import {
  type Chance,
  chance,
  type Fault,
  faultOf,
  format,
  makePlan,
  type Order,
  type Plan,
  type PlanOptions,
  type Step,
  type Work
} from "./plan.ts"

/** What must not happen, by what it breaks. */
export type Invariant =
  | "an answer belongs to its call"
  | "a function runs once for a call"
  | "no function begins after its deadline"
  | "no call goes on after its deadline"
  | "every call ends"
  | "every failure is a typed error"
  | "nothing breaks but what is told to"
  | "each known peer has one outcome"
  | "bytes come whole, in order, once"
  | "no session with a key that the policy refuses"
  | "tables stay within their limits"
  | "a stopped node leaves nothing behind"
  | "those that may talk can talk"

export interface Problem {
  readonly invariant: Invariant
  /** Virtual milliseconds. */
  readonly at: number
  readonly text: string
}

/** A fault of the nodes themselves, to see that it is noticed. */
export type Planted =
  | "run twice"
  | "swapped answer"
  | "late run"
  | "late answer"
  | "lost answer"
  | "untyped error"
  | "defect"
  | "missing outcome"
  | "wrong bytes"
  | "untrusted session"
  | "leaked fiber"
  | "leaked socket"
  | "deaf node"
  | "too many sessions"

export interface Options extends PlanOptions {
  /** Steps to leave out. */
  readonly without?: ReadonlySet<number> | undefined
  readonly planted?: Planted | undefined
  /** Says what happens, as it happens. */
  readonly log?: ((line: string) => void) | undefined
}

export interface Outcome {
  readonly plan: Plan
  readonly problems: ReadonlyArray<Problem>
  /** Calls by kind and by what came of them, and faults by kind. */
  readonly counts: Readonly<Record<string, number>>
  /** Virtual milliseconds that the run took. */
  readonly passed: number
  /** A hash of all that happened, the same for the same plan. */
  readonly digest: string
}

// --- what nodes serve ------------------------------------------------------------------------------------------------------

class Told extends Schema.TaggedError<Told>()("Told", { token: Schema.String }) {}

const OrderSchema = Schema.Struct({
  delay: Schema.Finite,
  way: Schema.Literals(["ok", "fail", "break"]),
  ballast: Schema.Int
})

const Typed = Command.make("typed", {
  args: [Schema.String, OrderSchema, Schema.String],
  success: Schema.Struct({ token: Schema.String, node: Schema.String, ballast: Schema.String }),
  error: Told
})

class Group extends RpcGroup.make(
  Rpc.make("ask", {
    payload: { token: Schema.String, order: OrderSchema, ballast: Schema.String },
    success: Schema.String,
    error: Told
  }),
  Rpc.make("count", {
    payload: { token: Schema.String, order: OrderSchema, to: Schema.Int },
    success: Schema.String,
    error: Told,
    stream: true
  })
) {}

const toldToBreak = "told to break"

const tagsOf = {
  raw: [
    "PeerUnknownError",
    "NameConflictError",
    "UntrustedPeerError",
    "DialError",
    "ProtocolError",
    "PeerLostError",
    "SendTimeoutError",
    "NodeClosedError"
  ],
  stream: [
    "PeerUnknownError",
    "NameConflictError",
    "UntrustedPeerError",
    "DialError",
    "ProtocolError",
    "PeerLostError",
    "StreamResetError",
    "RemoteError"
  ],
  command: [
    "PeerUnknownError",
    "NameConflictError",
    "UntrustedPeerError",
    "DialError",
    "ProtocolError",
    "PeerLostError",
    "StreamResetError",
    "RemoteError",
    "UnknownFunctionError",
    "RemoteDefectError",
    "DeadlineError",
    "Told"
  ],
  rpc: [
    "PeerUnknownError",
    "NameConflictError",
    "UntrustedPeerError",
    "DialError",
    "ProtocolError",
    "PeerLostError",
    "StreamResetError",
    "UnknownFunctionError",
    "RemoteDefectError",
    "DeadlineError",
    "Told"
  ]
} as const

/** What nobody who keeps the rules is told by another who does. */
const impossibleCodes = new Set([
  "ERR_SECTION_COUNT",
  "ERR_PACKET_TOO_LARGE",
  "ERR_PACKET_TYPE",
  "ERR_ADV_FORMAT",
  "ERR_NETWORK_INCORRECT"
])

const longest = 600_000
// Without a short period, so that bytes that are missing, doubled or out of order show.
const pattern = Uint8Array.from({ length: longest + 256 }, (_, i) => i * 3 + (i >>> 8) ^ i >>> 16)
const expected = (key: number, from: number, length: number) => pattern.subarray(key + from, key + from + length)

class WrongBytes extends Schema.TaggedError<WrongBytes>()("WrongBytes", {}) {}

const ballastOf = (order: Order) => "x".repeat(order.ballast)

// --- cryptography ------------------------------------------------------------------------------------------------------------

const remembered = 256

/**
 * The cryptography of Node. A broadcast is decrypted by each node that hears it: here that is done once, which changes no
 * result.
 */
const remembering = (crypto: Crypto.Crypto["Service"]): Crypto.Crypto["Service"] => {
  const opened = new Map<string, ReturnType<Crypto.Crypto["Service"]["fernetDecrypt"]>>()
  const keyIds = new WeakMap<object, string>()
  const idOf = (key: Redacted.Redacted<Uint8Array>) => {
    let id = keyIds.get(key)
    if (id === undefined) {
      id = Buffer.from(Redacted.value(key)).toString("latin1")
      keyIds.set(key, id)
    }
    return id
  }
  return {
    ...crypto,
    fernetDecrypt: (keys, token, nowMillis, ttlSeconds) => {
      const now = Math.floor(nowMillis / 1_000)
      const text = Buffer.from(token.buffer, token.byteOffset, token.byteLength).toString("latin1")
      const id = `${now} ${ttlSeconds} ${keys.map(idOf).join("")} ${text}`
      const known = opened.get(id)
      if (known !== undefined) return known
      const result = crypto.fernetDecrypt(keys, token, nowMillis, ttlSeconds)
      opened.set(id, result)
      if (opened.size > remembered) opened.delete(opened.keys().next().value!)
      return result
    }
  }
}

const entropy = (seed: number) => {
  const random = chance(seed, "entropy")
  return (out: Uint8Array) => {
    for (let i = 0; i < out.length; i++) out[i] = random.below(256)
  }
}

/** One for each run: it draws more than it needs at once, and the next run is to begin anew. */
const makeCrypto = (seed: number) =>
  Layer.build(Layer.fresh(NodeCrypto.layer)).pipe(
    Effect.map((context) => remembering(Context.get(context, Crypto.Crypto))),
    Effect.provideService(Crypto.Entropy, entropy(seed)),
    Effect.scoped
  )

// --- the world ---------------------------------------------------------------------------------------------------------------

type Services =
  | CommandNode.CommandNode
  | Sessions.Sessions
  | Peers.Peers
  | RpcRegistry.RpcRegistry

type GroupClient = PeerRpc.ManyClient<RpcGroup.Rpcs<typeof Group>>

interface Running {
  readonly node: CommandNode.CommandNode["Service"]
  readonly sessions: Sessions.Sessions["Service"]
  readonly process: SimNetwork.Process<Services>
  /** The node's own scope, within its process. */
  readonly scope: Scope.Closeable
  readonly fibers: { count: number }
  /** Calls that it has made and that have not ended. */
  calls: number
  readonly all: GroupClient
}

/** A place for a node: what stays of it when it is started anew. */
interface Slot {
  readonly name: string
  readonly index: number
  readonly host: SimNetwork.Host
  readonly spec: Plan["nodes"][number]
  readonly stranger: boolean
  /** One for each of its LANs. */
  readonly addresses: ReadonlyArray<string>
  identity: Crypto.KeyPair
  readonly trust: Trust.Trust["Service"]
  /** Whether a name may have a key, by what was decided here and not by what the policy says. */
  readonly permits: (name: string, key: string) => boolean
  readonly revoke: (name: string, key: string) => Effect.Effect<void>
  readonly accept: (name: string, key: string, node: Running | undefined) => Effect.Effect<void>
  readonly keys: NetworkKeys.NetworkKeys["Service"]
  running: Running | undefined
  /** A fault is at work on it, and another has to wait for its turn, which it does not get. */
  busy: boolean
  frozen: boolean
  /** When it was frozen last, or its policy changed. */
  thawedAt: number
  changedAt: number
}

/** One call, as its caller sees it. */
interface Asked {
  readonly from: Slot
  readonly at: number
  readonly timeout: number | undefined
  /** How often it was run, by the name of the node. */
  readonly runs: Map<string, number>
}

const changeGrace = 100

const world = (options: Options, crypto: Crypto.Crypto["Service"]) =>
  Effect.gen(function*() {
    const { planted } = options
    const made = makePlan(options)
    // Those who are told of one limit, and keep to another.
    const plan = planted !== "too many sessions" ? made : {
      ...made,
      nodes: made.nodes.map((node) => ({ ...node, limits: { sessions: 1 } }))
    }
    const { seed } = plan
    // Whoever is deaf to a change of its policy has to be told of one.
    const last: Step = { id: plan.steps.length, at: plan.duration / 2, kind: "revoke", node: 0, judges: "*" }
    const steps = (planted === "untrusted session" ? [...plan.steps, last].sort((a, b) => a.at - b.at) : plan.steps)
      .filter((step) => options.without?.has(step.id) !== true)
    const clock = yield* Clock.Clock
    const now = () => Number(clock.monotonicTimeNanosUnsafe() / 1_000n) / 1_000
    const problems: Array<Problem> = []
    const counts: Record<string, number> = {}
    const count = (key: string) => {
      counts[key] = (counts[key] ?? 0) + 1
    }
    let hash = 0x811c9dc5
    const note = (line: string) => {
      const dated = `${now().toFixed(3)} ${line}`
      for (let i = 0; i < dated.length; i++) hash = Math.imul(hash ^ dated.charCodeAt(i), 0x01000193)
      options.log?.(dated)
    }
    const problem = (invariant: Invariant, text: string) => {
      if (problems.length < 50) problems.push({ invariant, at: now(), text })
      note(`PROBLEM ${invariant}: ${text}`)
    }
    // A fault that is planted shows itself once.
    let sown = false
    const sow = (which: Planted): boolean => {
      if (planted !== which || sown) return false
      sown = true
      return true
    }

    const logger = Logger.layer([Logger.make<unknown, void>(({ cause, logLevel, message }) => {
      const reasons = cause.reasons.filter((reason) => reason._tag === "Die")
      const defects = reasons.filter(({ defect }) => !(defect instanceof Error && defect.message === toldToBreak))
      const told = reasons.length > defects.length ||
        cause.reasons.some((reason) => reason._tag === "Fail" && reason.error instanceof Told)
      if (defects.length > 0 || logLevel === "Fatal" || logLevel === "Error" && !told) {
        problem(
          "nothing breaks but what is told to",
          `logged (${logLevel}): ${String(message)} ${Cause.pretty(cause)}`
        )
      }
    })])

    const network = yield* SimNetwork.make({
      seed,
      traceCapacity: 0,
      lans: Object.fromEntries(plan.lans.map((lan, i) => [`lan${i}`, {
        link: {
          latency: { min: `${lan.latency[0]} millis`, max: `${lan.latency[1]} millis` },
          loss: lan.loss,
          duplicate: lan.duplicate,
          reorder: lan.reorder,
          bandwidth: lan.bandwidth
        }
      }])),
      streams: plan.streams
    })
    // While nothing is lost and nothing is cut off, what is on its way is there within this.
    const clean = plan.lans.every(({ bandwidth, loss }) => loss === 0 && bandwidth === Infinity)
    const transit = Math.max(...plan.lans.map(({ latency }) => latency[1])) + 25
    let disturbances = 0
    let disturbedAt = -Infinity
    const disturbing = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.acquireUseRelease(
        Effect.sync(() => disturbances++),
        () => effect,
        () =>
          Effect.sync(() => {
            disturbances--
            disturbedAt = now()
          })
      )
    const disturbedSince = (at: number) => disturbances > 0 || disturbedAt > at - 30_000

    // --- nodes ---------------------------------------------------------------------------------------------------------------

    const asked = new Map<string, Asked>()
    const slots: Array<Slot> = []

    /** A function begins. */
    const begin = (slot: Slot, token: string, from: { readonly name: string; readonly publicKey: string }) => {
      note(`${slot.name} runs ${token} for ${from.name}`)
      const call = asked.get(token)
      if (call === undefined) {
        return problem("an answer belongs to its call", `${slot.name} runs ${token}, which nobody asked`)
      }
      const runs = (call.runs.get(slot.name) ?? 0) + (sow("run twice") ? 2 : 1)
      call.runs.set(slot.name, runs)
      if (runs > 1) problem("a function runs once for a call", `${slot.name} ran ${token} ${runs} times`)
      if (!slot.permits(from.name, from.publicKey) && now() - slot.changedAt > changeGrace && !slot.frozen) {
        problem("no session with a key that the policy refuses", `${slot.name} ran ${token} for ${from.name}`)
      }
      if (call.timeout !== undefined) {
        const late = now() - call.at - call.timeout + (sow("late run") ? 60_000 : 0)
        const allowed = clean && !disturbedSince(call.at) ? transit : 45_000
        if (late > allowed) {
          problem("no function begins after its deadline", `${slot.name} began ${token} ${late} ms after it`)
        }
      }
    }

    const swapped: Array<string> = []
    /** What a function that is told to does; its result is its own. */
    const obey = (slot: Slot, token: string, order: Order): Effect.Effect<string, Told> =>
      Effect.suspend(() => {
        if (sow("leaked fiber")) Effect.runForkWith(fibersOf.get(slot.running!)!)(Effect.never)
        if (sow("defect")) return Effect.die(new Error("a bug"))
        const end = Effect.suspend((): Effect.Effect<string, Told> => {
          if (order.way === "fail") return Effect.fail(new Told({ token }))
          if (order.way === "break") return Effect.die(new Error(toldToBreak))
          swapped.push(token)
          const own = swapped.length > 1 && sow("swapped answer") ? swapped[0]! : token
          return Effect.succeed(`${own}@${slot.name}`)
        })
        return order.delay === 0 ? end : Effect.andThen(Effect.sleep(order.delay), end)
      })
    const fibersOf = new WeakMap<Running, Context.Context<never>>()

    const source = (random: Chance, key: number, size: number, slow: number): Stream.Stream<Uint8Array> => {
      let at = 0
      const piece = random.pick(slow > 0 ? [30_000, 70_000] : [1_000, 10_000, 70_000])
      return Stream.fromEffectRepeat(Effect.suspend(() => {
        if (at >= size) return Cause.done()
        const length = Math.min(size - at, 1 + random.below(piece))
        const part = expected(key, at, length)
        at += length
        return slow > 0 ? Effect.as(Effect.sleep(slow), part) : Effect.succeed(part)
      })).pipe(Stream.rechunk(1))
    }

    /** Whether bytes go on where those before ended. */
    const checker = (key: number, where: string) => {
      let at = 0
      return {
        take: (part: Uint8Array): Effect.Effect<void, WrongBytes> =>
          Effect.suspend(() => {
            if (part.length > 0 && sow("wrong bytes")) at++
            if (Buffer.compare(part, expected(key, at, part.length)) !== 0) {
              problem("bytes come whole, in order, once", `${where}: wrong bytes after ${at}`)
              return Effect.fail(new WrongBytes())
            }
            at += part.length
            return Effect.void
          }),
        get length() {
          return at
        }
      }
    }

    /** The first line of what is sent to a function over streams says what for. */
    const separator = 10
    const headed = (
      bytes: Stream.Stream<Uint8Array, Sessions.StreamError>,
      onHead: (words: ReadonlyArray<string>) => void
    ) => {
      let head: Array<number> | undefined = []
      return Stream.flatMap(bytes, (part) => {
        if (head === undefined) return Stream.make(part)
        const end = part.indexOf(separator)
        for (const byte of end === -1 ? part : part.subarray(0, end)) head.push(byte)
        if (end === -1) return Stream.empty
        const words = String.fromCharCode(...head).split(" ")
        head = undefined
        onHead(words)
        return end + 1 < part.length ? Stream.make(part.subarray(end + 1)) : Stream.empty
      })
    }

    const streamsOf = (slot: Slot): Record<string, AdvancedNode.Handler> => ({
      echo: ({ bytes, from }) => headed(bytes, ([token]) => begin(slot, token!, from)),
      upload: ({ bytes, from }) => {
        let check: ReturnType<typeof checker> | undefined
        return Effect.map(
          Stream.runForEach(
            headed(bytes, ([token, key]) => {
              begin(slot, token!, from)
              check = checker(Number(key), `${token} at ${slot.name}`)
            }),
            (part) => check!.take(part)
          ),
          () => `${check?.length ?? 0}`
        )
      },
      download: ({ from, text }) =>
        Effect.map(text, (order) => {
          const [token, key, size] = order.trim().split(" ")
          begin(slot, token!, from)
          return source(chance(seed, token!), Number(key), Number(size), 0)
        }),
      // Answers before it has read anything.
      ignore: () => Effect.succeed("ignored"),
      hang: () => Effect.never,
      // Answers when the other side has ended its half.
      half: ({ from, whole }) =>
        Effect.map(whole, (all) => {
          const at = all.indexOf(separator)
          const [token, key] = String.fromCharCode(...all.subarray(0, at)).split(" ")
          begin(slot, token!, from)
          return source(chance(seed, token!), Number(key), all.length - at - 1, 5)
        })
    })

    const work = (slot: Slot): Command.Handler<Told> => (call, token: string, order: Order, ballast: string) =>
      Effect.suspend(() => {
        begin(slot, token, call.from)
        return Effect.map(obey(slot, token, order), (answer) => ({ answer, ballast }))
      })
    /** Calls on, with what is left of its caller's time. */
    const relay = (slot: Slot): Command.Handler =>
    (
      call,
      token: string,
      path: ReadonlyArray<string>,
      order: Order,
      timeout: number | null
    ) =>
      Effect.suspend((): Effect.Effect<unknown, unknown> => {
        begin(slot, token, call.from)
        if (timeout !== null && !(call.deadline !== undefined && Duration.toMillis(call.deadline) <= timeout)) {
          problem("no function begins after its deadline", `${slot.name} has more time for ${token} than there was`)
        }
        const [next, ...rest] = path
        if (next === undefined) return obey(slot, token, order)
        const onwards = call.node.target(next)("relay", token, rest, order, timeout)
        return Effect.map(onwards, (answer) => `${answer}<${slot.name}`)
      })

    const handlersOf = (slot: Slot) =>
      Group.toLayer(Effect.succeed({
        ask: ({ ballast, order, token }: any) =>
          Effect.flatMap(Caller.CurrentCaller, (from) => {
            begin(slot, token, from!)
            return Effect.map(obey(slot, token, order), (answer) => answer + ballast)
          }),
        count: ({ order, to, token }: any) =>
          Stream.unwrap(Effect.map(Caller.CurrentCaller, (from) => {
            begin(slot, token, from!)
            return Stream.range(1, to).pipe(
              Stream.rechunk(1),
              Stream.mapEffect((i) => order.delay > 0 ? Effect.as(Effect.sleep(order.delay), i) : Effect.succeed(i)),
              Stream.map((i) => `${token}@${slot.name}/${i}`),
              Stream.concat(
                order.way === "ok"
                  ? Stream.empty
                  : order.way === "fail"
                  ? Stream.fail(new Told({ token }))
                  : Stream.die(new Error(toldToBreak))
              )
            )
          }))
      } as any))

    const nodeLayer = (
      slot: Slot,
      fibers: { count: number },
      capture: (scope: Scope.Closeable, context: Context.Context<never>) => void
    ) => {
      const { spec } = slot
      // At its address on a LAN that both are on.
      const ports = spec.listed.map((i) => {
        const { addresses, spec: listed } = slots[i]!
        return `${addresses[listed.lans.findIndex((lan) => spec.lans.includes(lan))]}:4000`
      })
      const isListed = plan.nodes.some(({ listed }) => !slot.stranger && listed.includes(slot.index))
      const inner = Layer.effectDiscard(PeerRpc.serve(Group)).pipe(
        Layer.provide(handlersOf(slot)),
        Layer.provideMerge(CommandNode.layer({
          name: slot.name,
          networkId: "swarm",
          bindIp: "0.0.0.0",
          identity: slot.identity,
          framing: spec.framing,
          peers: ports,
          ...(isListed ? { serverPort: 4_000 } : {}),
          limits: planted === "too many sessions" ? {} : spec.limits,
          streams: streamsOf(slot),
          functions: { work: work(slot), relay: relay(slot) },
          commands: [Command.implement(Typed, (call, token, order, ballast) =>
            Effect.suspend(() => {
              begin(slot, token, call.from)
              return Effect.map(obey(slot, token, order), (answer) => {
                const [token, node] = answer.split("@")
                return { token: token!, node: node!, ballast }
              })
            }))],
          onMessage: ({ from, text }) =>
            Effect.suspend(() => {
              const { ballast, order, token } = JSON.parse(text)
              begin(slot, token, from)
              return Effect.map(obey(slot, token, order), (answer) => JSON.stringify({ answer, ballast }))
            })
        } as CommandNode.Options<any, any, any, never>)),
        Layer.provideMerge(RpcRegistry.layer),
        Layer.provide([
          Layer.succeed(Crypto.Crypto, crypto),
          Layer.succeed(Trust.Trust, slot.trust),
          Layer.succeed(NetworkKeys.NetworkKeys, slot.keys),
          logger
        ])
      )
      // The fibers that the node starts are counted, those of calls that it is asked to make are not.
      const counting: Metric.FiberRuntimeMetricsService = {
        recordFiberStart: () => void fibers.count++,
        recordFiberEnd: () => void fibers.count--
      }
      return Layer.effectContext(Effect.gen(function*() {
        const outer = yield* Effect.scope
        const scope = yield* Scope.fork(outer)
        const build = Layer.build(inner as Layer.Layer<Services, BasicNode.StartError, any>).pipe(
          Scope.provide(scope),
          Effect.provideService(Metric.FiberRuntimeMetrics, counting)
        )
        // In a fiber that is counted, and has ended when the node has started.
        const context = yield* Effect.flatMap(
          Effect.forkChild(Effect.provideService(build, Metric.FiberRuntimeMetrics, counting), {
            startImmediately: true
          }),
          Fiber.join
        )
        const whole = yield* Effect.context<never>()
        capture(scope, Context.add(whole, Metric.FiberRuntimeMetrics, counting))
        return context
      }))
    }

    const launch = (slot: Slot): Effect.Effect<void> =>
      Effect.gen(function*() {
        const fibers = { count: 0 }
        let scope!: Scope.Closeable
        let context!: Context.Context<never>
        const started = yield* Effect.exit(
          slot.host.launch(
            nodeLayer(slot, fibers, (own, whole) => {
              scope = own
              context = whole
            }) as Layer.Layer<Services, BasicNode.StartError>
          )
        )
        if (Exit.isFailure(started)) {
          // Its host may have gone down meanwhile.
          if (slot.host.isUp() && !Cause.hasInterrupts(started.cause)) {
            problem("nothing breaks but what is told to", `${slot.name} did not start: ${Cause.pretty(started.cause)}`)
          }
          return
        }
        const process = started.value
        const node = Context.get(process.context, CommandNode.CommandNode)
        const running: Running = {
          node,
          sessions: Context.get(process.context, Sessions.Sessions),
          process,
          scope,
          fibers,
          calls: 0,
          all: (yield* Scope.provide(node.client(Group, "*"), yield* Effect.scope)) as GroupClient
        }
        fibersOf.set(running, context)
        slot.running = running
        note(`${slot.name} is there`)
        if (sow("leaked socket")) {
          yield* Effect.orDie(
            process.run(Effect.flatMap(Network.Network, (net) =>
              Scope.provide(net.listen({ host: "0.0.0.0", port: 0 }), worldScope)))
          )
        }
      }).pipe(Scope.provide(worldScope))

    const worldScope = yield* Effect.scope

    /** Ends a node in order, and looks for what it leaves behind. */
    const stop = (slot: Slot): Effect.Effect<void> =>
      Effect.gen(function*() {
        const { running } = slot
        if (running === undefined) {
          return
        }
        slot.running = undefined
        const { fibers, process, sessions } = running
        if (!process.isAlive()) {
          return
        }
        note(`${slot.name} stops`)
        const left = "a stopped node leaves nothing behind"
        const closing = yield* Effect.forkDetach(Scope.close(running.scope, Exit.void), { startImmediately: true })
        const closed = yield* Effect.timeoutOption(Fiber.await(closing), "1 minute")
        if (!process.isAlive()) {
          return
        }
        if (closed._tag === "None") {
          return problem(left, `${slot.name} does not stop`)
        }
        if (Exit.isFailure(closed.value)) {
          problem("nothing breaks but what is told to", `stopping ${slot.name}: ${Cause.pretty(closed.value.cause)}`)
        }
        yield* Effect.sleep("1 second")
        if (!process.isAlive()) {
          return
        }
        if (fibers.count !== 0) {
          problem(left, `${slot.name} has ${fibers.count} fibers after it stopped`)
        }
        if (running.calls !== 0) {
          problem(left, `${running.calls} calls that ${slot.name} had made go on after it stopped`)
        }
        for (const socket of network.openSockets()) {
          if (socket.pid === process.pid) {
            problem(left, `${slot.name} has a ${socket.kind} socket to ${socket.remote} after it stopped`)
          }
        }
        const all = yield* sessions.all
        if (all.length > 0) {
          problem(left, `${slot.name} has ${all.length} sessions after it stopped`)
        }
        yield* process.stop
      })

    const networkKeyOf = (byte: number) =>
      Redacted.make(`${Buffer.alloc(32, byte).toString("base64url")}=`) as unknown as NetworkKey.NetworkKey
    const networkKey = networkKeyOf(7)
    const wrongKey = networkKeyOf(9)
    const identities = new Map<string, Array<Crypto.KeyPair>>()
    // All keys that a node will ever have, in the same order whatever happens.
    for (const { name } of plan.nodes) {
      identities.set(name, [crypto.generateKeyPair(), crypto.generateKeyPair(), crypto.generateKeyPair()])
    }
    const nextIdentity = (slot: Slot): Crypto.KeyPair => {
      const own = identities.get(slot.name)!
      return own[(own.indexOf(slot.identity) + 1) % own.length]!
    }

    const anybody = Context.get(yield* Layer.build(AnyTrust.layer), Trust.Trust)

    /** A policy, with what it is to decide. */
    const policyOf = (spec: Plan["nodes"][number], changed: () => void) => {
      const revoked = new Set<string>()
      const isRevoked = (key: string) =>
        revoked.has(key)
      switch (spec.policy) {
        case "any":
          return Effect.succeed({
            trust: anybody,
            permits: () =>
              true,
            revoke: () =>
              Effect.void,
            accept: () => Effect.void
          })
        case "tofu": {
          const pins = new Map<string, string>()
          let deciding = false
          const trust = TofuTrust.make({
            onPin: (name, key) =>
              Effect.sync(() => {
                const pinned = pins.get(name)
                if (pinned !== undefined && pinned !== key && !deciding) {
                  problem("no session with a key that the policy refuses", `${spec.name} pinned ${name} to another key`)
                }
                pins.set(name, key)
              })
          })
          return Effect.succeed({
            trust,
            permits: (name: string, key: string) => !isRevoked(key) && (pins.get(name) ?? key) === key,
            revoke: (_name: string, key: string) =>
              Effect.suspend(() => {
                revoked.add(key)
                changed()
                return trust.revoke(key as never)
              }),
            accept: (name: string, key: string, node: Running | undefined) =>
              Effect.suspend(() => {
                deciding = true
                changed()
                return Effect.ignore(
                  node === undefined
                    ? trust.pin(name as never, key as never)
                    : node.node.peers.resolveConflict(name as never, key as never)
                )
              }).pipe(Effect.ensuring(Effect.sync(() => {
                deciding = false
              })))
          })
        }
        case "allow": {
          const list = new Map(plan.nodes.map(({ name }) => [name, identities.get(name)![0]!.publicKey as string]))
          return Effect.map(Effect.orDie(AllowListTrust.make(list)), (trust) => ({
            trust,
            permits: (name: string, key: string) => list.get(name) === key,
            revoke: (name: string, key: string) =>
              Effect.suspend(() => {
                if (list.get(name) !== key) return Effect.void
                list.delete(name)
                changed()
                return trust.remove(name as never)
              }),
            accept: (name: string, key: string) =>
              Effect.suspend(() => {
                list.set(name, key)
                changed()
                return Effect.orDie(trust.add(name, key))
              })
          }))
        }
      }
    }

    const makeSlot = (
      spec: Plan["nodes"][number],
      index: number,
      identity: Crypto.KeyPair,
      stranger: boolean,
      hostName: string
    ) =>
      Effect.gen(function*() {
        const host = yield* network.host(hostName, {
          interfaces: spec.lans.map((lan) => ({ lan: `lan${lan}` })),
          clockDrift: spec.drift
        })
        yield* host.setBroadcastAllowed(spec.broadcasts)
        const addresses = (yield* host.interfaces).flatMap(({ address, loopback }) => loopback ? [] : [address])
        const policy = yield* policyOf(spec, () => {
          slot.changedAt = now()
        })
        const keys = yield* Effect.orDie(NetworkKeys.make(plan.keyed ? [networkKey] : []))
        const blind = planted === "untrusted session"
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

    for (const [i, spec] of plan.nodes.entries()) {
      slots.push(yield* makeSlot(spec, i, identities.get(spec.name)![0]!, false, spec.name))
    }
    yield* Effect.forEach(slots, launch, { concurrency: "unbounded", discard: true })

    // --- work ----------------------------------------------------------------------------------------------------------------

    let tokens = 0

    const tagOf = (error: unknown): string =>
      typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : `${typeof error}`

    /** Whether a failure is one of those that its type lists. */
    const judge = (
      where: string,
      allowed: ReadonlyArray<string>,
      cause: Cause.Cause<unknown>,
      own: Running
    ): string => {
      const failure = cause.reasons.find(Cause.isFailReason)
      const defect = cause.reasons.find(Cause.isDieReason)
      if (defect !== undefined) {
        problem("every failure is a typed error", `${where}: ${Cause.pretty(cause)}`)
        return "defect"
      }
      if (failure === undefined) {
        // One that is stopped is alive until it has.
        if (own.process.isAlive()) return "interrupted"
        return "died with its node"
      }
      const error = sow("untyped error") ? new Error("a text") : failure.error
      const tag = tagOf(error)
      const { code, reason } = error as { readonly code?: string; readonly reason?: { readonly code?: string } }
      const detail = reason?.code ?? code
      if (!allowed.includes(tag)) problem("every failure is a typed error", `${where}: ${tag} ${Cause.pretty(cause)}`)
      if (detail !== undefined && impossibleCodes.has(detail)) {
        problem("every failure is a typed error", `${where}: ${tag} ${detail}`)
      }
      return detail === undefined ? tag : `${tag} ${detail}`
    }

    const nameOf = (i: number) => plan.nodes[i]!.name
    const namesOf = (to: ReadonlyArray<number> | "*") => to === "*" ? "*" : to.map(nameOf)

    interface Made {
      readonly allowed: ReadonlyArray<string>
      /** Gives what is wrong with a value, if anything is. */
      readonly call: Effect.Effect<void, unknown>
    }

    const make = (step: Step & Work, slot: Slot, running: Running, token: string): Made => {
      const { node } = running
      const { order } = step
      const random = chance(seed, token)
      const ballast = ballastOf(order)
      const timeout = step.timeout === undefined ? undefined : `${step.timeout} millis` as const
      const wrong = (text: string) =>
        problem("an answer belongs to its call", `${slot.name} got ${text.slice(0, 200)} for ${token}`)
      const once = (peer: string) => {
        const runs = asked.get(token)!.runs.get(peer) ?? 0
        if (runs !== 1) {
          problem("a function runs once for a call", `${peer} answered ${token}, and ran it ${runs} times`)
        }
      }
      /** A value from a peer. */
      const good = (peer: string, answer: unknown, ballastBack: unknown = ballast) => {
        if (answer !== `${token}@${peer}`) return wrong(String(answer))
        if (ballastBack !== ballast) wrong("other ballast")
        if (order.way !== "ok") wrong("a value in place of a failure")
        once(peer)
      }
      const told = (cause: Cause.Cause<unknown>) => {
        const failure = cause.reasons.find(Cause.isFailReason)?.error as any
        if (failure?._tag === "Told" && failure.token !== token) wrong(`the failure of ${failure.token}`)
        if (failure?._tag === "RemoteError" && failure.error?._tag === "Told" && failure.error.token !== token) {
          wrong(`the failure of ${failure.error.token}`)
        }
      }
      /** The outcomes of several, of whom each that was addressed has one. */
      const each = (
        addressed: ReadonlyArray<string>,
        outcomes: ReadonlyArray<readonly [string, Exit.Exit<any, unknown>]>,
        allowed: ReadonlyArray<string>,
        value: (peer: string, value: any) => void
      ) => {
        const got = outcomes.map(([peer]) => peer)
        if (sow("missing outcome")) got.pop()
        const sorted = (names: ReadonlyArray<string>) => [...new Set(names)].sort().join()
        if (sorted(got) !== sorted(addressed) || got.length !== new Set(addressed).size) {
          problem("each known peer has one outcome", `${token}: asked ${addressed}, got ${got}`)
        }
        for (const [peer, exit] of outcomes) {
          if (Exit.isSuccess(exit)) {
            value(peer, exit.value)
            count(`${step.kind}: success`)
          } else {
            told(exit.cause)
            count(`${step.kind}: ${judge(`${token} at ${peer}`, allowed, exit.cause, running)}`)
          }
        }
      }
      const known = Effect.map(node.peers.all, (all) => [...new Set<string>(all.map(({ name }) => name))])
      const addressed = (to: ReadonlyArray<number> | "*") => to === "*" ? known : Effect.succeed(to.map(nameOf))

      switch (step.kind) {
        case "raw": {
          const peer = nameOf(step.to)
          return {
            allowed: tagsOf.raw,
            call: Effect.map(
              node.raw.sendText(peer, JSON.stringify({ token, order, ballast }), { timeout }),
              (text) => {
                const { answer, ballast } = JSON.parse(text)
                good(peer, answer, ballast)
              }
            )
          }
        }
        case "raw all":
          return {
            allowed: tagsOf.raw,
            call: Effect.flatMap(addressed(step.to), (peers) =>
              Effect.map(
                node.raw.sendAll(namesOf(step.to), JSON.stringify({ token, order, ballast }), { timeout }),
                (outcomes) =>
                  each(peers, [...outcomes], tagsOf.raw, (peer, bytes) => {
                    const { answer, ballast } = JSON.parse(Buffer.from(bytes).toString())
                    good(peer, answer, ballast)
                  })
              ))
          }
        case "command": {
          const peer = nameOf(step.to)
          return {
            allowed: tagsOf.command,
            call: (step.name === "typed"
              ? Effect.map(
                node.target(peer, { timeout, commands: [Typed] }).typed(token, order, ballast),
                (value) => good(peer, `${value.token}@${value.node}`, value.ballast)
              )
              : Effect.map(
                node.target(peer, { timeout })(step.name, token, order, ballast),
                (value: any) => good(peer, value?.answer, value?.ballast)
              )).pipe(Effect.tapCause((cause) => Effect.sync(() => told(cause))))
          }
        }
        case "command all":
          return {
            allowed: tagsOf.command,
            call: Effect.flatMap(addressed(step.to), (peers) => {
              const to = namesOf(step.to)
              const { concurrency } = step
              return step.name === "typed"
                ? Effect.map(
                  node.target(to, { timeout, concurrency, commands: [Typed] }).typed(token, order, ballast),
                  (outcomes) =>
                    each(
                      peers,
                      Object.entries(outcomes),
                      tagsOf.command,
                      (peer, value) => good(peer, `${value.token}@${value.node}`, value.ballast)
                    )
                )
                : Effect.map(
                  node.target(to, { timeout, concurrency })(step.name, token, order, ballast),
                  (outcomes) =>
                    each(peers, Object.entries(outcomes), tagsOf.command, (peer, value) =>
                      good(peer, value?.answer, value?.ballast))
                )
            })
          }
        case "relay": {
          const peer = nameOf(step.to)
          const path = step.path.map(nameOf)
          return {
            allowed: tagsOf.command,
            call: Effect.map(
              node.target(peer, { timeout })("relay", token, path, order, step.timeout ?? null),
              (answer) => {
                const last = path[path.length - 1] ?? peer
                const way = [peer, ...path].slice(0, -1).reverse().map((name) =>
                  `<${name}`
                ).join("")
                if (answer !== `${token}@${last}${way}`) {
                  wrong(String(answer))
                }
                for (const name of [peer, ...path]) {
                  once(name)
                }
              }
            )
          }
        }
        case "rpc": {
          const peer = nameOf(step.to)
          return {
            allowed: tagsOf.rpc,
            call: Effect.scoped(
              Effect.flatMap(node.client(Group, peer, { timeout }), (client) =>
                Effect.map(client.ask({ token, order, ballast }), (answer) => {
                  if (!answer.endsWith(ballast)) {
                    wrong("other ballast")
                  }
                  good(peer, answer.slice(0, answer.length - ballast.length))
                }))
            ).pipe(Effect.tapCause((cause) =>
              Effect.sync(() =>
                told(cause)
              )
            ))
          }
        }
        case "rpc all":
          return {
            allowed: tagsOf.rpc,
            call: Effect.flatMap(
              addressed(step.to),
              (peers) =>
                Effect.scoped(Effect.flatMap(node.client(Group, namesOf(step.to), { timeout }), (client) =>
                  Effect.map(client.ask({ token, order, ballast }), (outcomes) =>
                    each(
                      peers,
                      Object.entries(outcomes),
                      tagsOf.rpc,
                      (peer, answer) =>
                        good(peer, answer.slice(0, answer.length - ballast.length))
                    ))))
            ) as Effect.Effect<void, unknown>
          }
        case "rpc stream": {
          const peer = nameOf(step.to)
          let last = 0
          return {
            allowed: tagsOf.rpc,
            call: Effect.scoped(Effect.flatMap(node.client(Group, peer, { timeout }), (client) => {
              const all = client.count({ token, order, to: step.count })
              return Effect.map(
                Stream.runForEach(
                  step.take === undefined ? all : Stream.take(all, step.take),
                  (text) =>
                    Effect.sync(() => {
                      last++
                      if (text !== `${token}@${peer}/${last}`) {
                        wrong(text)
                      }
                    })
                ),
                () => {
                  const whole = step.take === undefined ? step.count : Math.min(step.take, step.count)
                  if (last !== whole) {
                    wrong(`${last} elements of ${whole}`)
                  }
                  if (step.take === undefined) {
                    once(peer)
                  }
                }
              )
            })).pipe(Effect.tapCause((cause) =>
              Effect.sync(() =>
                told(cause)
              )
            ))
          }
        }
        case "stream": {
          const peer = nameOf(step.to)
          const { key, name, size, slowReader, slowSource } = step
          const check = checker(key, token)
          const given = Stream.concat(
            Stream.make(Buffer.from(`${token} ${key} ${size}\n`) as Uint8Array),
            name === "download" ? Stream.empty : source(random, key, size, slowSource)
          )
          const deadline = { deadline: timeout }
          const pause = slowReader > 0 ? Effect.sleep(slowReader) : Effect.void
          const whole = (got: number) => {
            if (got !== size) {
              problem("bytes come whole, in order, once", `${token}: ${name} gave ${got} bytes of ${size}`)
            }
            once(peer)
          }
          const allowed = tagsOf.stream
          switch (name) {
            case "echo":
            case "download":
            case "half":
              return {
                allowed,
                call: Effect.map(
                  Stream.runForEach(
                    node.send(peer, name, given, deadline),
                    (part) => Effect.andThen(check.take(part), pause)
                  ),
                  () => whole(check.length)
                )
              }
            case "upload":
              return {
                allowed,
                call: Effect.map(
                  node.request(peer, name, given, deadline),
                  (answer) => whole(Number(Buffer.from(answer).toString()))
                )
              }
            case "ignore":
              return {
                allowed,
                call: Effect.map(node.request(peer, name, given, deadline), (answer) => {
                  if (Buffer.from(answer).toString() !== "ignored") wrong(Buffer.from(answer).toString())
                })
              }
            default:
              return {
                allowed,
                call: Effect.map(node.request(peer, name, given, deadline), () => wrong("an answer from hang"))
              }
          }
        }
      }
    }

    /** Makes a call and sees to it that it ends. */
    const perform = (step: Step & Work, slot: Slot): Effect.Effect<void> =>
      Effect.gen(function*() {
        const { running } = slot
        if (running === undefined || !running.process.isAlive()) return count(`${step.kind}: caller is down`)
        const token = `${seed}.${step.id}.${tokens++}`
        const begun = now()
        // A message has no deadline: its sender stops waiting, and that is all. Where only so many peers are asked at once, the
        // time of the others begins later.
        const waits = "concurrency" in step && step.concurrency !== undefined
        const deadline = step.kind.startsWith("raw") || waits ? undefined : step.timeout
        asked.set(token, { from: slot, at: begun, timeout: deadline, runs: new Map() })
        const { allowed, call } = make(step, slot, running, token)
        note(`${slot.name} asks ${token}: ${step.kind} of #${step.id}`)
        running.calls++
        const answered = sow("lost answer")
          ? Effect.andThen(Effect.exit(call), Effect.never)
          : step.timeout !== undefined && sow("late answer")
          ? Effect.andThen(Effect.exit(call), Effect.sleep("20 seconds"))
          : call
        const fiber = yield* Effect.forkChild(
          Effect.ensuring(running.process.run(answered), Effect.sync(() => running.calls--)),
          { startImmediately: true }
        )
        const ended = yield* Effect.timeoutOption(Fiber.await(fiber), step.patience ?? 180_000)
        const exit = ended._tag === "Some" ? ended.value : undefined
        if (exit === undefined) {
          if (step.patience === undefined) problem("every call ends", `${token} of ${slot.name}: ${format(step)}`)
          const stopping = yield* Effect.timeoutOption(Fiber.interrupt(fiber), "1 minute")
          if (stopping._tag === "None" && !slot.frozen) {
            problem("every call ends", `${token} of ${slot.name} cannot be interrupted: ${format(step)}`)
          }
          count(`${step.kind}: given up`)
          return note(`${token} is given up`)
        }
        const late = step.timeout === undefined || waits ? 0 : now() - begun - step.timeout
        // A node that is frozen cannot end anything, and what has come in time may be read later.
        const slow = step.kind === "stream" && step.slowReader > 0
        if (late > 150 && !slow && !slot.frozen && slot.thawedAt < begun && running.process.isAlive()) {
          problem(
            "no call goes on after its deadline",
            `${token} of ${slot.name} took ${late} ms longer: ${format(step)}`
          )
        }
        if (Exit.isSuccess(exit)) {
          if (!step.kind.endsWith("all")) count(`${step.kind}: success`)
          return note(`${token} succeeded`)
        }
        const what = judge(`${token} of ${slot.name}: ${format(step)}`, allowed, exit.cause, running)
        if (what === "interrupted") {
          yield* Effect.sleep("2 seconds")
          if (running.process.isAlive()) problem("every failure is a typed error", `${token} was interrupted by nobody`)
        }
        count(`${step.kind}: ${what}`)
        note(`${token} failed: ${what}`)
      })

    // --- faults --------------------------------------------------------------------------------------------------------------

    const onSlot = (slot: Slot, use: Effect.Effect<void>): Effect.Effect<void> =>
      Effect.suspend(() => {
        if (slot.busy) return Effect.void
        slot.busy = true
        return Effect.ensuring(
          use,
          Effect.sync(() => {
            slot.busy = false
          })
        )
      })

    const hostsOf = (nodes: ReadonlyArray<number>) => nodes.map((i) => slots[i]!.host)

    const freeze = (slot: Slot, frozen: boolean) => {
      slot.frozen = frozen
      slot.thawedAt = now()
      slot.changedAt = now()
    }

    let strangers = 0
    let rotating = false
    let rotations = 0

    const inflict = (fault: Fault): Effect.Effect<void, never, Scope.Scope> => {
      switch (fault.kind) {
        case "restart": {
          const slot = slots[fault.node]!
          return disturbing(onSlot(
            slot,
            Effect.gen(function*() {
              const { running } = slot
              if (fault.how === "stop") yield* stop(slot)
              else {
                slot.running = undefined
                if (running !== undefined) yield* fault.how === "kill" ? running.process.kill : slot.host.crash
                if (fault.how === "crash") yield* slot.host.restart
              }
              yield* Effect.sleep(fault.down)
              if (fault.rekey) {
                slot.identity = nextIdentity(slot)
                if (fault.accept) {
                  for (const other of slots) {
                    if (other !== slot) yield* other.accept(slot.name, slot.identity.publicKey, other.running)
                  }
                }
              }
              yield* launch(slot)
            })
          ))
        }
        case "pause": {
          const slot = slots[fault.node]!
          return disturbing(onSlot(
            slot,
            Effect.gen(function*() {
              freeze(slot, true)
              yield* slot.host.pause
              yield* Effect.sleep(fault.lasting)
              yield* slot.host.resume
              freeze(slot, false)
            })
          ))
        }
        case "partition": {
          const [a, b] = [hostsOf(fault.side), hostsOf(fault.other)]
          return disturbing(Effect.gen(function*() {
            yield* network.partition(a, b, { oneWay: fault.oneWay })
            yield* Effect.sleep(fault.lasting)
            yield* network.heal(a, b)
          }))
        }
        case "delay": {
          const [a, b] = [slots[fault.node]!.host, slots[fault.other]!.host]
          if (a === b) return Effect.void
          return disturbing(Effect.gen(function*() {
            yield* network.setPath(a, b, { latency: `${fault.by} millis` })
            yield* Effect.sleep(fault.lasting)
            yield* network.setPath(a, b, undefined)
          }))
        }
        case "link": {
          const { host } = slots[fault.node]!
          return disturbing(Effect.gen(function*() {
            yield* host.setLinkUp("eth0", false)
            yield* Effect.sleep(fault.lasting)
            yield* host.setLinkUp("eth0", true)
          }))
        }
        case "address":
          return disturbing(Effect.asVoid(slots[fault.node]!.host.changeAddress("eth0")))
        case "clock": {
          const { host } = slots[fault.node]!
          return Effect.gen(function*() {
            yield* host.setSkew(fault.skew)
            yield* Effect.sleep(fault.lasting)
            if (Math.abs(fault.skew) > 60_000) yield* host.setSkew(0)
          })
        }
        case "revoke": {
          const victim = slots[fault.node]!
          const at = fault.judges === "*" ? slots : fault.judges.map((i) => slots[i]!)
          return Effect.gen(function*() {
            for (const slot of at) {
              if (slot !== victim) yield* slot.revoke(victim.name, victim.identity.publicKey)
            }
            yield* Effect.sleep(changeGrace + 1)
            yield* look
          })
        }
        case "register": {
          const slot = slots[fault.node]!
          return Effect.suspend(() => {
            const { running } = slot
            if (running === undefined) return Effect.void
            return Effect.exit(running.process.run(Effect.scoped(Effect.andThen(
              Effect.ignore(running.node.register("extra", work(slot))),
              Effect.sleep(fault.lasting)
            )))).pipe(Effect.asVoid)
          })
        }
        case "rotate": {
          return Effect.suspend(() => {
            if (rotating) return Effect.void
            rotating = true
            const rings = slots.map(({ keys }) => keys)
            return Effect.gen(function*() {
              const old = (yield* rings[0]!.keys)[0]!
              const next = networkKeyOf(100 + ++rotations % 100)
              for (const step of ["add", "promote", "remove"] as const) {
                for (const ring of rings) {
                  yield* Effect.orDie(step === "remove" ? ring.remove(old) : ring[step](next))
                  yield* Effect.sleep(10)
                }
                yield* Effect.sleep(fault.pause)
              }
            }).pipe(Effect.ensuring(Effect.sync(() => {
              rotating = false
            })))
          })
        }
        case "stranger":
          return Effect.gen(function*() {
            const number = strangers++
            const spec: Plan["nodes"][number] = {
              name: fault.as === undefined ? `stranger${number}` : nameOf(fault.as),
              lans: [fault.lan],
              broadcasts: true,
              listed: [],
              policy: "any",
              framing: "binary",
              drift: 0,
              limits: {}
            }
            const slot = yield* makeSlot(spec, -1, crypto.generateKeyPair(), true, `stranger${number}`)
            if (plan.keyed) {
              const held = yield* slots[0]!.keys.keys
              yield* Effect.orDie(slot.keys.set(fault.hasKey ? held : [wrongKey]))
            }
            yield* launch(slot)
            yield* Effect.sleep(fault.lasting / 2)
            const order: Order = { delay: 0, way: "ok", ballast: 0 }
            const base = { from: -1, order, timeout: undefined, patience: undefined, to: "*" as const }
            yield* perform({ id: -1, at: now(), kind: "raw all", ...base }, slot)
            yield* perform(
              { id: -1, at: now(), kind: "command all", name: "work", concurrency: undefined, ...base },
              slot
            )
            yield* Effect.sleep(fault.lasting / 2)
            yield* stop(slot)
          })
      }
    }

    // --- what is looked at while it runs ---------------------------------------------------------------------------------------

    const bound = { sessions: 1_024, streams: 1_024, peers: 4_096 + 1_024 }

    const refusedSince = new Map<string, number>()
    const look: Effect.Effect<void> = Effect.gen(function*() {
      for (const slot of slots) {
        const { running, spec } = slot
        if (running === undefined || slot.frozen || !running.process.isAlive()) continue
        const all = yield* running.sessions.all
        const limit = spec.limits.sessions ?? bound.sessions
        // One that made room for another says goodbye before it goes.
        const staying = all.filter(({ draining }) => !draining).length
        if (staying > limit) {
          problem("tables stay within their limits", `${slot.name} has ${staying} sessions, over ${limit}`)
        }
        const settled = now() - slot.changedAt > changeGrace
        for (const { draining, peer, streams } of all) {
          const id = `${slot.name} ${running.process.pid} ${peer.publicKey}`
          if (slot.permits(peer.name, peer.publicKey)) refusedSince.delete(id)
          else if (settled) {
            // What has ended says goodbye yet, to a peer that may not read.
            const since = refusedSince.get(id) ?? now()
            refusedSince.set(id, since)
            if (!draining || streams > 0 || now() - since > 15_000) {
              problem("no session with a key that the policy refuses", `${slot.name} has a session with ${peer.name}`)
            }
          }
          const most = (spec.limits.streams ?? bound.streams) + bound.streams
          if (streams > most) {
            problem("tables stay within their limits", `${slot.name} has ${streams} streams with ${peer.name}`)
          }
        }
        const peers = yield* running.node.peers.all
        if (peers.length > bound.peers) {
          problem("tables stay within their limits", `${slot.name} has ${peers.length} peers`)
        }
      }
    })

    // --- the run -------------------------------------------------------------------------------------------------------------

    const open = new Set<Fiber.Fiber<void>>()
    const at = (time: number) =>
      Effect.suspend(() => {
        const wait = time - now()
        return wait > 0 ? Effect.sleep(wait) : Effect.void
      })
    const watching = yield* Effect.forkChild(Effect.forever(Effect.andThen(Effect.sleep("500 millis"), look)))
    for (const step of steps) {
      yield* at(step.at)
      const fault = faultOf(step)
      if (fault !== undefined) {
        note(format(step))
        count(`fault: ${step.kind}`)
      }
      const fiber = yield* Effect.forkChild(
        fault !== undefined ? inflict(fault) : perform(step as Step & Work, slots[(step as Work).from]!),
        { startImmediately: true }
      )
      if (fiber.pollUnsafe() !== undefined) continue
      open.add(fiber)
      fiber.addObserver(() => void open.delete(fiber))
    }
    yield* at(plan.duration)
    for (const fiber of Array.from(open)) {
      const exit = yield* Fiber.await(fiber)
      if (Exit.isFailure(exit)) {
        problem("nothing breaks but what is told to", `a step failed: ${Cause.pretty(exit.cause)}`)
      }
    }

    // --- and then all is well again ------------------------------------------------------------------------------------------

    note("all is well again")
    yield* network.heal()
    for (const slot of slots) {
      yield* slot.host.setSkew(0)
      if (slot.running === undefined) yield* launch(slot)
    }
    yield* Effect.sleep("30 seconds")
    if (sow("deaf node")) yield* network.partition(slots[0]!.host)

    /** Whether a node hears of another: it broadcasts, or is listed. */
    const hears = (from: Slot, to: Slot) =>
      from.spec.lans.some((lan) => to.spec.lans.includes(lan)) &&
      (to.spec.broadcasts || from.spec.listed.includes(to.index))
    const mayTalk = (from: Slot, to: Slot) =>
      hears(from, to) && from.permits(to.name, to.identity.publicKey) && to.permits(from.name, from.identity.publicKey)
    const pairs = slots.flatMap((from) => {
      const others = slots.filter((to) => to !== from && mayTalk(from, to))
      const random = chance(seed, `pairs of ${from.name}`)
      while (slots.length > 6 && others.length > 3) others.splice(random.below(others.length), 1)
      return others.map((to) => [from, to] as const)
    })
    yield* Effect.forEach(pairs, ([from, to]) =>
      Effect.gen(function*() {
        const { running } = from
        if (running === undefined) return problem("those that may talk can talk", `${from.name} is not there`)
        const order: Order = { delay: 0, way: "ok", ballast: 0 }
        // A session that is needed now may have to make room for another where there may be few, and of a thousand dials over a
        // link that loses one packet of twenty one loses all of its requests.
        const certain = plan.lans.every(({ loss }) => loss === 0) && from.spec.limits.sessions === undefined &&
          to.spec.limits.sessions === undefined
        let tries = certain ? 1 : 8
        while (true) {
          const token = `${seed}.end.${tokens++}`
          asked.set(token, { from, at: now(), timeout: undefined, runs: new Map() })
          const exit = yield* Effect.exit(
            running.process.run(running.node.target(to.name, { timeout: "10 seconds" })("work", token, order, ""))
          )
          const answer = Exit.isSuccess(exit) ? (exit.value as any).answer : Cause.pretty(exit.cause)
          note(`${from.name} asks ${to.name} at the end: ${String(answer).slice(0, 100)}`)
          if (answer === `${token}@${to.name}`) return count("pairs at the end")
          if (--tries === 0) {
            return problem("those that may talk can talk", `${from.name} cannot talk to ${to.name}: ${answer}`)
          }
          yield* Effect.sleep("700 millis")
        }
      }), { concurrency: 8, discard: true })
    yield* Effect.sleep("1 second")
    for (const slot of slots) {
      if (slot.running === undefined) continue
      for (const { peer, streams } of yield* slot.running.sessions.all) {
        if (streams > 0) {
          problem("a stopped node leaves nothing behind", `${slot.name} has ${streams} streams left with ${peer.name}`)
        }
      }
    }
    yield* look
    yield* Fiber.interrupt(watching)
    yield* Effect.forEach(slots, stop, { concurrency: "unbounded", discard: true })
    for (const socket of network.openSockets()) {
      problem("a stopped node leaves nothing behind", `${socket.host} has a ${socket.kind} socket at the end`)
    }
    return { plan, problems, counts, digest: (hash >>> 0).toString(16) }
  }).pipe(Effect.scoped)

/** Runs a seed. A run that dies is a problem like any other. */
export const run = (options: Options): Effect.Effect<Outcome> =>
  Effect.flatMap(makeCrypto(options.seed), (crypto) =>
    Effect.map(
      VirtualTime.run(Effect.provide(world(options, crypto), Logger.layer([]))),
      ({ exit, passed }): Outcome =>
        Exit.isSuccess(exit) ? { ...exit.value, passed } : {
          plan: makePlan(options),
          problems: [{ invariant: "nothing breaks but what is told to", at: passed, text: Cause.pretty(exit.cause) }],
          counts: {},
          passed,
          digest: ""
        }
    ))
