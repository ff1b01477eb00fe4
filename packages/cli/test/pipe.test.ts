/** `pipe`: at a machine of a simulated network, and as a process between two others. */
import { assert, describe, it } from "@effect/vitest"
import { AdvancedNode, Command } from "@pnet/core"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as TestNetwork from "@pnet/testing/TestNetwork"
import { Effect, Latch, Schema, Stream } from "effect"
import { createHash, randomBytes } from "node:crypto"
import { mkdirSync, writeFileSync } from "node:fs"
import { afterAll } from "vitest"
import { home } from "./harness/binary.ts"
import { desk } from "./harness/desk.ts"

const Add = Command.make("add", { args: [Schema.Int, Schema.Int], success: Schema.Int })

class Jammed extends Schema.TaggedError<Jammed>()("Jammed", { tray: Schema.String }) {}

const gate = Latch.makeUnsafe(false)

class Home extends TestNetwork.Service<Home>()("test/cli/pipe", {
  crypto: NodeCrypto.layer,
  seed: 1,
  nodes: {
    bob: TestNetwork.node({
      commands: [Command.implement(Add, (_call, a, b) => Effect.succeed(a + b))],
      streams: {
        upper: ({ bytes }) => bytes.pipe(Stream.decodeText(), Stream.map((text) => text.toUpperCase())),
        first: ({ bytes }) => Stream.take(bytes, 1),
        count: ({ bytes }) => Effect.map(Stream.runFold(bytes, () => 0, (sum, part) => sum + part.length), String),
        wait: ({ bytes }) => Stream.concat(Stream.fromEffectDrain(gate.await), bytes),
        jam: ({ bytes }) =>
          Stream.concat(
            Stream.take(bytes, 1),
            // A failure overtakes what was said before it and has not left.
            Stream.fromEffect(Effect.delay(new Jammed({ tray: "two" }), "1 second"))
          ),
        named: AdvancedNode.withHeaders(Schema.Struct({ path: Schema.String }), ({ headers }) => headers.path),
        never: ({ bytes }) => Stream.concat(bytes, Stream.never)
      }
    })
  }
}) {}

const inHome = <A, E, R>(use: (alice: Effect.Success<ReturnType<typeof desk>>) => Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    return yield* use(yield* desk((yield* Home).network, "alice"))
  }).pipe(Effect.scoped, Effect.provide(Home.layer))

const piece = new TextEncoder().encode("x".repeat(65_536))

describe("pipe", () => {
  it.effect("sends its input through a function, and tells it what stands in headers", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const upper = yield* alice.runWith({ stdin: "good morning\n" }, "pipe", "bob", "upper")
      assert.deepInclude(upper, { code: 0, stdout: "GOOD MORNING\n", stderr: "" })
      const shown = yield* alice.runWith({ stdin: "\u001b[2Jö\n", columns: 60 }, "pipe", "bob", "upper")
      assert.strictEqual(shown.stdout, "\\u001b[2JÖ\n", "a terminal does not act on what a peer sends")
      const named = yield* alice.runWith({ stdin: "" }, "pipe", "bob", "named", "--header", "path=notes.txt")
      assert.deepInclude(named, { code: 0, stdout: "notes.txt" })
    })))

  it.effect("reads no further ahead than the function does, and ends with the answer, whatever is left of the input", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      let read = 0
      const endless = Stream.forever(Stream.sync(() => {
        read += piece.length
        return piece
      }))
      const waiting = yield* alice.startWith({ stdin: endless }, "pipe", "bob", "wait")
      yield* Effect.sleep("3 seconds")
      assert.isAbove(read, 100_000)
      assert.isBelow(read, 1_000_000)
      assert.strictEqual(waiting.stdout(), "")
      yield* waiting.interrupt

      const first = yield* alice.runWith({ stdin: endless }, "pipe", "bob", "first")
      assert.deepInclude(first, { code: 0, stderr: "" })
      assert.isBelow(first.stdout.length, 100_000)

      // Somebody reads the answer slowly.
      read = 0
      const slow = yield* alice.startWith({ stdin: endless, slow: "1 hour" }, "pipe", "bob", "upper")
      yield* Effect.sleep("3 seconds")
      assert.isBelow(read, 2_000_000)
      yield* slow.interrupt
    })))

  it.effect("sends all of what is large", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const pieces = Stream.take(Stream.forever(Stream.succeed(piece)), 32)
      const { stdout } = yield* alice.runWith({ stdin: pieces }, "pipe", "bob", "count")
      assert.strictEqual(stdout, String(32 * piece.length))
    })))

  it.effect("says why the peer gave none or not all of the answer, and keeps what came", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const jammed = yield* alice.runWith({ stdin: "half" }, "pipe", "bob", "jam")
      assert.deepInclude(jammed, { code: 5, stdout: "half" })
      assert.include(jammed.stderr, "{\"_tag\":\"Jammed\",\"tray\":\"two\"}")
      const nothing = yield* alice.runWith({ stdin: "" }, "pipe", "bob", "uper")
      assert.deepInclude(nothing, { code: 3, stdout: "" })
      assert.include(nothing.stderr, "\"bob\" has no function \"uper\"")
      const called = yield* alice.runWith({ stdin: "" }, "pipe", "bob", "add")
      assert.deepInclude(called, { code: 3, stdout: "" })
      assert.include(called.stderr, "takes arguments, and no bytes\n  call it: pnet call bob add")
      assert.deepInclude(yield* alice.runWith({ stdin: "" }, "pipe", "*", "upper"), { code: 2, stdout: "" })
      assert.deepInclude(yield* alice.runWith({ stdin: "" }, "pipe", "bob", "named"), { code: 2, stdout: "" })
      const late = yield* alice.runWith({ stdin: "" }, "pipe", "bob", "never", "--timeout", "2s")
      assert.deepInclude(late, { code: 7, stdout: "" })

      const lost = yield* alice.startWith({ stdin: "some of it" }, "pipe", "bob", "never")
      yield* lost.says("some of it")
      yield* (yield* Home).nodes.bob.kill
      assert.deepInclude(yield* lost.end, { code: 6, stdout: "some of it" })
    })))
})

const place = home(40_853)
afterAll(() => place.close())

const key = () => randomBytes(32).toString("base64url") + "="

/** Puts the network's keys where the command keeps them. */
const keep = (text: string) => {
  const { PNET_NETWORK_ID, XDG_DATA_HOME } = place.env
  mkdirSync(`${XDG_DATA_HOME}/pnet/networks`, { recursive: true })
  writeFileSync(`${XDG_DATA_HOME}/pnet/networks/${PNET_NETWORK_ID}.keys`, text, { mode: 0o600 })
}

describe("pipe in processes, on a network with a key", () => {
  it.live("takes bytes there and back through a command, as they are", () =>
    Effect.gen(function*() {
      const [old, fresh] = [key(), key()]
      keep(`# ours\n${old}\n`)
      const up = place.start(["up", "--name", "bob", "--fn", "tee=cat"])
      yield* Effect.promise(() => up.says("bob is up"))
      // A node that runs goes by the network's keys as they are.
      keep(`${fresh}\n${old}\n`)
      yield* Effect.promise(() => up.says(", 2 are held"))
      keep(`${fresh}\n`)
      yield* Effect.promise(() => up.says(", 1 is held"))
      const bytes = randomBytes(3_000_000)
      const piping = place.start(["pipe", "bob", "tee"])
      const hash = createHash("sha256")
      piping.child.stdout?.on("data", (text: string) => hash.update(text, "latin1"))
      piping.child.stdout?.setEncoding("latin1")
      piping.type(bytes)
      piping.eof()
      assert.strictEqual((yield* Effect.promise(() => piping.ended)).code, 0)
      assert.strictEqual(hash.digest("hex"), createHash("sha256").update(bytes).digest("hex"))
      up.child.kill("SIGINT")
      yield* Effect.promise(() => up.ended)
    }))
})
