/**
 * Nodes that do what they are told. Written against what is public, and was on the day of each packed peer, so that one file is bundled
 * with either.
 */
import { type AdvancedNode, Command, CommandNode, type NetworkKey, type NodeOptions, type Peers } from "@pnet/core"
import { NodePnet } from "@pnet/node"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { group, NotFound } from "./group.ts"
import type { Orders, Outcome, Start } from "./orders.ts"

type Node = CommandNode.CommandNode["Service"]

/** How each order is carried out. */
export type Carried = {
  readonly [Name in keyof Orders]: (
    order: Parameters<Orders[Name]>[0]
  ) => Effect.Effect<ReturnType<Orders[Name]>, unknown>
}

interface Running {
  readonly node: Node
  readonly scope: Scope.Closeable
  readonly served: Served
}

// --- what is served ----------------------------------------------------------------------------------------------------------

/** What a node's functions have seen. */
interface Served {
  readonly held: Deferred.Deferred<void>
  readonly interrupted: SubscriptionRef.SubscriptionRef<number>
  readonly runs: Record<string, number>
}

const counted = (served: Served, name: string) => {
  served.runs[name] = (served.runs[name] ?? 0) + 1
}

/** Never ends, and says that it has begun and that it was interrupted. */
const forever = ({ held, interrupted }: Served): Effect.Effect<never> =>
  Effect.andThen(Deferred.succeed(held, void 0), Effect.never).pipe(
    Effect.onInterrupt(() => SubscriptionRef.update(interrupted, (n) => n + 1))
  )

const handlers = (served: Served) => {
  const run = <A>(name: string, value: A) =>
    Effect.sync(() => {
      counted(served, name)
      return value
    })
  return group.toLayer({
    hello: ({ name }) => run("hello", `Hello, ${name}`),
    nothing: () => run("nothing", undefined),
    find: ({ path }) => path === "" ? Effect.fail(new NotFound({ path })) : run("find", path.length),
    count: ({ to }) =>
      Stream.range(1, to < 0 ? 3 : to).pipe(
        Stream.concat(to < 0 ? Stream.fail(new NotFound({ path: "end" })) : Stream.empty)
      ),
    blocks: ({ sizes }) => Stream.map(Stream.fromIterable(sizes), (size) => new Uint8Array(size).fill(size % 251)),
    breaks: () => Effect.die(new Error("it broke")),
    forever: () => forever(served),
    later: ({ at }) => run("later", DateTime.toDateUtc(DateTime.add(DateTime.fromDateUnsafe(at), { seconds: 1 }))),
    natives: (payload) => run("natives", payload),
    profile: (profile) => run("profile", profile),
    nothings: ({ list }) => run("nothings", list.length),
    when: () => run("when", true),
    tree: ({ tree }) => run("tree", { name: `${tree.name}!`, children: tree.children })
  })
}

/** A KiB of n, as bytes. */
const chunk = (n: number) => new Uint8Array(1_024).fill(n % 251)

const chunks = (kibibytes: number) => Stream.map(Stream.range(0, kibibytes - 1), chunk)

class Refused extends Schema.TaggedError<Refused>()("Refused", { why: Schema.String }) {}

const functions = (name: string, served: Served) => ({
  who: () => Effect.succeed(name),
  add: (_call: unknown, a: number, b: number) => Effect.succeed(a + b),
  echo: (_call: unknown, ...args: ReadonlyArray<unknown>) => Effect.succeed(args),
  named: ({ kwargs }: { readonly kwargs: unknown }) => Effect.succeed(kwargs),
  // Whether it was undefined does not show in JSON.
  kinds: (_call: unknown, ...args: ReadonlyArray<unknown>) =>
    Effect.succeed(args.map((arg) => arg === null ? "null" : typeof arg)),
  refuse: (_call: unknown, why: string) => Effect.fail(new Refused({ why })),
  fall: () => Effect.die(new Error("it broke")),
  hold: () => forever(served)
})

const streams = (served: Served): AdvancedNode.Functions<any> => ({
  echo: (call: AdvancedNode.Call) => call.bytes,
  numbers: (call: AdvancedNode.Call) =>
    Stream.unwrap(Effect.map(call.text, (text) => {
      const { kibibytes, pause = 0 } = JSON.parse(text) as { readonly kibibytes: number; readonly pause?: number }
      const all = chunks(kibibytes)
      return pause === 0 ? all : Stream.tap(Stream.rechunk(all, 1), () => Effect.sleep(pause))
    })),
  sum: (call: AdvancedNode.Call) =>
    Effect.map(Stream.runFold(call.bytes, () => 0, (sum, bytes) => bytes.reduce((a, b) => a + b, sum)), String),
  refuse: () => Effect.fail(new Refused({ why: "it said so" })),
  fall: () => Effect.die(new Error("it broke")),
  hold: () => forever(served)
})

// --- what came of it ---------------------------------------------------------------------------------------------------------

const failed = (cause: Cause.Cause<unknown>): Outcome => {
  const [reason] = cause.reasons
  const error = reason?._tag === "Fail"
    ? reason.error as { readonly _tag?: string; readonly mayHaveRun?: boolean; readonly code?: unknown }
    : undefined
  return {
    tag: error?._tag ?? String(reason?._tag),
    message: Cause.pretty(cause),
    ...(typeof error?.code === "string" ? { code: error.code } : {}),
    ...(typeof error?.mayHaveRun === "boolean" ? { mayHaveRun: error.mayHaveRun } : {})
  }
}

const outcome = <A>(effect: Effect.Effect<A, unknown>): Effect.Effect<Outcome> =>
  Effect.map(Effect.exit(effect), (exit) => Exit.isSuccess(exit) ? { value: exit.value ?? null } : failed(exit.cause))

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/** Reads what `numbers` gives. */
const readNumbers = (answer: Stream.Stream<Uint8Array, unknown>): Effect.Effect<number, unknown> =>
  Stream.runFoldEffect(answer, () => 0, (at, bytes) => {
    const wrong = bytes.findIndex((byte, i) => byte !== ((at + i) >>> 10) % 251)
    return wrong < 0 ? Effect.succeed(at + bytes.length) : Effect.die(new Error(`another byte at ${at + wrong}`))
  })

// --- orders ------------------------------------------------------------------------------------------------------------------

const start = ({ name, networkKey, node: _node, ...rest }: Start) =>
  Effect.gen(function*() {
    const served: Served = {
      held: yield* Deferred.make<void>(),
      interrupted: yield* SubscriptionRef.make(0),
      runs: {}
    }
    const options = {
      ...rest,
      name,
      bindIp: "127.0.0.1",
      ...(networkKey === undefined ? {} : { networkKey: Redacted.make(networkKey) as NetworkKey.NetworkKey })
    } as NodeOptions.Input
    const layer = CommandNode.serve(group).pipe(
      Layer.provide(handlers(served)),
      Layer.provideMerge(CommandNode.layer({
        ...options,
        onMessage: (message) => Effect.succeed(`${name} has ${message.text}`),
        functions: functions(name, served),
        streams: streams(served)
      })),
      Layer.provide([
        NodePnet.layer,
        Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)]),
        Layer.succeed(References.MinimumLogLevel, "Fatal")
      ])
    ) as Layer.Layer<CommandNode.CommandNode, unknown>
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(Layer.fresh(layer), scope)
    return { node: Context.get(context, CommandNode.CommandNode), scope, served }
  })

/** A call of the group by its name, its payload and its answer as JSON. */
const rpc = ({ node }: Running, { payload = null, peer, rpc: tag, take, timeout = "10 seconds" }: Parameters<
  Orders["rpc"]
>[0]) => {
  const { payloadSchema, successSchema } = group.requests.get(tag)! as any
  const stream = successSchema.success as Schema.Codec<any> | undefined
  const success = Schema.toCodecJson(stream ?? successSchema) as unknown as Schema.Codec<any, any>
  const given = payload === null
    ? Effect.undefined
    : Schema.decodeUnknownEffect(Schema.toCodecJson(payloadSchema as Schema.Codec<any>))(payload)
  const json = (value: unknown) => Schema.encodeUnknownEffect(success)(value)
  return outcome(
    Effect.scoped(Effect.gen(function*() {
      const client = (yield* node.client(group, peer)) as any
      const call = client[tag](yield* given) as Effect.Effect<unknown, unknown> | Stream.Stream<unknown, unknown>
      if (Stream.isStream(call)) {
        const some = take === undefined ? call : Stream.take(call, take)
        return yield* Effect.forEach(yield* Stream.runCollect(some), json)
      }
      const value = yield* call
      return value === undefined ? null : yield* json(value)
    })).pipe(Effect.timeoutOrElse({ duration: timeout as "1 second", orElse: () => Effect.fail({ _tag: "Timeout" }) }))
  )
}

const call = (
  { node }: Running,
  { absent = [], args = [], function: name, kwargs, peer, timeout = "10 seconds" }: Parameters<Orders["call"]>[0]
) => {
  const given = [
    ...args.map((arg, i) => absent.includes(i) ? undefined : arg),
    ...(kwargs === undefined ? [] : [Command.kwargs(kwargs)])
  ]
  return outcome(node.target(peer, { timeout: timeout as "1 second" })(name, ...given))
}

const numbers = ({ node }: Running, { kibibytes, pause, peer, send }: Parameters<Orders["numbers"]>[0]) =>
  outcome(
    send === true
      ? Effect.map(node.request(peer, "sum", chunks(kibibytes)), (sum) => Number(text(sum)))
      : readNumbers(node.send(peer, "numbers", JSON.stringify({ kibibytes, pause })))
  )

const gone = (peers: Peers.Peers["Service"], name: string) =>
  Stream.runDrain(Stream.takeUntil(peers.presenceOf(name), (peer) => peer === undefined))

/** Nodes, until the scope closes. */
export const make: Effect.Effect<Carried, never, Scope.Scope> = Effect.gen(function*() {
  const running = new Map<string, Running>()
  const of = (order: { readonly node: string }) => running.get(order.node)!
  const stop = (name: string) => {
    const found = running.get(name)
    running.delete(name)
    return found === undefined ? Effect.void : Scope.close(found.scope, Exit.void)
  }
  yield* Effect.addFinalizer(() =>
    Effect.forEach([...running.keys()], stop, { concurrency: "unbounded", discard: true })
  )
  return {
    start: (order) =>
      Effect.map(start(order), (started) => {
        running.set(order.node, started)
        return { publicKey: started.node.publicKey, port: started.node.endpoint.port }
      }),
    stop: ({ node }) => Effect.as(stop(node), {}),
    await: (order) =>
      Effect.map(of(order).node.peers.awaitPeer(order.peer, "20 seconds"), ({ publicKey }) => ({ publicKey })),
    gone: (order) => Effect.as(gone(of(order).node.peers, order.peer), {}),
    raw: (order) => outcome(of(order).node.raw.sendText(order.peer, order.text)),
    request: (order) =>
      outcome(Effect.map(
        of(order).node.request(order.peer, order.function, order.text, { headers: order.headers }),
        text
      )),
    numbers: (order) => numbers(of(order), order),
    stream: (order) => {
      const { node } = of(order)
      return outcome(Effect.flatMap(node.peers.resolveOne(order.peer), (peer) =>
        Effect.map(
          node.sessions.exchange(peer, { protocol: order.protocol as "command", name: order.name }, new Uint8Array()),
          text
        )))
    },
    call: (order) => call(of(order), order),
    rpc: (order) => rpc(of(order), order),
    held: (order) => Effect.as(Deferred.await(of(order).served.held), {}),
    interrupted: (order) =>
      Effect.as(
        Stream.runDrain(
          Stream.takeUntil(SubscriptionRef.changes(of(order).served.interrupted), (n) => n >= order.times)
        ),
        {}
      ),
    sessions: (order) =>
      Effect.map(of(order).node.sessions.all, (all) => ({
        sessions: all.map(({ binary, dialled, draining }) => ({ binary, dialled, draining }))
      })),
    runs: (order) => Effect.sync(() => ({ runs: { ...of(order).served.runs } }))
  }
})
