/** Commands at a machine of a simulated network: what they print, for people and as JSON, and what they end with. */
import { assert, describe, it } from "@effect/vitest"
import * as Command from "@pnet/core/Command"
import * as CommandNode from "@pnet/core/CommandNode"
import type { NodeName } from "@pnet/core/Packet"
import { NameConflictError, PeerUnknownError } from "@pnet/core/Peers"
import * as PublicKey from "@pnet/core/PublicKey"
import * as TofuTrust from "@pnet/core/TofuTrust"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as TestNetwork from "@pnet/testing/TestNetwork"
import { Effect, Layer, Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import { fileURLToPath } from "node:url"
import { failureOf } from "../src/errors.ts"
import { offered } from "../src/node/offered.ts"
import { desk, values } from "./harness/desk.ts"

const Add = Command.make("sum", {
  args: [Schema.Finite.annotate({ title: "a", description: "One of them" }), Schema.Int.annotate({ title: "b" })],
  kwargs: { label: Schema.optionalKey(Schema.String), round: Schema.optionalKey(Schema.Boolean) },
  success: Schema.String,
  description: "Adds two numbers"
})

class Files extends RpcGroup.make(
  Rpc.make("read", {
    payload: { path: Schema.String, range: Schema.optionalKey(Schema.Struct({ from: Schema.Int, to: Schema.Int })) },
    success: Schema.Array(Schema.String),
    error: Schema.Struct({ _tag: Schema.tag("NoSuchFile"), path: Schema.String })
  })
) {}

const FilesLive = Files.toLayer({
  read: ({ path, range }) =>
    path === "/none"
      ? Effect.fail({ _tag: "NoSuchFile" as const, path })
      : Effect.succeed([path, JSON.stringify(range ?? null)])
})

class Home extends TestNetwork.Service<Home>()("test/cli/Home", {
  crypto: NodeCrypto.layer,
  seed: 1,
  nodes: {
    bob: TestNetwork.node({
      beside: CommandNode.serve(Files).pipe(Layer.provide(FilesLive)),
      commands: [
        Command.implement(Add, ({ kwargs }, a, b) => Effect.succeed(`${kwargs.label ?? "sum"}: ${a + b}`))
      ],
      functions: {
        add: (_call, a: number, b: number) => a + b,
        greet: ({ kwargs }, name: string) => `${kwargs["loud"] === true ? name.toUpperCase() : name}\u001b[31m!`,
        echo: (_call, ...args: ReadonlyArray<unknown>) => args
      }
    }),
    carol: TestNetwork.node({ functions: { add: (_call, a: number, b: number) => a + b + 1 } })
  }
}) {}

const inHome = <A, E, R>(use: (alice: Effect.Success<ReturnType<typeof desk>>) => Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    return yield* use(yield* desk((yield* Home).network, "alice"))
  }).pipe(Effect.scoped, Effect.provide(Home.layer))

describe("peers", () => {
  it.effect("lists who is there, aligned, and as JSON", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const people = yield* alice.run("peers")
      assert.strictEqual(people.code, 0)
      assert.match(
        people.stdout,
        /^NAME {3}STATUS {2}ADDRESS +FINGERPRINT\nbob {4}online {2}10\.\S+ +\S{19}\ncarol {2}online/
      )
      assert.deepStrictEqual(
        values((yield* alice.run("peers", "--json")).stdout).map(({ name, type }) => [type, name]),
        [
          ["peer", "bob"],
          ["peer", "carol"]
        ]
      )
    })))

  it.effect("shows what they offer as far as it is granted, and tells what is not known from nothing, and why", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const offersOf = ({ stdout }: { readonly stdout: string }) =>
        values(stdout).map(({ functions, roles, unsaid }) => ({ functions, roles, unsaid }))
      const of = (unsaid: string) => ({ functions: undefined, roles: undefined, unsaid })
      assert.deepStrictEqual(offersOf(yield* alice.run("peers", "--json")), [of("notAsked"), of("notAsked")])
      const unsaid = yield* alice.run("peers", "--offers", "--json")
      assert.deepStrictEqual(offersOf(unsaid), [of("notGranted"), of("notGranted")])
      assert.match(
        unsaid.stderr,
        /^roles and functions are shown as \?, which trust on first use alone grants nobody: .* --open/
      )
      assert.match((yield* alice.run("peers", "--offers")).stdout, /^NAME .* ROLES  FUNCTIONS\nbob .* \?  +\?\ncarol /)
      const open = yield* alice.run("peers", "--offers", "--json", "--open")
      assert.deepInclude(offersOf(open)[1], { functions: ["add"], roles: [], unsaid: undefined })
      assert.strictEqual(open.stderr, "")
      assert.match((yield* alice.run("peers", "--offers", "--open")).stdout, /\ncarol .* -  +add\n/)
      // One that has not said it, as a node without sessions does not, is not one that offers nothing.
      const { offer: _, ...silent } = (yield* (yield* Home).nodes.bob.node.peers.get("carol"))!
      assert.deepStrictEqual(yield* offered(TofuTrust.make(), silent, true), { unsaid: "noAnswer" })
      const top = (...words: ReadonlyArray<string>) =>
        Effect.map(
          alice.run("top", "--count", "1", "--json", ...words),
          ({ stdout }) =>
            (values(stdout)[0]!["peers"] as ReadonlyArray<Record<string, unknown>>).map((
              { roles, topics, unsaid }
            ) => ({
              roles,
              topics,
              unsaid
            }))[0]
        )
      assert.deepStrictEqual(yield* top(), { roles: undefined, topics: undefined, unsaid: "notGranted" })
      assert.deepStrictEqual(yield* top("--open"), { roles: [], topics: [], unsaid: undefined })
    })))

  it.effect("says who comes and goes until it is interrupted, and leaves then", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const { bob, carol } = (yield* Home).nodes
      const watching = yield* alice.start("peers", "--watch", "--json", "--name", "watcher")
      yield* watching.says("carol")
      yield* bob.node.peers.awaitPeer("watcher")
      yield* carol.stop
      yield* watching.says("left")
      const { stdout } = yield* watching.interrupt
      assert.deepStrictEqual(values(stdout).map(({ event, peer }) => `${event} ${peer}`).sort(), [
        "joined bob",
        "joined carol",
        "left carol"
      ])
      assert.isUndefined(yield* bob.node.peers.get("watcher"))
    })).pipe(Effect.scoped))
})

describe("call", () => {
  it.effect("sends JSON and text, and shows the answer harmless", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      assert.deepInclude(yield* alice.run("call", "bob", "add", "1", "2"), { code: 0, stdout: "3\n", stderr: "" })
      assert.strictEqual((yield* alice.run("call", "bob", "greet", "ann", "--loud=true")).stdout, "ANN\\u001b[31m!\n")
      // What the command has a flag for itself is an argument where it is said so.
      const words = ["call", "bob", "echo", "--json", "--", "--x=1", "true", "-"]
      assert.deepStrictEqual(values((yield* alice.runWith({ stdin: "in" }, ...words)).stdout), [
        { type: "answer", peer: "bob", value: ["--x=1", true, "in"] } as never
      ])
    })))

  it.effect("gives a row for each of several peers, and a code for what went wrong with some", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const all = yield* alice.run("call", "*", "add", "1", "2")
      assert.deepInclude(all, { code: 0, stdout: "PEER   ANSWER\nbob    3\ncarol  4\n" })
      const some = yield* alice.run("call", "bob,carol,dave", "greet", "ann", "--json", "--wait", "1s")
      assert.strictEqual(some.code, 9)
      assert.deepStrictEqual(values(some.stdout).map(({ failure, peer }) => [peer, failure?.error]), [
        ["bob", undefined],
        ["carol", "UnknownFunctionError"],
        ["dave", "PeerUnknownError"]
      ])
    })))

  it.effect("says what to do next where it fails, with a code of its own", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const unknown = yield* alice.run("call", "dave", "add", "--wait", "2s")
      assert.deepInclude(unknown, { code: 3, stdout: "" })
      assert.match(
        unknown.stderr,
        /^pnet: no peer called "dave" is known after 2s; known are "bob", "carol"\n {2}see who is there with pnet peers, or wait longer than 2s with --wait\n/
      )
      const nothing = yield* alice.run("call", "bob", "nope", "--json")
      assert.deepInclude(nothing, { code: 3, stdout: "" })
      assert.deepInclude(values(nothing.stderr)[0], { error: "UnknownFunctionError", hint: "run: pnet functions bob" })
      assert.deepInclude(yield* alice.run("call", "bob"), { code: 2, stdout: "" })
      assert.deepInclude(yield* alice.run("call", "bob", "add", "--timeout", "soon"), { code: 2, stdout: "" })
    })))
})

describe("functions", () => {
  it.effect("lists what a peer serves, with signatures, and says more of one", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const all = yield* alice.run("functions", "bob")
      assert.strictEqual(all.code, 0)
      assert.deepStrictEqual(all.stdout.trim().split("\n").map((line) => line.replace(/ {2,}/g, " | ")), [
        "FUNCTION | DESCRIPTION",
        "add(…)",
        "echo(…)",
        "greet(…)",
        "read({ path: string, range?: { from: integer, to: integer } }) → string[]",
        "sum(a: number, b: integer, { label?: string, round?: boolean }) → string | Adds two numbers"
      ])
      const one = yield* alice.run("functions", "bob", "sum")
      assert.deepStrictEqual(one.stdout.split("\n").slice(1), [
        "  Adds two numbers",
        "  a number  One of them",
        "  b integer",
        "  --label string (optional)",
        "  --round boolean (optional)",
        "  pnet call bob sum a b [--label=…] [--round=…]",
        ""
      ])
      const json = values((yield* alice.run("functions", "bob", "--json")).stdout)
      assert.deepStrictEqual(json.map(({ kind }) => kind), ["function", "function", "function", "rpc", "command"])
      assert.strictEqual((yield* alice.run("functions", "bob", "nope")).code, 3)
    })))
})

describe("call with schemas", () => {
  it.effect("sends what the function takes, be it a number that is meant as text", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      assert.deepInclude(yield* alice.run("call", "bob", "sum", "1", "2", "--label=7"), { code: 0, stdout: "7: 3\n" })
      assert.deepInclude(yield* alice.run("call", "bob", "read", "--path=5"), {
        code: 0,
        stdout: "[\n  \"5\",\n  \"null\"\n]\n"
      })
      assert.strictEqual(
        (yield* alice.run("call", "bob", "read", "--path=/a", "--range={\"from\":1,\"to\":2}")).code,
        0
      )
      assert.strictEqual((yield* alice.run("call", "bob", "read", "{\"path\":\"/a\"}")).code, 0)
      const theirs = yield* alice.run("call", "bob", "read", "--path=/none", "--json")
      assert.strictEqual(theirs.code, 5)
      assert.deepInclude(values(theirs.stderr)[0], {
        error: "RemoteError",
        detail: { _tag: "NoSuchFile", path: "/none" }
      })
    })))

  it.effect("points at what is wrong, and sends nothing", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const { code, stderr, stdout } = yield* alice.run(
        "call",
        "bob",
        "sum",
        "one",
        "2.5",
        "--round=maybe",
        "--lable=x"
      )
      assert.deepStrictEqual({ code, stdout }, { code: 2, stdout: "" })
      assert.deepStrictEqual(stderr.split("\n"), [
        "pnet: \"sum\" at \"bob\" does not take these arguments",
        "  argument 1 (a): expected a number, found \"one\"",
        "  argument 2 (b): expected a whole number, found 2.5",
        "  --round: expected true or false, found \"maybe\"",
        "  --lable: expected one of --label, --round",
        "  did you mean \"--label\"? it takes sum(a: number, b: integer, { label?: string, round?: boolean }) → string; --no-check sends them all the same",
        "  pnet call bob sum one 2.5 --round=maybe --lable=x",
        "                    ^^^ ^^^ ^^^^^^^^^^^^^ ^^^^^^^^^",
        ""
      ])
      const nested = yield* alice.run(
        "call",
        "bob",
        "read",
        "--path=/a",
        "--range={\"from\":1,\"to\":\"two\"}",
        "--json"
      )
      assert.deepStrictEqual(values(nested.stderr)[0]!["mistakes"], [
        { where: "--range.to", expected: "a whole number", found: "\"two\"" }
      ])
      const missing = yield* alice.run("call", "bob", "read", "--json")
      assert.deepStrictEqual(values(missing.stderr)[0]!["mistakes"], [
        { where: "--path", expected: "string, and it is missing" }
      ])
      const few = yield* alice.run("call", "bob", "sum", "1", "--json")
      assert.deepStrictEqual(values(few.stderr)[0]!["mistakes"], [{ where: "arguments", expected: "2", found: "1" }])
      // The peer has the last word where it was not asked before.
      const unchecked = yield* alice.run("call", "bob", "sum", "one", "2", "--no-check", "--json")
      assert.strictEqual(unchecked.code, 2)
      assert.deepInclude(values(unchecked.stderr)[0], { error: "InvalidArgumentsError" })
    })))
})

describe("ping", () => {
  it.effect("says how long answers take, and sums it up, also where it is interrupted", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const people = yield* alice.run("ping", "bob", "--count", "2")
      assert.strictEqual(people.code, 0)
      assert.match(
        people.stdout,
        /^bob \(10\.\S+\): connected in \S+ ms\nbob \(\S+\): \S+ ms\nbob \(\S+\): \S+ ms\nbob: 2 of 2 answered, /
      )
      const json = values((yield* alice.run("ping", "*", "-c", "1", "--json")).stdout)
      assert.deepStrictEqual(
        json.filter(({ type }) => type === "pings").map(({ answered, peer }) => [peer, answered]).sort(),
        [
          ["bob", 1],
          ["carol", 1]
        ]
      )
      const going = yield* alice.start("ping", "bob", "--count", "0", "--json")
      yield* going.says("\"seq\":3")
      const { stdout } = yield* going.interrupt
      assert.deepInclude(values(stdout).at(-1), { type: "pings", peer: "bob" })
      assert.strictEqual((yield* alice.run("ping", "dave", "--wait", "1s")).code, 3)
    })).pipe(Effect.scoped))
})

describe("a name that two peers have", () => {
  it.effect("is pinged by neither, which says their keys and ends with the code of a conflict, until it is said whose it is", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const { network } = yield* Home
      const publicKeys: Array<PublicKey.PublicKey> = []
      for (const where of ["one", "two"]) {
        const place = yield* desk(network, where)
        yield* (yield* place.start("up", "--name", "dave")).says("is up")
        publicKeys.push(yield* place.key("dave"))
      }
      const keys = publicKeys.map(PublicKey.fingerprint)
      for (const target of ["dave", "dave,dave"]) {
        const both = yield* alice.run("ping", target, "-c", "1")
        assert.strictEqual(both.code, 8, target)
        for (const key of keys) assert.include(both.stdout, key)
        assert.notMatch(both.stdout, /connected|answered/)
      }
      const some = yield* alice.run("ping", "bob,dave", "-c", "1", "--json")
      assert.strictEqual(some.code, 9)
      assert.deepStrictEqual(
        values(some.stdout).filter(({ type }) => type === "pong").map(({ failure, peer }) => [peer, failure?.code]),
        [["dave", 8], ["bob", undefined], ["bob", undefined]]
      )
      // Who has heard both before it is asked for the name waits in vain, and ends with the same code.
      const inVain = failureOf(new PeerUnknownError({ peer: "dave", known: ["dave"], sharedBy: publicKeys }))
      const { hint } = failureOf(new NameConflictError({ peer: "dave" as NodeName, publicKeys }))
      assert.deepStrictEqual([inVain.exit, inVain.hint], ["conflict", hint])
      assert.strictEqual((yield* alice.run("trust", "resolve", "dave", keys[1]!)).code, 0)
      assert.strictEqual((yield* alice.run("ping", "dave", "-c", "1")).code, 0)
    })).pipe(Effect.scoped))

  it.effect("is sent nothing by any command, until it is said whose it is; after that none waits for another", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const { network } = yield* Home
      const keys: Array<string> = []
      for (const where of ["one", "two"]) {
        const place = yield* desk(network, where)
        yield* (yield* place.start("up", "--name", "dave", "--open", "--fn", `where()=echo ${where}`)).says("is up")
        keys.push(PublicKey.fingerprint(yield* place.key("dave")))
      }
      alice.files.set("/notes.txt", "hello")
      const commands = [
        ["functions", "dave"],
        ["call", "dave", "get_funcs"],
        ["call", "dave,dave", "get_funcs"],
        ["measure", "dave", "--count", "1", "--time", "10ms"],
        ["doctor", "dave"],
        ["send", "dave", "/notes.txt"],
        ["pipe", "dave", "anything"]
      ]
      for (const words of commands) {
        const { code, stderr, stdout } = yield* alice.run(...words)
        assert.strictEqual(code, 8, words.join(" "))
        for (const key of keys) assert.include(stdout + stderr, key, words.join(" "))
      }
      assert.strictEqual((yield* alice.run("trust", "resolve", "dave", keys[1]!)).code, 0)
      for (const words of commands.slice(0, 4)) {
        assert.strictEqual((yield* alice.run(...words)).code, 0, words.join(" "))
      }
    })).pipe(Effect.scoped))
})

describe("config", () => {
  it.effect("shows what holds and where it comes from, nearest first, and no secret", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      alice.files.set(
        "/home/user/.config/pnet/config.json",
        JSON.stringify({
          name: "desk",
          wait: "1s",
          bind: "10.0.0.1",
          port: 4000,
          profiles: { work: { wait: "2s", peers: ["a:1", "b:2"] } }
        })
      )
      const how = { env: { PNET_NETWORK_KEY: "hunter2", PNET_BIND_IP: "127.0.0.1" } }
      const shown = yield* alice.runWith(how, "config", "--profile", "work", "--network", "home", "--json")
      const of = Object.fromEntries(values(shown.stdout).map(({ from, name, value }) => [name, `${value} ${from}`]))
      assert.deepInclude(of, {
        network: "home flag",
        bind: "127.0.0.1 environment",
        networkKey: "(hidden) environment",
        wait: "2s profile",
        peers: "a:1,b:2 profile",
        name: "desk file",
        port: "4000 file",
        advertisePort: "3334 default",
        allowList: "undefined none"
      })
      assert.notInclude(JSON.stringify(shown), "hunter2")
      assert.match(
        (yield* alice.run("config", "name", "wait")).stdout,
        /^SETTING +VALUE +FROM\nname +desk +\S+config\.json\nwait +1s /
      )
      for (
        const [given, read] of [
          ["90s", "90s"],
          ["2 minutes", "2m"],
          ["36h", "36h"],
          ["2d", "2d"],
          ["1500ms", "1500ms"],
          [
            "0s",
            "0ms"
          ],
          ["0.5s", "500ms"]
        ] as const
      ) {
        const [wait] = values((yield* alice.run("config", "wait", "--wait", given, "--json")).stdout)
        assert.strictEqual(wait!["value"], read)
      }
    })))

  it.effect("refuses settings that are wrong, and says where", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const path = "/home/user/.config/pnet/config.json"
      const refused = (text: string, ...words: ReadonlyArray<string>) =>
        Effect.gen(function*() {
          alice.files.set(path, text)
          const { code, stderr } = yield* alice.run("config", ...words)
          assert.strictEqual(code, 2)
          return stderr
        })
      assert.match(yield* refused("{"), /config\.json was refused: it is not JSON/)
      assert.match(yield* refused("[]"), /it is not one object/)
      assert.match(yield* refused("{\"nmae\":\"x\"}"), /there is no setting "nmae"/)
      assert.match(yield* refused("{\"networkKey\":\"x\"}"), /"networkKey" cannot stand in the config file/)
      assert.match(yield* refused("{\"profiles\":{\"a\":{\"profile\":\"b\"}}}"), /"profiles.a.profile" cannot stand/)
      assert.match(yield* refused("{\"wait\":\"soon\"}"), /config\.json "soon" was refused: .*a span of time/)
      assert.match(yield* refused("{}", "--profile", "work"), /there is no profile "work"/)
      assert.match(yield* refused("{}", "--port", "70000"), /--port "70000" was refused: .*0 to 65535/)
      assert.match(yield* refused("{}", "--config", "/nowhere"), /\/nowhere could not be read/)
      assert.match(yield* refused("{}", "nmae"), /there is no setting "nmae"/)
    })))
})

describe("where the node is", () => {
  it.effect("is refused with the flag or variable, the value, what was expected and what to give", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const refused = (env: Record<string, string>, ...words: ReadonlyArray<string>) =>
        Effect.map(alice.runWith({ env }, ...words), ({ code, stderr, stdout }) => {
          assert.strictEqual(code, 2)
          assert.strictEqual(stdout, "")
          return stderr
        })
      const ofBind =
        "expected an IPv4 or IPv6 address\n  give 0.0.0.0 for every network, 127.0.0.1 for this machine alone, or the address of one of this machine's interfaces\n"
      assert.strictEqual(
        yield* refused({}, "peers", "--bind", "localhost"),
        `pnet: --bind "localhost" was refused: ${ofBind}`
      )
      assert.strictEqual(
        yield* refused({ PNET_BIND_IP: "localhost" }, "doctor"),
        `pnet: PNET_BIND_IP "localhost" was refused: ${ofBind}`
      )
      // Of a list the one that is wrong.
      const ofPeers = yield* refused({}, "call", "--peers", "127.0.0.1:4000,foo:bar", "bob", "one")
      assert.match(
        ofPeers,
        /^pnet: --peers "foo:bar" was refused: expected host:port, \[host\]:port or name:port, and a port above 0\n  give [^\\\n]*\n$/
      )
      assert.match(
        yield* refused({}, "up", "--advertise-port", "0"),
        /^pnet: --advertise-port "0" was refused: expected a port, 1 to 65535\n  give [^\\\n]*\n$/
      )
      // What is no number is told the same as what is too large.
      for (const port of ["abc", "70000", "-1", "0.5", "1e3", ""]) {
        assert.match(
          yield* refused({}, "peers", `--port=${port}`),
          new RegExp(`^pnet: --port "${port}" was refused: expected a port, 0 to 65535\n  give .* or 0 for any\n$`)
        )
        assert.match(
          yield* refused({ PNET_ADVERTISE_PORT: port }, "up"),
          new RegExp(`^pnet: PNET_ADVERTISE_PORT "${port}" was refused: expected a port, 1 to 65535\n  give `)
        )
        assert.match(yield* refused({}, "console", `--page-port=${port}`), /expected a port, 0 to 65535\n/)
      }
      assert.match(yield* refused({}, "top", "--count=abc"), /expected a whole number, 1 or more\n/)
      const [said] = (yield* refused({}, "peers", "--network", "x".repeat(70), "--json")).split("\n")
      assert.deepStrictEqual(JSON.parse(said!), {
        type: "error",
        error: "usage",
        message: `--network "${"x".repeat(70)}" was refused: expected 1 to 64 bytes of UTF-8, got 70`,
        hint: "give a short name, the same on all machines of the network",
        exit: "usage",
        code: 2
      })
    })))
})

describe("a console whose page is not built", () => {
  it.effect("says so and how to build it, in the place of a link, and serves assistants alone where they are asked for", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const build = "run: npx -y pnpm@12 exec node packages/console/buildPage.ts"
      const { code, stderr, stdout } = yield* alice.run("console", "--page-port=0")
      assert.strictEqual(code, 1)
      assert.strictEqual(stdout, "")
      assert.strictEqual(
        stderr,
        `pnet: the page of the console is not built, as it is in what is published\n  ${build}\n`
      )
      const serving = yield* alice.start("console", "--page-port=0", "--mcp")
      yield* serving.says("/mcp")
      assert.include(
        serving.stderr(),
        `is not built, as it is in what is published: assistants alone are served; ${build}`
      )
      yield* serving.interrupt
      alice.files.set(fileURLToPath(new URL("../../console/dist/page/index.html", import.meta.url)), "<!doctype html>")
      const shown = yield* alice.start("console", "--page-port=0")
      yield* shown.says("?token=")
      yield* shown.interrupt
    })))
})

describe("names", () => {
  it.effect("takes a numbered name where that of the settings is in use, and fails where it was asked for by its flag", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const up = yield* alice.start("up", "--json")
      yield* up.says("is up")
      const watching = yield* alice.start("peers", "--watch", "--json")
      yield* up.says("alice-2 is there")
      const named = yield* alice.run("peers", "--name", "alice", "--json")
      assert.strictEqual(named.code, 8)
      assert.deepInclude(values(named.stderr)[0], {
        error: "KeyHeldError",
        exit: "conflict",
        hint: "stop it, or take another name with --name"
      })
      yield* watching.interrupt
      yield* up.says("alice-2 left")
      yield* up.interrupt
    })).pipe(Effect.scoped))
})

describe("a name that is none", () => {
  it.effect("is said before anything is started", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      for (const name of ["x".repeat(200), "a b\u0007"]) {
        const { code, stderr } = yield* alice.run("peers", "--name", name, "--json")
        assert.strictEqual(code, 2)
        assert.match(values(stderr)[0]!["message"], /^--name .* is no name of a node: /)
      }
    })))
})

describe("a name that another node has", () => {
  it.effect("is refused by who met the other first, which says what to do", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const other = yield* desk((yield* Home).network, "elsewhere")
      yield* alice.run("call", "--name", "desk", "bob", "add", "1", "2")
      const refused = yield* other.run("call", "--name", "desk", "bob", "add", "1", "2", "--json")
      assert.strictEqual(refused.code, 4)
      assert.match(values(refused.stderr).at(-1)!["hint"], /take another with --name/)
      assert.strictEqual((yield* other.run("call", "--name", "other", "bob", "add", "1", "2")).stdout, "3\n")
    })))
})

describe("a listed address where nobody listens", () => {
  it.effect("is named where nobody is found, also by who does not wait for long, and by its flag", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const listed = `${alice.host.address}:9`
      const named = `o node listens at ${listed}, which --peers lists`
      const alone = ["--network", "none", "--wait", "2s", "--peers", listed]
      for (const words of [["peers"], ["call", "*", "one"], ["call", "dave", "one"], ["ping", "*"]]) {
        const { stderr } = yield* alice.run(...alone, ...words)
        assert.strictEqual(stderr.split(named).length, 2, stderr)
        assert.include(stderr, "start the node there, with that --port, or correct the address in --peers")
      }
      // What was most likely meant is the next step all the same.
      const near = yield* alice.run("--peers", listed, "--wait", "2s", "call", "bbo", "one")
      assert.include(near.stderr, named)
      assert.include(near.stderr, "did you mean \"bob\"?")
    })))
})

describe("a conflict of names", () => {
  it.effect("is said once at a terminal, by its event, and on both outputs where two may read them", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const { network } = yield* Home
      for (const words of [["up"], ["peers", "--watch"]]) {
        for (const name of ["bob", "watcher"]) {
          const other = yield* (yield* desk(network, `other-${words[0]}-${name}`)).start("up", "--name", "twin")
          const another = yield* (yield* desk(network, `another-${words[0]}-${name}`)).start("up", "--name", "twin")
          const all = ["--name", name, ...words]
          const shown = yield* alice.startWith({ columns: 200 }, ...all)
          yield* shown.says("several nodes are called twin")
          if (name === "bob") yield* shown.says("another node is called bob")
          yield* Effect.sleep("3 seconds")
          assert.notInclude((yield* shown.interrupt).stderr, "warning")
          const piped = yield* alice.start(...all)
          yield* piped.says("several nodes are called twin")
          yield* Effect.sleep("3 seconds")
          assert.include((yield* piped.interrupt).stderr, "pnet: warning: \"twin\" appeared at ")
          yield* other.interrupt
          yield* another.interrupt
        }
      }
    })))
})

describe("a machine without a network", () => {
  it.effect("reaches itself, and says that it is alone", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      yield* alice.host.removeInterface("eth0")
      const unsaid = { env: { PNET_BIND_IP: undefined } }
      const up = yield* alice.startWith(unsaid, "up", "--name", "other")
      yield* up.says("other is up")
      const found = yield* alice.runWith(unsaid, "peers", "--json")
      assert.deepStrictEqual(values(found.stdout).map(({ name }) => name), ["other"])
      assert.match(found.stderr, /warning: there is no network now: this machine alone is reached/)
      // So a doctor finds what a node would: nothing is wrong with this machine alone.
      for (const words of [["doctor"], ["doctor", "other"]]) {
        const { code, stdout } = yield* alice.runWith(unsaid, ...words, "--json")
        const findings = values(stdout)
        assert.strictEqual(code, 10, stdout)
        assert.deepStrictEqual(findings.filter(({ severity }) => severity === "error"), [])
        assert.deepInclude(findings.find(({ finding }) => finding === "NoNetwork"), { severity: "warning" })
        assert.deepInclude(findings.find(({ finding }) => finding === "PeerFound"), { severity: "ok" })
      }
      yield* up.interrupt
    })).pipe(Effect.scoped))

  it.effect("says that nobody is reached where loopback is not up either, and how to bring it up", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      yield* alice.host.removeInterface("eth0")
      yield* alice.host.setLinkUp("lo", false)
      const unsaid = { env: { PNET_BIND_IP: undefined } }
      const { code, stderr, stdout } = yield* alice.runWith(unsaid, "call", "other", "add", "1", "2", "--wait", "1s")
      assert.deepStrictEqual({ code, stdout }, { code: 3, stdout: "" })
      // Once, by the node: what came of it has no more to say.
      const down = "nothing can be sent from 127.0.0.1, as loopback is not up"
      assert.strictEqual(
        stderr,
        `pnet: warning: ${down}; bring it up (on Linux: ip link set lo up)\n` +
          "pnet: no peer called \"other\" is known after 1s; no peer is known at all\n  run pnet doctor\n  more: pnet why peer-unknown\n"
      )
      // Nobody was found, as nobody could be asked: a script is not to take that for a network without peers.
      const { code: asked, stderr: said, stdout: none } = yield* alice.runWith(unsaid, "peers", "--json")
      assert.deepStrictEqual({ asked, none }, { asked: 6, none: "" })
      // A program reads the error alone.
      assert.strictEqual(JSON.parse(said.trim().split("\n").at(-1)!).message, `nobody can be asked: ${down}`)
      const shown = yield* alice.runWith(unsaid, "peers")
      assert.strictEqual(shown.stderr.split(down).length, 2, shown.stderr)
      assert.include(shown.stderr, "pnet: nobody can be asked\n")
      const up = yield* alice.startWith(unsaid, "up")
      yield* Effect.sleep("5 seconds")
      assert.lengthOf((yield* up.interrupt).stderr.match(/loopback is not up/g)!, 1)
    })))
})

describe("up", () => {
  it.effect("says at which port it is, be it one that was free", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      for (const given of ["4000", "0"]) {
        const up = yield* alice.start("up", "--port", given, "--json")
        yield* up.says("is up")
        const port = (yield* (yield* Home).nodes.bob.node.peers.awaitPeer("alice")).endpoints[0]!.port
        const [started] = values((yield* up.interrupt).stdout)
        assert.deepInclude(started, { event: "started", port })
        assert.include(started!["text"], `; port ${port}; key `)
        if (given !== "0") assert.strictEqual(started!["port"], 4_000)
      }
    })).pipe(Effect.scoped))

  it.effect("refuses to serve everybody unless it is told so, and warns of a key that others see", () =>
    inHome(Effect.fnUntraced(function*(alice) {
      const { code, stderr, stdout } = yield* alice.run("up", "--fn", "ls=ls", "--json")
      assert.deepStrictEqual({ code, stdout }, { code: 2, stdout: "" })
      assert.match(values(stderr)[0]!["hint"], /--open/)
      const up = yield* alice.start("up", "--fn", "ls=ls", "--open")
      yield* up.says("serves ls")
      yield* up.interrupt
      const key = "hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo="
      const warned = yield* alice.run("peers", "--network-key", key)
      assert.match(
        warned.stderr,
        /warning: others on this machine may see the network key in --network-key; use --network-key-file/
      )
      assert.notInclude(warned.stderr, key)
    })).pipe(Effect.scoped))
})

describe("Ctrl-C", () => {
  // From before the node is there to behind the answer.
  for (const after of [0, 1, 5, 20, 100, 400, 1_000, 2_500]) {
    it.effect(`after ${after} ms ends a call, which leaves nothing behind`, () =>
      inHome(Effect.fnUntraced(function*(alice) {
        const { bob } = (yield* Home).nodes
        const calling = yield* alice.start("ping", "bob", "--count", "0", "--interval", "300ms", "--json")
        yield* Effect.sleep(after)
        const { code, stderr } = yield* calling.interrupt
        assert.deepStrictEqual({ code, stderr }, { code: 130, stderr: "" })
        assert.strictEqual(alice.held.size, 0)
        assert.isUndefined(yield* bob.node.peers.get("alice"))
      })).pipe(Effect.scoped))
  }
})
