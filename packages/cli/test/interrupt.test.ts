/** Ctrl-C at any point of any command: it ends, says that it leaves, and leaves nothing behind. */
import { assert, describe, it } from "@effect/vitest"
import * as Command from "@pnet/core/Command"
import * as CommandNode from "@pnet/core/CommandNode"
import { FileTransfer } from "@pnet/files"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as SimFileSystem from "@pnet/testing/SimFileSystem"
import * as TestNetwork from "@pnet/testing/TestNetwork"
import { Cause, Effect, Exit, Layer, Schema, Stream } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import { desk, type How } from "./harness/desk.ts"
import { points } from "./harness/interrupt.ts"

class Ticks extends RpcGroup.make(Rpc.make("ticks", { success: Schema.Int, stream: true })) {}
const TicksLive = Ticks.toLayer({ ticks: () => Stream.tick("1 second").pipe(Stream.map(() => 1)) })

const home = Effect.gen(function*() {
  const [own, bobs] = [SimFileSystem.make(), SimFileSystem.make()]
  own.put("/home/photos/one.jpg", "one".repeat(50_000))
  own.put("/home/photos/two.jpg", "two!")
  const { network, nodes } = yield* TestNetwork.make({
    crypto: NodeCrypto.layer,
    seed: 11,
    nodes: {
      bob: TestNetwork.node({
        beside: Layer.merge(
          FileTransfer.layer({ receive: { folder: "/in", accept: "all" } }),
          CommandNode.serve(Ticks).pipe(Layer.provide(TicksLive))
        ),
        services: bobs.mount().layer,
        commands: [Command.implement(Command.make("slow"), () => Effect.sleep("2 seconds"))],
        functions: { add: (_call, a: number, b: number) => a + b },
        streams: { cat: ({ bytes }) => bytes }
      })
    }
  })
  return { alice: yield* desk(network, "alice", own.mount().layer), bobs, network, nodes, own }
})

interface Case {
  readonly words: ReadonlyArray<string>
  readonly how?: How
  /** What somebody else does meanwhile. */
  readonly beside?: ReadonlyArray<string>
}

const slowInput = Stream.concat(
  Stream.make(new TextEncoder().encode("one\n")),
  Stream.fromEffect(Effect.as(Effect.sleep("3 seconds"), new TextEncoder().encode("two\n")))
)

const cases: ReadonlyArray<Case> = [
  { words: ["up", "--open", "--receive", "/box"] },
  { words: ["peers"] },
  { words: ["peers", "--watch", "--offers"] },
  { words: ["functions", "bob"] },
  { words: ["call", "bob", "slow"], how: { columns: 80 } },
  { words: ["call", "bob", "ticks"] },
  { words: ["call", "*", "slow", "--json"] },
  { words: ["pipe", "bob", "cat"], how: { stdin: slowInput } },
  { words: ["publish", "news", "1", "--retain", "--open"] },
  { words: ["subscribe", "news"] },
  { words: ["send", "bob", "/home/photos"] },
  { words: ["receive", "/box", "--yes", "--open"], beside: ["send", "alice", "/home/photos"] },
  { words: ["ping", "bob", "--count", "0"] },
  { words: ["measure", "eve", "--time", "5ms", "--count", "5"], beside: ["up", "--name", "eve"] },
  { words: ["doctor", "bob"] },
  { words: ["top", "--every", "1s"] },
  { words: ["mcp", "--allow", "*@*"], how: { stdin: slowInput } },
  { words: ["config"] },
  { words: ["why", "peer-unknown"] }
]

// How long a command goes on, of virtual time.
const within = "6 seconds"
const each = 3

/** Runs a command once, interrupts it after so many steps, and looks at what is left. Gives the steps that it took. */
const once = ({ beside, how = {}, words }: Case, steps: number) =>
  Effect.gen(function*() {
    const { alice, bobs, network, nodes, own } = yield* home
    if (beside !== undefined) {
      const other = SimFileSystem.make()
      other.put("/home/photos/one.jpg", "one".repeat(50_000))
      yield* (yield* desk(network, "other", other.mount().layer)).start(...beside)
    }
    const { exit, stderr, stdout, steps: taken } = yield* alice.interrupted(how, steps, within, ...words)
    const about = `${words.join(" ")} after ${steps} of ${taken} steps`
    // It may have ended before; otherwise that it was interrupted is all there is to say.
    if (Exit.isFailure(exit)) {
      assert.isTrue(Cause.hasInterruptsOnly(exit.cause), `${about}: ${Cause.pretty(exit.cause)}`)
      assert.notInclude(stderr, "pnet: \"", about)
    }
    assert.strictEqual(alice.held.size, 0, about)
    if (stdout.includes("is up")) assert.include(stdout, "alice leaves", about)
    yield* Effect.sleep("1 second")
    assert.isUndefined(yield* nodes.bob.node.peers.get("alice"), about)
    // What has a name is whole.
    for (const [path, { bytes, type }] of [...own.tree("/"), ...bobs.tree("/")]) {
      if (type !== "File" || !path.endsWith(".jpg") || path.includes(".pnet")) continue
      assert.include([4, 150_000], bytes.length, `${about}: ${path}`)
    }
    const kept = [...own.tree("/").keys()].filter((path) => /\.(?:tmp|lock)$/.test(path))
    assert.deepStrictEqual(kept, [], about)
    return { taken, interrupted: Exit.isFailure(exit) }
  }).pipe(Effect.scoped)

describe("Ctrl-C", () => {
  for (const [i, one] of cases.entries()) {
    it.effect(`at any point of ${one.words.join(" ")} ends it, and leaves nothing behind`, () =>
      Effect.gen(function*() {
        const { taken } = yield* once(one, Number.POSITIVE_INFINITY)
        const ran = yield* Effect.forEach(points(taken, each, i + 1), (point) => once(one, point))
        assert.isAbove(ran.filter(({ interrupted }) => interrupted).length, each / 2)
      }))
  }
})
