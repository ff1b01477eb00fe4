/**
 * The whole typed calls of `docs/vectors.json`, between a node and a peer that says what they say: as the functions' server, and as
 * their caller.
 */
import { assert, describe, it } from "@effect/vitest"
import { AdvancedNode, Deadline, PeerRpc, Peers, RpcRegistry, type Sessions, TofuTrust } from "@pnet/core"
import * as Document from "@pnet/lab/vectors/document"
import type { Call, Result, Turn } from "@pnet/lab/vectors/typedCall"
import { Functions, Guard, guard, handlers, OtherFunctions } from "@pnet/lab/vectors/typedFunctions"
import { networkId, quietly } from "@pnet/lab/worlds/sessionWorld"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { SimNetwork } from "@pnet/testing"
import { Cause, Context, Duration, Effect, Exit, Fiber, Layer, Logger, Queue, Schema, type Scope, Stream } from "effect"
import { Rpc, type RpcGroup, RpcSchema } from "effect/rpc"

const { typed } = Document.load()

type Services = AdvancedNode.AdvancedNode | Sessions.Sessions | Peers.Peers | RpcRegistry.RpcRegistry

/** Alice knows bob, who serves. */
const two = (serve: Layer.Layer<never, never, any> = Layer.empty) =>
  Effect.gen(function*() {
    const network = yield* SimNetwork.make()
    const start = (name: string, serve: Layer.Layer<never, never, any>) =>
      Effect.gen(function*() {
        const host = yield* network.host(name)
        const layer = serve.pipe(
          Layer.provideMerge(RpcRegistry.layer),
          Layer.provideMerge(AdvancedNode.layer({ networkId, bindIp: "0.0.0.0", name })),
          Layer.provide([NodeCrypto.layer, TofuTrust.layer(), Logger.layer([])])
        ) as Layer.Layer<Services>
        const { context } = yield* Effect.orDie(host.launch(layer))
        return { context, node: Context.get(context, AdvancedNode.AdvancedNode) }
      })
    const bob = yield* start("bob", serve)
    const alice = yield* start("alice", Layer.empty)
    const peer = yield* Effect.orDie(alice.node.peers.awaitPeer("bob"))
    return { alice, bob, peer }
  })

/** What is heard of a stream, and how it went on: `end`, or the code of its RESET. */
const listen = (stream: Sessions.SessionStream) =>
  Effect.gen(function*() {
    const heard = { hex: "", ended: undefined as string | undefined }
    yield* Effect.forkScoped(
      Effect.matchEffect(
        Effect.forever(Effect.map(stream.pull, (parts) => {
          for (const part of parts) heard.hex += Buffer.from(part).toString("hex")
        })),
        {
          onSuccess: () => Effect.void,
          onFailure: (error) =>
            Effect.sync(() => {
              heard.ended = Cause.isDone(error) ? "end" : error._tag === "StreamResetError" ? error.code : error._tag
            })
        }
      )
    )
    return heard
  })

const bytesOf = ({ hex, text }: Turn): Uint8Array =>
  new Uint8Array(hex === undefined ? Buffer.from(text!) : Buffer.from(hex, "hex"))

/** What is said, of JSON each line as a value: the order of fields, and what a description says, are an implementation's own. */
const saidBy = ({ hex, text }: Omit<Turn, "from">): unknown => {
  if (text === undefined) return hex
  assert.isTrue(text === "" || text.endsWith("\n"), text)
  return text.split("\n").slice(0, -1).map((line) => {
    const { description: _description, ...said } = JSON.parse(line)
    return said
  })
}

/** Says what one side of a call says, and holds the other side to what it has to. */
const play = (name: string, stream: Sessions.SessionStream, turns: ReadonlyArray<Turn>, as: Turn["from"]) =>
  Effect.gen(function*() {
    const heard = yield* listen(stream)
    for (const turn of turns) {
      if (turn.from === as) {
        const bytes = bytesOf(turn)
        if (bytes.length > 0) yield* Effect.ignore(stream.write(bytes))
        if (turn.end === true) yield* stream.end
        if (turn.reset !== undefined) yield* stream.reset(turn.reset as never, "")
      } else {
        // In virtual time: whatever comes has come.
        yield* Effect.sleep("1 second")
        const expected = { said: saidBy(turn), ended: turn.end === true ? "end" : turn.reset }
        const { ended, hex } = heard
        const text = Buffer.from(hex, "hex").toString()
        assert.deepStrictEqual({ said: saidBy(turn.text === undefined ? { hex } : { text }), ended }, expected, name)
        heard.hex = ""
      }
    }
  })

const openOptions = ({ open }: Call): Sessions.OpenOptions => ({
  protocol: open["protocol"] as "rpc" | "rpc-json",
  name: open["name"] as string,
  traceparent: open["traceparent"] as string | undefined,
  deadline: open["deadline"] === undefined ? undefined : Duration.millis(open["deadline"] as number)
})

// --- as a server ---------------------------------------------------------------------------------------------------------------

const served = Layer.effectDiscard(PeerRpc.serve(Functions)).pipe(
  Layer.provide(handlers),
  Layer.provide(Layer.succeed(Guard, guard))
) as Layer.Layer<never, never, any>

// --- as a caller ---------------------------------------------------------------------------------------------------------------

const json = (schema: unknown) => Schema.toCodecJson(schema as Schema.Top) as unknown as Schema.Codec<unknown, any>

const resultOf = (rpc: Rpc.AnyWithProps, exit: Exit.Exit<unknown, any>): Omit<Result, "elements"> => {
  if (Exit.isSuccess(exit)) return { type: "success", value: exit.value as any }
  const error: any = exit.cause.reasons.find(Cause.isFailReason)?.error
  switch (error?._tag) {
    case "RemoteDefectError":
      return { type: "broken" }
    case "ContractError":
      return error.mayHaveRun || error.message.includes("malformed")
        ? { type: "malformed" }
        : { type: "mismatch", together: false }
    case "UnknownFunctionError":
      return { type: "reset", code: "not_found" }
    case "DeadlineError":
      return { type: "reset", code: "deadline" }
    case "CallTooLargeError":
      return { type: "too_large" }
    case "StreamResetError":
      return { type: "reset", code: error.code }
    case "Gone":
    case "Denied":
    case "TooFar":
      break
    default:
      return assert.fail(Cause.pretty(exit.cause))
  }
  const encode = Schema.encodeSync(json(Rpc.exitSchema(rpc as Rpc.Any).error))
  const [first, ...others] = exit.cause.reasons.filter(Cause.isFailReason).map(({ error }) => encode(error))
  return others.length === 0 ? { type: "failed", error: first } : { type: "failed", error: first, others }
}

/** Makes a call as the vector says, with the library's client. */
const make = (context: Context.Context<any>, call: Call): Effect.Effect<Result, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { contract, discard = false, headers = [], payload, window } = call.caller!
    const group = ((OtherFunctions as any)[contract] ?? Functions) as RpcGroup.RpcGroup<any>
    const rpc = group.requests.get(call.function) as unknown as Rpc.AnyWithProps
    const client = (yield* Effect.provideContext(PeerRpc.client(group, "bob", { window }), context)) as any
    const given = Schema.decodeSync(json(rpc.payloadSchema))(payload)
    const timed = <A, E>(effect: Effect.Effect<A, E>) =>
      call.open["deadline"] === undefined
        ? effect
        : Deadline.within(Duration.millis(call.open["deadline"] as number))(effect)

    const options = { headers: Object.fromEntries(headers), discard }
    if (RpcSchema.isStreamSchema(rpc.successSchema)) {
      const elements: Array<any> = []
      const encode = Schema.encodeSync(json(rpc.successSchema.success))
      const exit = yield* Effect.exit(
        Stream.runForEach(
          client[call.function](given, options) as Stream.Stream<unknown, any>,
          (element) => Effect.sync(() => elements.push(encode(element)))
        )
      )
      const { value: _value, ...result } = resultOf(rpc, exit)
      return result.type === "success" || elements.length > 0 ? { ...result, elements } : result
    }
    const exit = yield* Effect.exit(timed(client[call.function](given, options) as Effect.Effect<unknown, any>))
    const result = resultOf(rpc, exit)
    if (result.type !== "success") return result
    return discard
      ? { type: "success" }
      : { ...result, value: Schema.encodeSync(json(rpc.successSchema))(result.value) }
  })

const forms = [["rpc", typed.binary], ["rpc-json", typed.json]] as const

for (const [protocol, vectors] of forms) {
  describe(`the typed calls of docs/vectors.json by ${protocol}`, () => {
    it.effect("are answered as they say", () =>
      quietly(Effect.gen(function*() {
        const { alice, peer } = yield* two(served)
        for (const call of [...vectors.calls, ...vectors.requests]) {
          const stream = yield* Effect.orDie(alice.node.sessions.open(peer, openOptions(call)))
          yield* play(call.name, stream, call.turns, "caller")
        }
      })))

    it.effect("are made as they say, and their answers understood", () =>
      quietly(Effect.gen(function*() {
        const { alice, bob } = yield* two()
        const streams = yield* Queue.unbounded<Sessions.SessionStream>()
        for (const name of Functions.requests.keys()) {
          yield* bob.node.sessions.handle(
            { protocol, name },
            (stream) => Effect.andThen(Queue.offer(streams, stream), Effect.never)
          )
        }
        const calls: ReadonlyArray<Call> = [...vectors.calls, ...vectors.answers]
        const later = new Set(calls.map(({ next }) => next))
        for (const call of calls) {
          if (later.has(call.name)) continue
          const all = [call, ...calls.filter(({ name }) => name === call.next)]
          const bobs = yield* Effect.forkScoped(Effect.forEach(all, ({ name, open, turns }) =>
            Effect.flatMap(Queue.take(streams), (stream) => {
              assert.strictEqual(stream.name, open["name"])
              const left = stream.deadline === undefined ? undefined : Duration.toMillis(stream.deadline)
              // What it took to find out that bob speaks by JSON alone is gone.
              const spent = left === undefined || protocol === "rpc" ? 0 : Number(open["deadline"]) - left
              assert.isBelow(spent, 1_000, name)
              assert.strictEqual(left === undefined ? undefined : left + spent, open["deadline"], name)
              return play(name, stream, turns, "server")
            })))
          const result = yield* make(alice.context, call)
          assert.deepStrictEqual(result, all.at(-1)!.result, call.name)
          yield* Fiber.join(bobs)
        }
      })))
  })
}
