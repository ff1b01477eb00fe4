/** Calls that are copied from the page of the console: the command and the program give what the form's call gave. */
import { assert, describe, it } from "@effect/vitest"
import * as Elements from "@pnet/console/Elements"
import * as Command from "@pnet/core/Command"
import * as CommandNode from "@pnet/core/CommandNode"
import * as TofuTrust from "@pnet/core/TofuTrust"
import * as Trust from "@pnet/core/Trust"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as TestNetwork from "@pnet/testing/TestNetwork"
import { Effect, Exit, Layer, Schema, Stream } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import { execFileSync } from "node:child_process"
import { asCommand, asTypeScript, type Call } from "../../console/page/form/call.ts"
import { consoleOf } from "../../console/test/harness/desk.ts"
import { desk, values } from "./harness/desk.ts"

class Clock extends RpcGroup.make(
  Rpc.make("ticks", { payload: { to: Schema.Int }, success: Schema.Int, stream: true }),
  Rpc.make("at", { payload: { place: Schema.String, zone: Schema.optionalKey(Schema.Int) }, success: Schema.Json })
) {}

const ClockLive = Clock.toLayer({
  ticks: ({ to }) => Stream.range(1, to),
  at: (payload) => Effect.succeed(payload)
})

const Greet = Command.make("greet", {
  args: [Schema.String, Schema.optional(Schema.Int)],
  kwargs: { loud: Schema.optionalKey(Schema.Boolean), timeout: Schema.optionalKey(Schema.String) },
  success: Schema.Json
})

const network = TestNetwork.make({
  crypto: NodeCrypto.layer,
  seed: 1,
  trust: Trust.open(TofuTrust.layer()),
  nodes: {
    bob: TestNetwork.node({
      beside: CommandNode.serve(Clock).pipe(Layer.provide(ClockLive)),
      commands: [Command.implement(Greet, ({ kwargs }, ...args) => Effect.succeed([args, kwargs] as never))],
      functions: { echo: ({ kwargs }, ...args: ReadonlyArray<unknown>) => [args, kwargs] }
    }),
    carol: TestNetwork.node()
  }
})

const calls: ReadonlyArray<Pick<Call, "function"> & Partial<Call>> = [
  { function: "echo" },
  { function: "echo", args: ["7", "null", "-", "", " ", "-x", "it's $HOME", { a: [1, null] }, -1, null, "\u202e\n"] },
  { function: "echo", args: ["plain"], kwargs: { timeout: "5", check: false, "a-b": {}, x: "y", _: null } },
  { function: "greet", args: ["ann"] },
  { function: "greet", args: ["7", 7], kwargs: { loud: true, timeout: "now" } },
  { function: "at", args: [{ place: "null" }] },
  { function: "at", args: [{ place: "", zone: -2 }] },
  { function: "ticks", args: [{ to: 3 }], stream: true }
]

/** What somebody's program does who has copied it. */
const programOf = (text: string) =>
  new Function("node", "Command", "Elements", "Effect", `return function*() {\n${text}\nreturn answer }`) as (
    ...of: ReadonlyArray<unknown>
  ) => () => Generator<never, unknown>

describe("a call that is copied from the page", () => {
  it.effect("gives the same from a shell and in a program", () =>
    Effect.gen(function*() {
      const { network: hosts, nodes: { carol } } = yield* network
      const alice = yield* desk(hosts, "alice")
      const { node } = carol
      const client = yield* consoleOf(node)
      for (const of of calls) {
        const call: Call = { target: ["bob"], args: [], kwargs: {}, timeoutMs: 60_000, stream: false, ...of }
        const events = yield* Stream.runCollect(client.call({ ...call, timeoutMs: 60_000 }))
        const given = events.flatMap((event) => event._tag === "Value" || event._tag === "Element" ? [event.value] : [])
        assert.include(["Value", "Done"], events.at(-1)!._tag, JSON.stringify(events.at(-1)))

        const command = asCommand(call)!
        const words = execFileSync("bash", ["-c", `pnet() { printf '%s\\0' "$@"; }; ${command}`])
        const ran = yield* alice.run("--json", ...words.toString("utf8").split("\0").slice(0, -1))
        assert.deepStrictEqual(values(ran.stdout).map(({ value }) => value), given, `${command} ${ran.stderr}`)

        const program = asTypeScript(call)
        const logged: Array<unknown> = []
        // What it logs is its answer where that is a stream.
        const logging = { ...Effect, log: (value: unknown) => Effect.sync(() => void logged.push(value)) }
        const text = call.stream ? `${program}\nconst answer = undefined` : program
        const answer = yield* Effect.exit(Effect.gen(programOf(text)(node, Command, Elements, logging)))
        assert.deepStrictEqual(call.stream ? logged : Exit.isSuccess(answer) ? [answer.value] : answer, given, program)
      }
    }).pipe(Effect.scoped))
})
