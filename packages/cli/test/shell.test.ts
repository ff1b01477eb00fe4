/** Commands of the shell as functions: what of a caller's gets where, and what becomes of it. Each is a process, of a few milliseconds. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import type * as AdvancedNode from "@pnet/core/AdvancedNode"
import type * as Command from "@pnet/core/Command"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { readFileSync } from "node:fs"
import { parseFn, printed, running, serve, type ShellFunction } from "../src/serve/shell.ts"

const from = { name: "ann\u0000 $(id)", publicKey: "KEY" }
const fn = (command: string, args: ReadonlyArray<string> = [], variadic = false): ShellFunction => ({
  name: "fn",
  command,
  args,
  types: args.map(() => "text" as const),
  variadic
})

/** Whether a process runs. One that has ended, and that nobody has asked after yet, does not. */
const runs = (pid: string): boolean => {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"))
  } catch {
    return false
  }
}

const run = (of: ShellFunction, args: ReadonlyArray<string> = [], stdin = "") =>
  printed(running(of, args, from, stdin === "" ? Stream.empty : Stream.encodeText(Stream.succeed(stdin))))

describe("a command of the shell", () => {
  it.live("gets its caller's arguments and input, none of which the shell reads", () =>
    Effect.gen(function*() {
      const hostile = ["$(echo pwned)", "; echo pwned", "`id`", "a b", "-n", "*", "'\"", "\n"]
      assert.strictEqual(yield* run(fn("printf '<%s>' \"$@\""), hostile), hostile.map((arg) => `<${arg}>`).join(""))
      assert.strictEqual(yield* run(fn("cat"), [], "$(echo pwned)\n\n"), "$(echo pwned)\n")
      yield* Effect.acquireRelease(
        Effect.sync(() => process.env["PNET_NETWORK_KEY"] = "secret"),
        () => Effect.sync(() => delete process.env["PNET_NETWORK_KEY"])
      )
      assert.strictEqual(
        yield* run(fn("echo \"$0 $PNET_CALLER $PNET_CALLER_KEY ${PNET_NETWORK_KEY-none}\"")),
        "fn ann $(id) KEY none"
      )
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("fails with what it printed on standard error, and its exit code", () =>
    Effect.gen(function*() {
      const failed = yield* Effect.result(run(fn("echo oh >&2; exit 3")))
      assert.isTrue(Result.isFailure(failed) && failed.failure.code === 3 && failed.failure.message === "oh")
      const silent = yield* Effect.flip(run(fn("exit 4")))
      assert.strictEqual(silent.message, "it ended with exit code 4")
      // Arguments that no system takes are no defect.
      const long = yield* Effect.flip(run(fn("true"), ["x".repeat(4_000_000)]))
      assert.match(long.message, /E2BIG|ENAMETOOLONG/)
      // Input that is not read does no harm.
      assert.strictEqual(yield* run(fn("true"), [], "x".repeat(300_000)), "")
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("ends, with all that it started, when its caller wants no more, or it prints without end", () =>
    Effect.gen(function*() {
      const pids = yield* running(fn("sleep 60 & echo $$ $!; wait"), [], from, Stream.empty).pipe(
        Stream.decodeText(),
        Stream.splitLines,
        Stream.take(1),
        Stream.mkString
      )
      for (const pid of pids.split(" ")) {
        assert.throws(() => process.kill(Number(pid), 0), /ESRCH/, pid)
      }
      assert.match((yield* Effect.flip(run(fn("exec yes")))).message, /printed more than 4194304 bytes/)
    }).pipe(Effect.provide(NodeServices.layer)))

  // Where the system says what is in the environment of a process.
  it.live.skipIf(process.platform !== "linux")(
    "ends with what left its group and has no parent any more, and leaves what it left behind itself",
    () =>
      Effect.gen(function*() {
        const away = "setsid sh -c 'sleep 60 & echo $!' & wait; sleep 60"
        const [straggler] = yield* running(fn(away), [], from, Stream.empty).pipe(
          Stream.decodeText(),
          Stream.splitLines,
          Stream.take(1),
          Stream.runCollect
        )
        assert.isFalse(runs(straggler!))
        const left = yield* run(
          fn("(setsid sh -c 'echo $$; exec sleep 60 > /dev/null 2>&1' &) | { read pid; echo $pid; }")
        )
        assert.isTrue(runs(left))
        process.kill(Number(left), "SIGKILL")
      }).pipe(Effect.provide(NodeServices.layer))
  )
})

describe("--fn", () => {
  it.effect("has a name, arguments and a command", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* parseFn("wc=wc -l"), {
        name: "wc",
        command: "wc -l",
        args: [],
        types: [],
        variadic: false
      })
      assert.deepStrictEqual(yield* parseFn("add(a: int, b: int)=echo $(($1 + $2))"), {
        name: "add",
        command: "echo $(($1 + $2))",
        args: ["a", "b"],
        types: ["int", "int"],
        variadic: false
      })
      assert.deepStrictEqual(yield* parseFn("ls( dir, ...rest ) = ls -- \"$@\"\necho"), {
        name: "ls",
        command: " ls -- \"$@\"\necho",
        args: ["dir", "rest"],
        types: ["text", "text"],
        variadic: true
      })
      for (
        const wrong of [
          "wc",
          "=ls",
          "wc=",
          "a b=ls",
          "f(a=ls",
          "f(...a, b)=ls",
          "f(a, a)=ls",
          "f(1)=ls",
          "f(a b)=ls",
          "f(a: date)=ls"
        ]
      ) {
        assert.strictEqual((yield* Effect.flip(parseFn(wrong))).exit, "usage", wrong)
      }
    }))

  it.effect("is refused where the shell would reckon with a caller's text, which some shells run", () =>
    Effect.gen(function*() {
      for (
        const wrong of [
          "f(a)=echo $(($1 + 1))",
          "f(a: int, b)=echo $((2 * ${2}))",
          "f(...a)=echo $(( $3 ))",
          "f(a)=echo $(( $@ ))",
          "f(a: int)=echo $((PNET_CALLER))",
          "f(a)=if (( $1 > 2 )); then ls; fi",
          "f(a)=echo $[$1 + 1]",
          "f(a)=let x=$1+1",
          "f(a)=if [[ $1 -gt 2 ]]; then ls; fi",
          "f=read n; echo $((n + 1))",
          "f=read -r a n && echo $(($n + 1))",
          "f(a)=n=$1; echo $((n + 1))",
          "f(a)=n=\"${1}\" && echo $((n + 1))",
          "f(...a)=for n in \"$@\"; do echo $((n + 1)); done",
          "f(...a)=for n; do echo $((n + 1)); done",
          "f=n=$(cat); echo $((n * 2))"
        ]
      ) assert.match((yield* Effect.flip(parseFn(wrong))).what, /the shell would run/, wrong)
      for (
        const right of [
          "f(a: int)=echo $(($1 + $#))",
          "f(a: number, b)=echo $(($1)) \"$2\"",
          "f(a)=echo $((1 + 2)) $1",
          "f(a)=n=0; for x in 1 2; do n=$((n + x)); done; echo \"$1\"",
          "f=n=$(wc -l); echo $((n / 2))",
          "f(a: int)=n=$1; echo $((n + 1))",
          "f(a)=[[ $1 == b ]] && ls"
        ]
      ) {
        yield* parseFn(right)
      }
      const { commands } = yield* serve([yield* parseFn("f(a: int)=echo $(($1))")], () => Effect.void)
      const decode = Schema.decodeUnknownExit(Schema.toCodecJson(commands[0]!.command.args))
      assert.isTrue(Exit.isSuccess(decode([7])))
      for (const hostile of ["x[$(id)]", "7", 1.5, null]) assert.isTrue(Exit.isFailure(decode([hostile])))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.effect("is served over bytes, which have no arguments, where it needs none", () =>
    Effect.gen(function*() {
      const functions = yield* Effect.forEach(
        ["cat=cat", "ls(...a)=ls \"$@\"", "rm(a)=rm \"x/$1\"", "cp(a, ...b)=cp"],
        parseFn
      )
      const { commands, streams } = yield* serve(functions, () => Effect.void)
      assert.deepStrictEqual(streams.map(({ name }) => name), ["cat", "ls"])
      assert.strictEqual(commands.length, 4)
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("says how each call ended: that it was given up is no failure", () =>
    Effect.gen(function*() {
      const said: Array<unknown> = []
      const { commands, streams } = yield* serve(
        [fn("echo ready; exec sleep 600"), fn("true"), fn("false")],
        (event) => Effect.sync(() => said.push(event.reason))
      )
      const call = { from, kwargs: {} } as unknown as Command.Call
      const handled = (at: number) => Effect.exit(commands[at]!.handler(call) as Effect.Effect<unknown, unknown>)
      for (const at of [1, 2]) yield* handled(at)
      assert.deepStrictEqual(said.splice(0), ["ok", "failed"])
      yield* Fiber.interrupt(yield* Effect.forkChild(handled(0), { startImmediately: true }))
      assert.deepStrictEqual(said.splice(0), ["given up"])
      const piped = streams[0]!.handler({ from, bytes: Stream.never } as unknown as AdvancedNode.Call)
      const ready = yield* Deferred.make<void>()
      const piping = yield* Effect.forkChild(
        Stream.runForEach(piped, () => Deferred.succeed(ready, undefined))
      )
      yield* Deferred.await(ready)
      yield* Fiber.interrupt(piping)
      assert.deepStrictEqual(said, ["given up"])
    }).pipe(Effect.provide(NodeServices.layer)))

  it.effect("says what it takes, and not what it runs", () =>
    Effect.gen(function*() {
      const { commands } = yield* serve(
        [fn("secret", ["a", "b"]), fn("secret"), fn("secret", ["a", "rest"], true)],
        () => Effect.void
      )
      const described = commands.map(({ command }) => JSON.stringify([command.description, command.args.ast]))
      assert.notInclude(described.join(), "secret")
    }).pipe(Effect.provide(NodeServices.layer)))
})
