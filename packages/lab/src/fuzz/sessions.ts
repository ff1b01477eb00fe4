/**
 * A node whose peer has a key, and says whatever comes to its mind: broken handshakes, broken frames in a session that stands, calls
 * that are none, answers that are none. Shared by a test (a few seeds) and the script that goes on for as long as it is told.
 */
import { CommandNode, Frame, Packet, Raw, TofuTrust } from "@pnet/core"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { SimNetwork } from "@pnet/testing"
import { Cause, Context, Effect, Exit, Layer, Logger, Random, Stream } from "effect"
import { RpcGroup } from "effect/rpc"
import { TestClock } from "effect/testing"
import { frame, networkId, seeded, stranger } from "../worlds/sessionWorld.ts"
import * as Mutate from "./mutate.ts"
import { calls, corpus, frameMutator } from "./targets.ts"

const { concat, readU32, u32 } = Mutate
const { Kind } = Frame

class Calls extends RpcGroup.make(calls.plain, calls.rich, calls.tree, calls.bytes) {}

const handlers = Calls.toLayer({
  plain: ({ name }) => Effect.succeed(`hello ${name}`),
  rich: ({ list }) => Effect.succeed(list.map((value, i) => ({ key: String(i), value }))),
  tree: (tree) => Effect.succeed(tree),
  bytes: (bytes) => Stream.make(bytes, bytes)
})

/** Starts a node that serves functions and typed calls. */
const start = (network: SimNetwork.SimNetwork["Service"], name: string, logger: Layer.Layer<never>) =>
  Effect.gen(function*() {
    const host = yield* network.host(name)
    const layer = CommandNode.serve(Calls).pipe(
      Layer.provide(handlers),
      Layer.provideMerge(CommandNode.layer({
        name,
        networkId,
        bindIp: "0.0.0.0",
        limits: { callSize: 400_000, sessionSilence: "2 seconds" },
        functions: {
          echo: (_call, ...args) => Effect.succeed(args.length === 1 ? args[0] : args),
          slow: () => Effect.as(Effect.sleep("3 seconds"), "at last"),
          fails: () => Effect.fail({ _tag: "Refused", why: "as ever" })
        },
        streams: { upper: ({ bytes }) => Stream.map(bytes, (part) => part.slice()) }
      })),
      Layer.provide([NodeCrypto.layer, TofuTrust.layer(), logger])
    ) as Layer.Layer<CommandNode.CommandNode, never, any>
    const process = (yield* Effect.orDie(host.launch(layer as never))) as SimNetwork.Process<CommandNode.CommandNode>
    return { node: Context.get(process.context, CommandNode.CommandNode), host, process }
  })

const bytesOf = (folder: string) => corpus(folder).map(({ bytes }) => bytes)

const items = () => ({
  frames: bytesOf("frames"),
  requests: bytesOf("command-request"),
  replies: bytesOf("command-reply"),
  rpcRequests: bytesOf("rpc-request"),
  rpcSuccesses: bytesOf("rpc-success"),
  rpcExits: bytesOf("rpc-exit"),
  rpcChunks: bytesOf("rpc-chunk"),
  rpcPayloads: bytesOf("rpc-payload")
})

export interface Result {
  readonly cases: number
  /** What must not happen, in words. */
  readonly problems: ReadonlyArray<string>
  /** Calls that went to whom attacked, by what came of them. */
  readonly outcomes: Readonly<Record<string, number>>
}

/** Attacks one node `cases` times; another calls it all the while. */
export const fuzzSessions = (options: { readonly seed: number; readonly cases: number }): Effect.Effect<Result> =>
  Effect.gen(function*() {
    const random = Mutate.chance(`sessions ${options.seed}`)
    const { frames, replies, requests, rpcChunks, rpcExits, rpcPayloads, rpcRequests, rpcSuccesses } = items()
    const problems: Array<string> = []
    const outcomes: Record<string, number> = {}
    const watch = Logger.layer([Logger.make<unknown, void>(({ cause, message }) => {
      if (Cause.hasDies(cause) || String(message).includes("Unhandled")) {
        problems.push(`logged: ${String(message)} ${Cause.pretty(cause)}`)
      }
    })])
    const network = yield* SimNetwork.make({ seed: options.seed, traceCapacity: 0 })
    const bob = yield* start(network, "bob", watch)
    const alice = yield* start(network, "alice", watch)
    const host = yield* network.host("mallory")
    const binary = options.seed % 2 === 1
    const mallory = yield* stranger(network, yield* seeded(options.seed), { host, binary })
    // Both have a node underneath with the same fields.
    const target = { node: bob.node, host: bob.host } as never as Parameters<typeof mallory.connect>[0]

    /** Runs while virtual time passes, at most a minute of it. */
    const passing = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
        for (let i = 0; i < 600 && fiber.pollUnsafe() === undefined; i++) yield* TestClock.adjust("100 millis")
        return fiber.pollUnsafe()
      })

    yield* passing(alice.node.peers.awaitPeer("bob"))
    const honest = (text: string) =>
      Effect.map(passing(alice.node.target("bob")("echo", text)), (exit) => {
        if (exit === undefined || Exit.isFailure(exit) || exit.value !== text) {
          problems.push(
            `${text}: the neighbour got ${
              exit === undefined ? "nothing" : Exit.isFailure(exit) ? Cause.pretty(exit.cause) : exit.value
            }`
          )
        }
      })
    yield* honest("before")

    // --- what mallory says ---------------------------------------------------------------------------------------------

    const altered = (pool: ReadonlyArray<Uint8Array>, ...ways: ReadonlyArray<Mutate.Mutate>) =>
      random.chance(0.15) ? random.pick(pool) : Mutate.any(...ways)(random, random.pick(pool), pool)

    let lastId = 0
    const opening = (protocol: string, name: string) =>
      frame(
        Kind.open,
        lastId += random.pick([1, 1, 1, 3]),
        JSON.stringify({ protocol, name, ...(random.chance(0.2) ? { deadline: random.pick([1, 100, 5_000]) } : {}) })
      )
    /** The DATA of a stream, cut into frames. */
    const data = (bytes: Uint8Array): ReadonlyArray<Uint8Array> => {
      const out: Array<Uint8Array> = []
      for (let at = 0; at < bytes.length && out.length < 30;) {
        const end = Math.min(bytes.length, at + 1 + random.below(random.pick([10, 5_000, 90_000])))
        out.push(frame(Kind.data, lastId, bytes.subarray(at, end)))
        at = end
      }
      return out
    }
    const end = () => random.chance(0.8) ? [frame(Kind.end, lastId)] : []

    /** The next messages of a session, each the frames in it and its type. */
    const messages = (): ReadonlyArray<readonly [type: 0 | 1 | 2, frames: Uint8Array]> => {
      switch (random.below(4)) {
        case 0: {
          // A file of frames, its messages altered one by one.
          const file = random.pick(frames)
          const out: Array<readonly [0 | 1 | 2, Uint8Array]> = []
          for (let at = 0; at + 5 <= file.length && out.length < 6;) {
            const next = at + 5 + readU32(file, at + 1)
            const whole = file.subarray(at + 5, next)
            const type = Math.min(2, random.chance(0.9) ? file[at]! : random.below(3)) as 0 | 1 | 2
            out.push([type, random.chance(0.5) ? frameMutator(random, whole, frames) : whole])
            at = next
          }
          return out
        }
        case 1: {
          const body = altered(requests, Mutate.json, Mutate.json)
          return [opening("command", "handle"), ...data(body), ...end()].map((each) => [0, each] as const)
        }
        case 2: {
          const name = random.pick(Object.keys(calls))
          const payload = altered(rpcPayloads, Mutate.blind).subarray(1)
          // A request whose payload is altered, or a request that is.
          const body = random.chance(0.5)
            ? concat(random.pick(rpcRequests).subarray(0, 11), payload)
            : altered(rpcRequests, Mutate.blind)
          const length = random.chance(0.85) ? body.length : random.pick(Mutate.limits)
          return [opening("rpc", name), ...data(concat(u32(length), body)), ...end()].map((each) => [0, each] as const)
        }
        default:
          return [[
            0,
            concat(
              opening(
                random.pick(["command", "rpc", "socket", "x"]),
                random.pick(["upper", "", "handle", "x".repeat(500)])
              ),
              ...data(random.bytes(random.below(3_000))),
              ...end()
            )
          ]]
      }
    }

    const answers = (protocol: string): Uint8Array => {
      if (protocol === "command") return altered(replies, Mutate.json, Mutate.blind)
      const kind = random.below(6)
      const body = altered(random.pick([rpcSuccesses, rpcExits, rpcChunks]), Mutate.blind).subarray(1)
      const lengths = kind === 2 || kind >= 4
      return concat(
        Uint8Array.of(kind),
        lengths ? u32(random.chance(0.8) ? body.length : random.pick(Mutate.limits)) : new Uint8Array(0),
        body
      )
    }

    // --- the attacks -----------------------------------------------------------------------------------------------------

    /** Packets in place of a handshake. */
    const greeting = Effect.gen(function*() {
      const connection = yield* mallory.dial(target)
      const packets = bytesOf("packet").concat(
        ["hello", "welcome", "initiate", "ready"].flatMap((step) =>
          bytesOf(`handshake-${step}`).map((command) => mallory.packet("msg", Raw.toText(command)))
        )
      )
      for (let i = random.below(4); i >= 0; i--) {
        const packet = Mutate.any(Mutate.blind, Mutate.fields(/([|@:\n])/))(random, random.pick(packets), packets)
        // Of this network, or nothing of it would be read.
        const text = Buffer.from(packet).toString("latin1").replace(/^lab\|/, `${networkId}|`)
        yield* connection.write(new Uint8Array(Buffer.from(text, "latin1")))
      }
      if (random.chance(0.3)) yield* connection.end
      yield* Effect.sleep(random.below(6_000))
    })

    const session = Effect.gen(function*() {
      const peer = yield* mallory.connect(target)
      lastId = 0
      yield* Effect.forkScoped(Effect.repeat(peer.next, { while: (heard) => heard !== undefined }))
      for (let i = random.below(5); i >= 0; i--) {
        for (const [type, bytes] of messages()) {
          // A sender that knows the protocol seals what fits into a record, or as text into a packet.
          const sealed = peer.seal(type, bytes.subarray(0, binary ? Packet.maxStreamLength - 33 : 97_000))
          yield* peer.connection.write(random.chance(0.02) ? Mutate.blind(random, sealed, frames) : sealed)
        }
        if (random.chance(0.4)) yield* Effect.sleep(random.below(2_000))
      }
      if (random.chance(0.3)) yield* peer.connection.end
      if (random.chance(0.6)) yield* Effect.sleep(random.below(6_000))
    })

    const listening = yield* mallory.listen
    yield* listening.run((connection) =>
      Effect.gen(function*() {
        const peer = yield* listening.accept(connection)
        for (let heard = yield* peer.next; heard !== undefined; heard = yield* peer.next) {
          if (heard.kind !== Kind.open) continue
          const { protocol } = JSON.parse(Buffer.from(heard.payload).toString()) as { protocol: string }
          lastId = heard.id
          const said = [...data(answers(protocol)), ...end()]
          if (random.chance(0.15)) said.push(frame(Kind.reset, heard.id, answers("command")))
          for (const each of said) yield* peer.send(each[0] === Kind.reset ? 2 : 1, each)
        }
      })
    )
    const called = Effect.gen(function*() {
      yield* listening.advertise
      const client = yield* bob.node.client(Calls, "mallory")
      const call: Effect.Effect<unknown, unknown> = random.pick([
        bob.node.target("mallory")("anything", 1),
        client.plain({ name: "x", age: 1 }),
        client.tree({ name: "x", children: [] }),
        Stream.runDrain(client.bytes(new Uint8Array(10))),
        bob.node.request("mallory", "upper", "bytes")
      ])
      const exit = yield* Effect.exit(Effect.timeoutOption(call, "20 seconds"))
      const reasons = Exit.isSuccess(exit) ? [] : exit.cause.reasons
      const outcome = Exit.isSuccess(exit)
        ? "answered"
        : reasons.map((reason) => reason._tag === "Fail" ? String((reason.error as any)?._tag) : reason._tag).join()
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
      if (Exit.isFailure(exit) && !reasons.every(Cause.isFailReason)) {
        problems.push(`a call to it broke: ${Cause.pretty(exit.cause)}`)
      }
    })

    for (let i = 0; i < options.cases; i++) {
      const attack = random.pick([greeting, session, session, session, called])
      const done = yield* passing(Effect.ignore(Effect.scoped(attack as Effect.Effect<void, unknown, never>)))
      if (done === undefined) problems.push(`attack ${i} hangs`)
      else if (Exit.isFailure(done) && !Cause.hasInterruptsOnly(done.cause)) {
        const text = Cause.pretty(done.cause)
        // Refused, as it may be: what it says next is in another connection.
        if (!text.includes("refused: ") && !text.includes("ended before")) problems.push(`attack ${i}: ${text}`)
      }
      if (i % 10 === 9) yield* honest(`after ${i + 1}`)
    }
    yield* TestClock.adjust("90 seconds")
    yield* honest("at the end")
    const left = (yield* bob.node.sessions.all).filter(({ peer }) => peer.publicKey === mallory.identity.publicKey)
    const streams = (yield* bob.node.sessions.all).reduce((sum, { streams }) => sum + streams, 0)
    if (left.some(({ dialled }) => !dialled)) problems.push(`${left.length} sessions are left`)
    if (streams > 0) problems.push(`${streams} streams are left`)
    if (({} as any).polluted !== undefined) problems.push("the prototype of all objects was changed")
    yield* Effect.all([bob.process.stop, alice.process.stop])
    const sockets = network.openSockets().filter(({ host }) => host === "bob" || host === "alice").length
    if (sockets > 0) problems.push(`${sockets} sockets are left`)
    return { cases: options.cases, problems, outcomes }
  }).pipe(
    Effect.scoped,
    Effect.orDie,
    Effect.provide(Logger.layer([])),
    Random.withSeed(options.seed)
  ) as Effect.Effect<Result, never, any> as Effect.Effect<Result>
