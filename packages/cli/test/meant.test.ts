/** What may have been meant, and what there is to do next: of names that are none, of arguments by name, of functions that fail, of streams. */
import { assert, describe, it } from "@effect/vitest"
import * as Command from "@pnet/core/Command"
import * as CommandNode from "@pnet/core/CommandNode"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as TestNetwork from "@pnet/testing/TestNetwork"
import { Effect, Layer, Schema, Stream } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import { didYouMean, nearest } from "../src/nearest.ts"
import { desk, values } from "./harness/desk.ts"

const Hello = Command.make("hello", {
  args: [Schema.String.annotate({ title: "name" }), Schema.optionalKey(Schema.Int.annotate({ title: "times" }))],
  kwargs: { loud: Schema.optionalKey(Schema.Boolean) },
  success: Schema.String
})
// A keyword argument of the name of a place is the keyword argument.
const Both = Command.make("both", {
  args: [Schema.String.annotate({ title: "name" })],
  kwargs: { name: Schema.optionalKey(Schema.String) },
  success: Schema.String
})

class Counter extends RpcGroup.make(
  Rpc.make("count", {
    payload: { to: Schema.Int },
    success: Schema.Int,
    error: Schema.Struct({ _tag: Schema.tag("TooFar"), at: Schema.Int }),
    stream: true
  }),
  Rpc.make("ticks", { success: Schema.Int, stream: true })
) {}

let given = 0
const CounterLive = Counter.toLayer({
  count: ({ to }) =>
    to > 3
      ? Stream.concat(Stream.range(1, 3), Stream.fail({ _tag: "TooFar" as const, at: 3 }))
      : Stream.range(1, to),
  ticks: () => Stream.tick("1 second").pipe(Stream.map(() => ++given))
})

class Home extends TestNetwork.Service<Home>()("test/cli/Meant", {
  crypto: NodeCrypto.layer,
  seed: 3,
  nodes: {
    bob: TestNetwork.node({
      beside: CommandNode.serve(Counter).pipe(Layer.provide(CounterLive)),
      commands: [
        Command.implement(Hello, ({ kwargs }, name, times) => Effect.succeed(`${name} ${times} ${kwargs.loud}`)),
        Command.implement(Both, ({ kwargs }, name) => Effect.succeed(`${name} ${kwargs.name}`))
      ],
      functions: {
        broken: () => Effect.die("no"),
        failing: () => Effect.fail({ _tag: "Broken" }),
        kept: ({ kwargs }) => kwargs as Record<string, string>
      }
    })
  }
}) {}

const inHome = <A, E, R>(use: (alice: Effect.Success<ReturnType<typeof desk>>) => Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    return yield* use(yield* desk((yield* Home).network, "alice"))
  }).pipe(Effect.scoped, Effect.provide(Home.layer))

describe("what was meant", () => {
  it("is what looks like it, the nearest first, and nothing that does not", () => {
    assert.deepStrictEqual(nearest("nmae", ["name", "network", "names"]), ["name"])
    assert.deepStrictEqual(nearest("hallo", ["hello", "help", "HALLO"]), ["HALLO", "hello"])
    assert.deepStrictEqual(nearest("x", ["y", "network"]), [])
    assert.deepStrictEqual(nearest("add", ["add"]), [])
    assert.strictEqual(didYouMean("ad", ["add", "and"]), "did you mean \"add\" or \"and\"?")
    // What peers call themselves is looked at as far as it can be a name.
    assert.deepStrictEqual(nearest("b".repeat(10_000), ["b".repeat(9_999)]), [])
  })

  it.effect("is asked for commands, flags, peers, functions, settings and profiles", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const path = "/home/user/.config/pnet/config.json"
      const hint = Effect.fnUntraced(function*(code: number, ...words: ReadonlyArray<string>) {
        const ran = yield* alice.run(...words, "--json")
        assert.strictEqual(ran.code, code, words.join(" "))
        const { hint, message } = values(ran.stderr)[0]!
        return `${message} ${hint}`
      })
      assert.match(
        yield* hint(2, "cal", "bob", "hello"),
        /^there is no command "cal" did you mean "call"\? or run: pnet --help$/
      )
      assert.match(yield* hint(2, "peers", "--wach"), /^there is no flag --wach of pnet peers did you mean "--watch"/)
      // So are those of every command.
      assert.match(yield* hint(2, "peers", "--jsn"), /did you mean "--json"\?/)
      // What is less like it is left out, as everywhere.
      assert.match(yield* hint(2, "pign"), /^there is no command "pign" did you mean "ping"\?/)
      assert.match(yield* hint(2, "trust", "alow"), /^there is no command "alow" of pnet trust did you mean "allow"\?/)
      assert.match(yield* hint(3, "call", "bbo", "hello", "--wait", "1s"), /did you mean "bob"\?/)
      assert.match(yield* hint(3, "call", "bob", "helo", "x"), /did you mean "hello"\? or run: pnet functions bob/)
      // Those that every node has, and does not list, are meant as well.
      assert.match(yield* hint(3, "call", "bob", "get_funsc"), /did you mean "get_funcs"\? or run: pnet functions bob/)
      // Of them there is no description, and what is asked for is to be something that is answered.
      assert.notInclude(yield* hint(3, "functions", "bob", "get_funsc"), "did you mean")
      assert.match(yield* hint(3, "functions", "bob", "helo"), /did you mean "hello"\?/)
      assert.match(yield* hint(2, "config", "nmae"), /did you mean "name"\?/)
      alice.files.set(path, "{\"netwrok\":\"x\"}")
      assert.match(yield* hint(2, "config"), /did you mean "network"\?/)
      alice.files.set(path, "{\"profiles\":{\"work\":{}}}")
      assert.match(yield* hint(2, "config", "--profile", "wrok"), /did you mean "work"\?/)
    })))
})

describe("a mistake on the command line", () => {
  it.effect("is said in one form, whether it is found before the command runs or in it", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const said = Effect.fnUntraced(function*(...words: ReadonlyArray<string>) {
        const people = yield* alice.run(...words)
        const programs = yield* alice.run(...words, "--json")
        assert.deepStrictEqual([people.code, programs.code], [2, 2], words.join(" "))
        const { error, hint, message } = values(programs.stderr)[0]!
        assert.strictEqual(error, "usage")
        // People are told the same.
        const lines = people.stderr.trimEnd().split("\n  ")
        assert.deepStrictEqual([lines[0], lines.at(-1)], [`pnet: ${message}`, hint], words.join(" "))
        return `${message}; ${hint}`
      })
      const port = "expected a port, 0 to 65535"
      assert.match(yield* said("peers", "--port", "http"), new RegExp(`^--port "http" was refused: ${port}; `))
      assert.strictEqual(
        yield* said("console", "--page-port", "http"),
        `--page-port "http" was refused: ${port}; run: pnet console --help`
      )
      assert.match(yield* said("ping", "bob", "-c", "x"), /^--count "x" was refused: expected a whole number; /)
      assert.match(yield* said("peers", "--watch=x"), /^--watch "x" was refused: expected true or false; /)
      assert.match(
        yield* said("send", "bob", "a", "--links", "x"),
        /^--links "x" was refused: expected keep, follow or skip; /
      )
      assert.match(
        yield* said("ping", "bob", "--count"),
        /^--count has no value: give --count N; run: pnet ping --help$/
      )
      assert.match(yield* said("ping", "bob", "-c", "1", "-c", "2"), /^--count is there 2 times: give it once; /)
      assert.match(yield* said("ping"), /^<target> is missing; run: pnet ping --help$/)
      assert.match(yield* said("subscribe", "a", "b"), /^"b" is an argument too many; /)
      // What stands behind such a flag is its value, and no command that there is not.
      assert.strictEqual(
        yield* said("--page-port", "http"),
        "there is no flag --page-port; --page-port is a flag of pnet console; or run: pnet --help"
      )
      assert.match(
        yield* said("peers", "--retain"),
        /^there is no flag --retain of pnet peers; --retain is a flag of pnet publish; or /
      )
      // Nobody's flag is like none.
      assert.match(
        yield* said("why", "--foo", "--bar"),
        /^there is no flag --foo of pnet why; there is no flag --bar of pnet why; run: pnet why --help$/
      )
    })))
})

describe("an argument by name", () => {
  it.effect("fills the place of an argument that is called so", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const call = (...words: ReadonlyArray<string>) => alice.run("call", "bob", ...words)
      assert.deepInclude(yield* call("hello", "--name=ann"), { code: 0, stdout: "ann undefined undefined\n" })
      assert.deepInclude(yield* call("hello", "--times=2", "--loud=true", "--name=5"), {
        code: 0,
        stdout: "5 2 true\n"
      })
      assert.deepInclude(yield* call("hello", "ann", "--times=2"), { code: 0, stdout: "ann 2 undefined\n" })
      assert.deepInclude(yield* call("both", "ann", "--name=bob"), { code: 0, stdout: "ann bob\n" })
      const mistakes = Effect.fnUntraced(function*(...words: ReadonlyArray<string>) {
        const { code, stderr } = yield* call(...words, "--json")
        assert.strictEqual(code, 2)
        return (values(stderr)[0]!["mistakes"] as ReadonlyArray<{ where: string; expected: string }>).map((one) =>
          `${one.where}: ${one.expected}`
        )
      })
      assert.include(yield* mistakes("hello", "--times=2"), "--times: argument 1 (name) before it")
      assert.deepStrictEqual(yield* mistakes("hello", "ann", "--name=bob"), [
        "--name: it once, and it is there as argument 1"
      ])
      assert.include(
        (yield* call("hello", "--name=ann", "--times=x")).stderr,
        "pnet call bob hello --name=ann --times=x\n"
      )
    })))
})

describe("a flag that the command has not", () => {
  it.effect("has the argument behind it as its value where the function takes one, and is a switch where it takes that", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const call = (...words: ReadonlyArray<string>) => alice.run("call", "bob", ...words)
      assert.deepInclude(yield* call("hello", "ann", "--times", "2"), {
        code: 0,
        stdout: "ann 2 undefined\n"
      })
      assert.deepInclude(yield* call("hello", "--loud", "ann", "2"), { code: 0, stdout: "ann 2 true\n" })
      assert.deepInclude(yield* call("hello", "--loud", "false", "ann"), { code: 0, stdout: "ann undefined false\n" })
      assert.deepInclude(yield* call("count", "--to", "2"), { code: 0, stdout: "1\n2\n" })
      assert.deepInclude(yield* alice.run("call", "--loud", "bob", "hello", "ann"), {
        code: 0,
        stdout: "ann undefined true\n"
      })
      const wrong = yield* call("hello", "ann", "--times", "many", "--json")
      assert.strictEqual(wrong.code, 2)
      assert.deepStrictEqual(values(wrong.stderr)[0]!["mistakes"], [
        { where: "argument 2 (times)", expected: "a whole number", found: "\"many\"" }
      ])
      const twice = yield* call("hello", "ann", "--times=2", "--times", "3")
      assert.match(twice.stderr, /"times" is there twice/)
    })))

  it.effect("is the function's behind its name, also where it would be a setting before that, which is said where it fails", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      assert.deepInclude(yield* alice.run("call", "--name", "amy", "bob", "hello", "--name", "ann"), {
        code: 0,
        stdout: "ann undefined undefined\n",
        stderr: ""
      })
      const own = (flag: string) => `for this node's own ${flag} put it before the function's name`
      for (const given of [["--network", "home"], ["--open"]]) {
        const { code, stderr } = yield* alice.run("call", "bob", "hello", "ann", ...given, "--json")
        assert.strictEqual(code, 2)
        assert.include(values(stderr)[0]!["hint"], `${own(given[0]!)}; it takes hello(`)
      }
      for (const who of ["dave", "dave,eve"]) {
        const { code, stderr } = yield* alice.run("call", who, "hello", "--network", "home", "--wait", "1s")
        assert.strictEqual(code, 3)
        assert.include(stderr, `--network went to the function; ${own("--network")}\n`)
      }
      // One that does not say what it takes is sent it.
      assert.deepInclude(yield* alice.run("call", "bob", "kept", "--network=home"), { code: 0, stderr: "" })
    })))

  it.effect("is said how to write where the function does not say what it takes", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const { code, stderr } = yield* alice.run("call", "bob", "kept", "--a", "it is", "--json")
      assert.strictEqual(code, 2)
      const { hint, message } = values(stderr)[0]!
      assert.strictEqual(message, "--a 'it is' may be one argument by name, or two arguments")
      assert.strictEqual(hint, "write '--a=it is', or --a=true 'it is'")
      assert.deepInclude(yield* alice.run("call", "bob", "kept", "--a=1"), {
        code: 0,
        stdout: "{\n  \"a\": 1\n}\n",
        stderr: ""
      })
    })))

  it.effect("may have been one that it has, which is asked", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const said = Effect.fnUntraced(function*(...words: ReadonlyArray<string>) {
        const { code, stderr } = yield* alice.run(...words, "--json")
        assert.strictEqual(code, 2, stderr)
        return values(stderr)[0]!["hint"] as string
      })
      assert.match(
        yield* said("call", "bob", "hello", "ann", "--timout", "5s"),
        /^did you mean "--timeout"\? it takes hello\(/
      )
      assert.match(yield* said("call", "bob", "hello", "ann", "--lod=true"), /^did you mean "--loud"\? it takes/)
      assert.match(
        yield* said("call", "bob", "kept", "--timout", "5s"),
        /^did you mean "--timeout"\? write --timout=5s/
      )
      assert.strictEqual(yield* said("call", "--timout", "5s", "bob", "hello", "ann"), "did you mean \"--timeout\"?")
      const sent = yield* alice.run("call", "bob", "kept", "--timout=5s")
      assert.strictEqual(sent.code, 0)
      assert.strictEqual(sent.stderr, "--timout=5s is sent to the function; did you mean \"--timeout\"?\n")
    })))
})

describe("a function that fails", () => {
  it.effect("has a next step, be it its own error, a fault, or a time that is up", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      for (const name of ["broken", "failing"]) {
        const { code, stderr } = yield* alice.run("call", "bob", name, "--json")
        assert.strictEqual(code, 5)
        assert.include(values(stderr)[0]!["hint"], `pnet functions bob ${name}`)
      }
      const { code, stderr } = yield* alice.run("subscribe", "news", "--count", "1", "--timeout", "1s", "--json")
      assert.strictEqual(code, 7)
      assert.match(values(stderr.split("\n").slice(1).join("\n"))[0]!["hint"], /pnet publish news/)
    })))
})

describe("a command for another terminal", () => {
  it.effect("is one that works there as it is typed", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const network = ["--network", "home", "--network-key-file", "/k"]
      alice.files.set("/k", `${"A".repeat(43)}=`)
      const cases: ReadonlyArray<readonly [hint: string, ...words: ReadonlyArray<string>]> = [
        ["pnet publish news hello --open", "news"],
        ["pnet publish build.x.failed hello --open", "build.*.failed"],
        ["pnet publish x hello --bytes --open", ">", "--bytes"],
        [`pnet publish news hello ${network.join(" ")}`, "news", ...network]
      ]
      for (const [hint, ...words] of cases) {
        const late = yield* alice.run("subscribe", ...words, "--count", "1", "--timeout", "1s")
        assert.strictEqual(late.code, 7)
        assert.include(late.stderr, ` in another terminal with ${hint}, or `)
        const hears = yield* alice.start("subscribe", ...words, "--count", "1", "--timeout", "20s")
        yield* hears.says("listening")
        assert.deepInclude(yield* alice.run(...hint.split(" ").slice(1)), { code: 0, stderr: "" })
        assert.include((yield* hears.end).stdout, "hello")
      }
    })))
})

describe("a function that gives a stream", () => {
  it.effect("has each element printed as it comes, and the peer stop where no more are wanted", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      assert.deepInclude(yield* alice.run("call", "bob", "count", "--to=3"), { code: 0, stdout: "1\n2\n3\n" })
      assert.deepInclude(yield* alice.run("call", "bob", "count", "{\"to\":2}"), { code: 0, stdout: "1\n2\n" })
      const json = yield* alice.run("call", "bob", "count", "--to=2", "--json")
      assert.deepStrictEqual(values(json.stdout).map(({ peer, value }) => [peer, value]), [["bob", 1], ["bob", 2]])
      const failed = yield* alice.run("call", "bob", "count", "--to=4", "--json")
      assert.strictEqual(failed.code, 5)
      assert.strictEqual(values(failed.stdout).length, 3)
      assert.deepInclude(values(failed.stderr)[0], { error: "RemoteError", detail: { _tag: "TooFar", at: 3 } })

      const going = yield* alice.start("call", "bob", "ticks")
      yield* going.says("\n2\n")
      const { code, stdout } = yield* going.interrupt
      assert.strictEqual(code, 130)
      const seen = given
      assert.isAtLeast(stdout.trim().split("\n").length, seen - 1)
      yield* Effect.sleep("10 seconds")
      assert.strictEqual(given, seen)

      const late = yield* alice.run("call", "bob", "ticks", "--timeout", "3s", "--json")
      assert.strictEqual(late.code, 7)
      assert.isAtLeast(values(late.stdout).length, 2)
      assert.include(values(late.stderr)[0]!["hint"], "--timeout")
    })))
})

describe("mcp --json", () => {
  it.effect("is refused, as it would change nothing", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const { code, stderr, stdout } = yield* alice.run("mcp", "--json")
      assert.deepStrictEqual({ code, stdout }, { code: 2, stdout: "" })
      assert.match(values(stderr)[0]!["message"], /is the protocol's/)
      assert.strictEqual((yield* alice.runWith({ env: { PNET_JSON: "1" }, stdin: "" }, "mcp")).code, 0)
    })))
})

describe("doctor", () => {
  it.effect("ends with why a peer is not reached, by the code of that", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const { code, stdout } = yield* alice.run("doctor", "nobody", "--wait", "1s", "--json")
      assert.strictEqual(code, 3)
      assert.deepInclude(values(stdout).at(-1), { finding: "PeerFails", severity: "error" })
      assert.deepInclude(values((yield* alice.run("doctor", "bob", "--json")).stdout).at(-1), {
        finding: "PeerAnswers"
      })
      // What keeps another apart is a doubt where the peer that was asked for answers, and an error where none was.
      const listed = ["--peers", `${alice.host.address}:9`, "--json"]
      assert.strictEqual((yield* alice.run("doctor", ...listed)).code, 1)
      assert.strictEqual((yield* alice.run("doctor", "bob", ...listed)).code, 10)
    })))
})
