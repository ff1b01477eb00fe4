import { NodeServices } from "@effect/platform-node"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as NatsServer from "@pnet/lab/nats/server"
import * as Programs from "@pnet/lab/processes/programs"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Spreading from "../peers/programs/spreading.js"
import * as Allocations from "../src/allocations.ts"
import * as Bench from "../src/bench.ts"
import * as Bulk from "../src/bulk.ts"
import * as Commands from "../src/commands.ts"
import * as Contact from "../src/contact.ts"
import * as Crowd from "../src/crowd.ts"
import * as CryptoBench from "../src/crypto.ts"
import * as Files from "../src/files.ts"
import * as Goals from "../src/goals.ts"
import * as Machine from "../src/harness/machine.ts"
import * as Pairs from "../src/harness/pairs.ts"
import { stoodStill } from "../src/harness/tailing.ts"
import * as Workers from "../src/harness/workers.ts"
import * as Idle from "../src/idle.ts"
import { spreadOver } from "../src/many/measuring.ts"
import * as Nats from "../src/nats.ts"
import * as Peers from "../src/peers.ts"
import * as Figures from "../src/peers/figures.ts"
import * as Installing from "../src/peers/installing.ts"
import * as Page from "../src/peers/page.ts"
import { draw } from "../src/peers/picture.ts"
import * as Raw from "../src/raw.ts"
import * as Rpc from "../src/rpc.ts"
import * as Service from "../src/service.ts"
import * as Start from "../src/start.ts"
import * as Tail from "../src/tail.ts"
import * as Topics from "../src/topics.ts"
import * as Typed from "../src/typed.ts"

const main = Programs.file(new URL("../src/main.ts", import.meta.url))
// What measures has been loaded here; the processes that are measured load theirs from one file.
process.env["PNET_BENCH_WORKER"] = Programs.file(new URL("../src/harness/worker.ts", import.meta.url))
process.env["PNET_BENCH_COLLECT"] = "once"

const own = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url))

const temporary = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "pnet-bench-"))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true }))
)

/** Sets variables of the environment until the scope closes. */
const withVariables = (variables: Record<string, string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = Object.keys(variables).map((name) => [name, process.env[name]] as const)
      Object.assign(process.env, variables)
      return before
    }),
    (before) =>
      Effect.sync(() => {
        for (const [name, value] of before) {
          if (value === undefined) delete process.env[name]
          else process.env[name] = value
        }
      })
  )

type Run = (args: ReadonlyArray<string>) => Effect.Effect<string, unknown>

/** Here, which saves loading all of it anew. */
const here: Run = (args) =>
  Effect.suspend(() => {
    const lines: Array<string> = []
    const log = (...parts: ReadonlyArray<unknown>) => void lines.push(parts.join(" "))
    return Command.runWith(Bench.bench, { version: "0.1.0" })(args).pipe(
      Effect.provide(NodeServices.layer),
      Effect.provideService(Console.Console, { ...console, log, error: log }),
      Effect.map(() => lines.join("\n"))
    )
  })

/** As `pnpm bench` does. */
const asProgram: Run = (args) =>
  Effect.callback((resume) => {
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      PNET_BENCH_FOLDER: fileURLToPath(new URL("../", import.meta.url)),
      // The bundle is elsewhere, and would look for one beside itself.
      ...(NatsServer.program === undefined ? {} : { PNET_NATS_SERVER: NatsServer.program })
    }
    const child = execFile(
      process.execPath,
      [main, ...args],
      { env },
      (error, stdout) => resume(error === null ? Effect.succeed(stdout) : Effect.fail(error))
    )
    return Effect.sync(() => void child.kill())
  })

/** Runs a benchmark; what it printed, and what it wrote. */
const benchBy = (run: Run) =>
<S extends Schema.Top>(
  report: S,
  ...[first, ...rest]: readonly [string | Record<string, string>, ...ReadonlyArray<string>]
) =>
  Effect.gen(function*() {
    const [more, args] = typeof first === "string" ? [{}, [first, ...rest]] : [first, rest]
    yield* withVariables(more)
    const json = join(yield* temporary, "report.json")
    const printed = yield* run([...args, "--json", json])
    const text = yield* Effect.promise(() => readFile(json, "utf8"))
    return { printed, report: yield* Schema.decodeUnknownEffect(Schema.fromJsonString(report))(text) }
  })

const bench = benchBy(here)

const publishing = ({ processes }: { readonly processes: number }) =>
  Effect.promise(() => Spreading.publishing({ bytes: 128, processes, text: true, window: 8, patience: 50 }))

describe("bench", () => {
  // Starting processes takes most of the time.
  const workers = Scope.makeUnsafe()
  beforeAll(() => Effect.runPromise(Scope.provide(Workers.keep, workers)))
  afterAll(() => Effect.runPromise(Scope.close(workers, Exit.void)))

  it.live("raw measures a node against the raw echoes, and writes its report", () =>
    Effect.gen(function*() {
      const { printed, report } = yield* bench(
        Raw.Report,
        "raw",
        "--seconds",
        "0.02",
        "--only",
        "native",
        "--at-once",
        "1"
      )
      assert.deepStrictEqual(report.cells.map(({ atOnce, subject }) => [subject, atOnce]), [
        ["echo", 1],
        ["echo-batched", 1],
        ["native", 1]
      ])
      assert.strictEqual(report.seconds, 0.02)
      assert.strictEqual(report.messageBytes, 128)
      for (const cell of report.cells) {
        assert.isAbove(cell.messages, 0)
        assert.isAbove(cell.p50, 0)
        assert.isAtLeast(cell.p99, cell.p50)
        assert.isAbove(cell.ofEcho, 0)
      }
      assert.deepStrictEqual(report.memory.map(({ subject }) => subject), ["echo", "echo-batched", "native"])
      assert.include(printed, "pnet, native")
      assert.include(printed, report.machine.node)
    }))

  it.live("typed measures an RPC group against Effect's own RPC", () =>
    Effect.gen(function*() {
      const { printed, report } = yield* bench(
        Typed.Report,
        "typed",
        "--only",
        "pnet",
        "--seconds",
        "0.02",
        "--rounds",
        "1",
        "--mib",
        "1",
        "--at-once",
        "128"
      )
      assert.deepStrictEqual(report.cells.map(({ atOnce, subject }) => [subject, atOnce]), [
        ["effect", 128],
        ["pnet", 128]
      ])
      for (const cell of report.cells) {
        assert.isAbove(cell.messages, 0)
        assert.isAbove(cell.ofEffect, 0)
      }
      for (const { client, server, spread } of report.cells) {
        assert.deepStrictEqual([spread.min, spread.median], [spread.max, spread.max])
        for (const { gcShare, idleShare, micros } of [client, server]) {
          assert.isAbove(micros, 0)
          for (const share of [gcShare, idleShare]) assert.isTrue(share >= 0 && share <= 1, `${share}`)
        }
      }
      for (const { megabytes, slowest } of report.streams) {
        assert.isAbove(megabytes, 0)
        assert.isAbove(slowest.client.micros, 0)
        assert.isAbove(slowest.server.micros, 0)
      }
      assert.include(printed, "The slowest round of each stream:")
      assert.strictEqual(report.goals.length, 3)
      assert.include(printed, "Effect over TCP")
    }))

  it("of the rounds of a stream the slowest is told of", () => {
    const effort = { micros: 1, gcShare: 0, idleShare: 0, pageFaults: 0, switches: 0 }
    const rounds = [300, 100, 200].map((megabytes) => ({ megabytes, client: effort, server: effort }))
    assert.strictEqual(Typed.slowestOf(rounds), rounds[1])
  })

  it.live.skipIf(NatsServer.skipped)(
    "nats measures a node over a server beside the server's own client",
    () =>
      Effect.gen(function*() {
        // Its client is a dependency of this package, too, so that nothing has to be installed.
        const into = yield* temporary
        const folder = Installing.folderIn(into)
        yield* Effect.promise(() => mkdir(folder, { recursive: true }))
        yield* Effect.promise(() => symlink(own("node_modules"), join(folder, "node_modules")))
        yield* Effect.promise(() => writeFile(join(folder, ".installed"), ""))
        const { printed, report } = yield* bench(
          Nats.Report,
          { PNET_NATS_SERVER: NatsServer.program! },
          "nats",
          "--only",
          "pnet-typed",
          "--into",
          into,
          "--seconds",
          "0.02",
          "--rounds",
          "1",
          "--mib",
          "0",
          "--at-once",
          "128"
        )
        assert.deepStrictEqual(report.cells.map(({ atOnce, subject }) => [subject, atOnce]), [
          ["nats", 128],
          ["pnet-typed", 128]
        ])
        for (const { messages, ofNats } of report.cells) {
          assert.isAbove(messages, 0)
          assert.isAbove(ofNats, 0)
        }
        assert.deepStrictEqual(report.bulk, [])
        assert.strictEqual(report.goals.length, 1)
        assert.include(printed, report.goals[0]!.text)
        const bulk = {
          title: "pnet, stream function",
          megabytes: 50,
          ofNats: 0.5,
          sendingMicros: 1,
          receivingMicros: 2,
          spread: { min: 40, median: 45, max: 50 }
        }
        assert.match(
          Nats.format({ ...report, bulk: [bulk] }),
          /pnet, stream function +50 +40 \/ 45 \/ 50 +50 % +1 us +2 us/
        )
      })
  )

  it.live("commands measures calls by name against Effect's own RPC", () =>
    Effect.gen(function*() {
      const { printed, report } = yield* bench(
        Commands.Report,
        "commands",
        "--seconds",
        "0.02",
        "--rounds",
        "1",
        "--at-once",
        "128"
      )
      assert.deepStrictEqual(report.cells.map(({ subject }) => subject), [
        "effect",
        "pnet",
        "effect-untraced",
        "pnet-untraced"
      ])
      for (const cell of report.cells) {
        assert.isAbove(cell.messages, 0)
        assert.isAbove(cell.ofEffect, 0)
      }
      assert.strictEqual(report.goals.length, 4)
      assert.include(printed, "pnet, by name")
    }))

  it.live("rpc measures calls against the raw echoes with and without boxes", () =>
    Effect.gen(function*() {
      const { printed, report } = yield* bench(
        Rpc.Report,
        "rpc",
        "--seconds",
        "0.02",
        "--only",
        "binary",
        "--at-once",
        "1"
      )
      assert.deepStrictEqual(report.cells.map(({ atOnce, subject }) => [subject, atOnce]), [
        ["echo", 1],
        ["echo-batched", 1],
        ["echo-box", 1],
        ["echo-box-batch", 1],
        ["binary", 1]
      ])
      for (const cell of report.cells) {
        assert.isAbove(cell.messages, 0)
        assert.isAtLeast(cell.p99, cell.p50)
        assert.strictEqual(cell.of[cell.subject as "echo"] ?? 1, 1)
      }
      const [p50, processor] = report.goals
      assert.strictEqual(report.goals.length, 2)
      assert.strictEqual(p50!.met, p50!.value <= 1.4)
      assert.strictEqual(processor!.met, processor!.value <= 1.6)
      for (const { text } of report.goals) assert.include(printed, text)
    }))

  it.live("bulk measures streams against raw connections with and without boxes", () =>
    Effect.gen(function*() {
      const { printed, report } = yield* bench(
        Bulk.Report,
        "bulk",
        "--mib",
        "1",
        "--rounds",
        "1",
        "--only",
        "binary"
      )
      assert.deepStrictEqual(report.cells.map(({ streams, subject }) => [subject, streams]), [
        ["raw", 1],
        ["raw-box", 1],
        ["binary", 1],
        ["binary", 8]
      ])
      for (const { fastest, median, receiver, sender } of report.cells) {
        assert.isAbove(median, 0)
        assert.isAtLeast(fastest, median)
        assert.isAtLeast(sender.maxBytes, sender.beforeBytes)
        assert.isAtLeast(receiver.maxBytes, receiver.beforeBytes)
      }
      assert.strictEqual(report.goals.length, 4)
      for (const { text } of report.goals) assert.include(printed, text)
    }))

  it.live("allocations measures what a call allocates on each side", () =>
    Effect.gen(function*() {
      const { printed, report } = yield* bench(
        Allocations.Report,
        "allocations",
        "--calls",
        "1000",
        "--only",
        "raw",
        "--at-once",
        "16",
        "--top",
        "1"
      )
      const [cell] = report.cells
      assert.deepStrictEqual(report.cells.map(({ atOnce, subject }) => [subject, atOnce]), [["raw", 16]])
      for (const { bytes, top } of [cell!.asking, cell!.answering]) {
        // An answer alone is 128 bytes, and what the process does besides is little.
        assert.isAbove(bytes, 128)
        assert.isBelow(bytes, 100_000)
        assert.strictEqual(top.length, 1)
        assert.isAtMost(top[0]!.bytes, bytes)
      }
      assert.include(printed, "RAW message, 16 at once, asking side:")
    }))

  it.live("tail says of the slowest of many calls what both processes stood still for meanwhile", () =>
    Effect.gen(function*() {
      const { printed, report } = yield* bench(
        Tail.Report,
        "tail",
        "--seconds",
        "0.05",
        "--rounds",
        "2",
        "--only",
        "echo-batched",
        "--only",
        "call",
        "--at-once",
        "16"
      )
      assert.deepStrictEqual(report.cells.map(({ atOnce, round, subject }) => [subject, atOnce, round]), [
        ["echo-batched", 16, 0],
        ["call", 16, 0],
        ["echo-batched", 16, 1],
        ["call", 16, 1]
      ])
      for (const { answering, asking, messages, p50, p99, rest, slowest, took } of report.cells) {
        assert.strictEqual(slowest, Math.ceil(messages / 100))
        // Instants are taken from each other in between, and some digits of theirs are lost.
        const about = 0.001
        assert.isAtLeast(took + about, p50)
        assert.isAtLeast(took + about, p99)
        assert.isAtMost(rest, took + about)
        for (const { collections, each, garbage, waiting } of [asking, answering]) {
          for (const value of [collections, each, garbage, waiting]) assert.isAtLeast(value, 0)
          assert.isAtMost(garbage, took + about)
        }
      }
      assert.match(printed, /^stream function +16 /m)
    }))

  it.effect("who is not measured stands still meanwhile, and goes on then", () =>
    Effect.gen(function*() {
      const told: Array<string> = []
      const tell = (what: string) => Effect.sync(() => void told.push(what))
      const worker = (name: string): Workers.Worker => ({
        name,
        call: () => Effect.die("nothing is asked"),
        freeze: Effect.acquireRelease(tell(`${name} stops`), () => tell(`${name} goes on`))
      })
      const pair = (name: string): Pairs.Pair => ({
        name,
        crypto: "none",
        server: worker(`${name}'s server`),
        client: worker(`${name}'s client`)
      })
      const [a, b, c] = [pair("a"), pair("b"), pair("c")]
      yield* Pairs.withOthersStill(b, [a, b, c], Effect.suspend(() => tell(`b is measured after ${told.length}`)))
      assert.deepStrictEqual(told.slice(0, 5).sort(), [
        "a's client stops",
        "a's server stops",
        "b is measured after 4",
        "c's client stops",
        "c's server stops"
      ])
      assert.deepStrictEqual(told.slice(5).sort(), [
        "a's client goes on",
        "a's server goes on",
        "c's client goes on",
        "c's server goes on"
      ])
    }))

  it("a call's share of a wait is by how much of the time it was on its way, and a pause counts once", () => {
    const stalls = {
      pauses: [[10, 12], [18, 30]],
      waits: [[0, 4, 2], [9, 13, 3], [40, 50, 10]]
    } as const
    assert.deepStrictEqual(stoodStill([0, 2], stalls), { garbage: 0, waiting: 1 })
    // Of three that it waited two may have been in the pause.
    assert.deepStrictEqual(stoodStill([9, 20], stalls), { garbage: 4, waiting: 1 })
    assert.deepStrictEqual(stoodStill([30, 40], stalls), { garbage: 0, waiting: 0 })
    assert.deepStrictEqual(stoodStill([45, 100], stalls), { garbage: 0, waiting: 5 })
  })

  it.live("peers measures what is here, and says in a line what cannot be had", () =>
    Effect.gen(function*() {
      const into = yield* temporary
      const { printed, report } = yield* bench(
        Peers.Report,
        { npm_config_offline: "true", npm_config_cache: into },
        "peers",
        ...["pnet-command", "cote", "tls"].flatMap((name) => ["--only", name]),
        "--into",
        into,
        "--seconds",
        "0.02",
        "--rounds",
        "1",
        "--at-once",
        "16",
        "--mib",
        "1"
      )
      assert.deepStrictEqual(report.calls.map(({ subject }) => subject), ["pnet-command", "tls"])
      assert.deepStrictEqual(report.bulk.map(({ subject }) => subject), ["tls"])
      for (const { messages } of report.calls) assert.isAbove(messages, 0)
      for (const { megabytes } of report.bulk) assert.isAbove(megabytes, 0)
      const [cote] = report.leftOut
      assert.deepStrictEqual(report.leftOut.map(({ subject }) => subject), ["cote"])
      assert.include(printed.split("\n"), `Left out: cote: ${cote!.reason}`)
    }))

  it("the page of performance and its picture are made of the figures that are kept", () => {
    const figures = Schema.decodeUnknownSync(Schema.fromJsonString(Figures.Figures))(
      readFileSync(Page.files.figures, "utf8")
    )
    const page = readFileSync(Page.files.page, "utf8")
    assert.strictEqual(Page.withFigures(page, figures), page)
    assert.strictEqual(draw(figures), readFileSync(Page.files.picture, "utf8"))
    // What is measured again takes the place of what was.
    const again = { ...figures, calls: [{ ...figures.calls[0]!, perSecond: 1 }], bulk: [] }
    const merged = Figures.merge(figures, again)
    assert.strictEqual(merged.calls.length, figures.calls.length)
    assert.strictEqual(merged.calls.filter(({ perSecond }) => perSecond === 1).length, 1)
    assert.deepStrictEqual(merged.bulk, figures.bulk)
    // And what it was measured with stays with what stays.
    const calls = Figures.merge(figures, { ...again, seconds: 7, mebibytes: 0 })
    assert.deepStrictEqual([calls.seconds, calls.mebibytes], [7, figures.mebibytes])
    const nothing = Figures.merge(figures, { ...figures, rounds: 99, seconds: 99, calls: [], bulk: [], leftOut: [] })
    assert.deepStrictEqual(nothing, figures)
    // What goes from one to many has tables and bars of its own.
    const cell = {
      subject: "pnet-all",
      subscribers: 10,
      perSecond: 7_654_321,
      spread: { min: 1, median: 2, max: 3 },
      publisherMicros: 4.5,
      subscriberMicros: 6.5,
      lost: 0,
      paced: { perSecond: 999, p50: 0.5, p99: 2 },
      frozen: { ofRate: 0.97, p50: 0.5, p99: 2, ofP50: 1, ofP99: 1, back: 30 }
    } as const
    const many = { ...figures.many, cells: [cell], leftOut: [{ subject: "nats" as const, reason: "none" }] }
    const before = { ...many, cells: [{ ...cell, perSecond: 1 }, { ...cell, subscribers: 50 }] }
    const together = Figures.merge({ ...figures, many: before }, { ...figures, many })
    assert.deepStrictEqual(together.many.cells, [cell, { ...cell, subscribers: 50 }])
    const tables = Page.tables(together)
    assert.match(tables, /\n\| pnet, calls of all \| 7,654,321 +\| 4\.5 \+ 6\.5 +\|/)
    assert.include(tables, "- NATS core, by its server: none")
    const picture = draw(together)
    assert.include(picture, "Messages of 128 bytes from one to many")
    for (const title of [">to 10</text>", ">to 50</text>", ">pnet, calls of all</text>"]) assert.include(picture, title)
    assert.strictEqual(picture.split(">7,654,321</text>").length, 3)
  })

  it.live("goals lists what is meant to be reached and whether it is", () =>
    Effect.gen(function*() {
      const { printed, report } = yield* bench(
        Goals.Report,
        "goals",
        "--only",
        "idle",
        "--sessions",
        "8",
        "--seconds",
        "0.1",
        "--rounds",
        "1"
      )
      assert.deepStrictEqual(report.parts.map(({ goals, part }) => [part, goals.length]), [["idle", 2]])
      for (const { text } of report.parts[0]!.goals) assert.include(printed, text)
      assert.match(printed, /[012] of 2 are met/)
    }))

  it.live("a benchmark runs under the conditions that it says, and says where latency may not be had", () =>
    Effect.gen(function*() {
      const { printed, report } = yield* benchBy(asProgram)(
        Raw.Report,
        "raw",
        "--seconds",
        "0.02",
        "--only",
        "echo",
        "--at-once",
        "1",
        "--latency",
        "2ms",
        "--memory",
        "64",
        "--cores",
        "1",
        "--neighbour"
      )
      const [conditions, latency] = [[...report.machine.conditions], "2ms more latency each way"]
      assert.includeMembers(conditions, ["64 MiB of heap for each process", "a busy neighbour"])
      if (report.machine.pinned !== null) assert.strictEqual(...report.machine.pinned)
      if (printed.startsWith("Latency may not be had here")) assert.notInclude(conditions, latency)
      else {
        assert.include(conditions, latency)
        assert.isAbove(report.cells[0]!.p50, 4)
      }
    }))

  it("starts who has a core of his own without V8's helpers, which have no other, and anybody else as he is", () => {
    const [pinned, free] = [
      Workers.commandOf(1, "worker.ts", ["--max-old-space-size=64"]),
      Workers.commandOf(undefined, "worker.ts", [])
    ]
    assert.deepStrictEqual(pinned.slice(0, 3), ["taskset", "-c", "1"])
    assert.includeMembers([...pinned], ["--no-parallel-scavenge", "--max-old-space-size=64"])
    assert.deepStrictEqual([pinned.at(-1), free], ["worker.ts", [process.execPath, "worker.ts"]])
  })

  it.live("idle measures what sessions hold and streams leave", () =>
    Effect.gen(function*() {
      const { printed, report } = yield* bench(
        Idle.Report,
        "idle",
        "--sessions",
        "8",
        "--streams",
        "100",
        "--seconds",
        "0.1"
      )
      assert.strictEqual(report.sessions.size, 8)
      assert.strictEqual(report.streams.size, 100)
      assert.isAbove(report.sessions.accepted.heapAfter, 0)
      assert.include(printed, "sessions, accepting side")
    }))

  it.live("service measures a call of a service beside one of a name", () =>
    Effect.gen(function*() {
      const { printed, report } = yield* bench(Service.Report, "service", "--calls", "64", "--rounds", "3")
      assert.strictEqual(report.rounds.length, 3)
      assert.include(printed, "of named")
    }))

  it.live("topics measures what goes from one to many, while a subscriber is frozen, too, and says what cannot be had", () =>
    Effect.gen(function*() {
      const into = yield* temporary
      const { printed, report } = yield* bench(
        Topics.Report,
        // Not even npm is here.
        { PATH: into },
        "topics",
        ...["pnet-topic", "pnet-all", "moleculer"].flatMap((name) => ["--only", name]),
        "--subscribers",
        "3",
        "--into",
        into,
        "--processes",
        "2",
        "--seconds",
        "0.1",
        "--rounds",
        "1"
      )
      assert.deepStrictEqual(report.cells.map(({ subject, subscribers }) => [subject, subscribers]), [
        ["pnet-topic", 3],
        ["pnet-all", 3]
      ])
      for (const { frozen, lost, paced } of report.cells) {
        assert.strictEqual(lost, 0)
        assert.isAbove(paced.p50, 0)
        assert.isAtLeast(paced.p99, paced.p50)
        // Who was frozen hears again, and the others heard meanwhile.
        assert.isNotNull(frozen!.back)
        assert.isAbove(frozen!.p50, 0)
      }
      assert.strictEqual(report.goals.length, 4)
      for (const { text } of report.goals) assert.include(printed, text)
      assert.deepStrictEqual(report.leftOut.map(({ subject }) => subject), ["moleculer"])
      assert.include(printed, "Left out: moleculer, broadcast: ")
    }))

  it("the first subscriber has a process of its own, and the others share the rest", () => {
    assert.deepStrictEqual(spreadOver(1, 4), [1])
    assert.deepStrictEqual(spreadOver(3, 4), [1, 1, 1])
    assert.deepStrictEqual(spreadOver(10, 4), [1, 3, 3, 3])
    assert.deepStrictEqual(spreadOver(50, 4), [1, 16, 16, 17])
    assert.deepStrictEqual(spreadOver(5, 1), [5])
  })

  it.live("latencies are known to a hundredth, from a tenth of a millisecond to seconds", () =>
    Effect.gen(function*() {
      const { close, port } = yield* publishing({ processes: 1 })
      yield* Effect.addFinalizer(() => Effect.sync(close))
      const { received, take } = Spreading.subscribing({ count: 1, port, process: 0, window: 8 })
      for (const millis of [0.1, 2, 30, 400, 5_000]) {
        take(0, `${Math.floor(Spreading.instant() - millis * 1e3)}`.padStart(16, "0") + "1".padStart(10, "0"))
        const latency = Spreading.percentile(received().latencies, 0.99)
        // What passed meanwhile counts, too.
        assert.isAbove(latency, millis * 0.99)
        assert.isBelow(latency, millis * 1.01 + 1_000)
      }
      assert.strictEqual(Spreading.percentile([], 0.5), 0)
    }))

  it.live("a publisher has no more than a window on its way, and goes on without what is lost", () =>
    Effect.gen(function*() {
      const { close, pace, port } = yield* publishing({ processes: 2 })
      yield* Effect.addFinalizer(() => Effect.sync(close))
      const [fast, slow] = [0, 1].map((process) => Spreading.subscribing({ count: 2, port, process, window: 8 }))
      let most = 0
      let sent = 0
      const has = [0, 0]
      const result = yield* Effect.promise(() =>
        Spreading.spread((message) => {
          sent++
          most = Math.max(most, sent - Math.min(...has))
          for (const i of [0, 1]) {
            setImmediate(() => {
              fast!.take(i, message)
              has[i]!++
            })
          }
        }, pace({ among: [0], seconds: 1, perSecond: null }))
      )
      assert.strictEqual(result.published, sent)
      assert.isAbove(result.count, 8)
      assert.isAtMost(most, 8)
      const { latencies, received } = fast!.received()
      assert.strictEqual(received, 2 * sent)
      assert.strictEqual(latencies.reduce((sum, [, count]) => sum + count, 0), 2 * sent)
      assert.isAbove(Spreading.percentile(latencies, 0.5), 0)
      assert.strictEqual(slow!.received().received, 0)
      // The other process gets nothing: the publisher goes on when it has waited for long enough.
      let more = 0
      const goesOn = yield* Effect.promise(() =>
        Spreading.spread(() => {
          if (++more > 8) throw new Error("it goes on")
        }, pace({ among: [1], seconds: 10, perSecond: null })).then(String, String)
      )
      assert.strictEqual(goesOn, "Error: it goes on")
    }))

  it.effect("says what a machine's TCP goes by, where the system does", () =>
    Effect.gen(function*() {
      const { congestion: _, ...machine } = yield* Machine.machine({ pin: false })
      assert.match(Machine.describe({ ...machine, congestion: "reno" }), /^CPU .*, TCP with reno, load/)
      assert.notMatch(Machine.describe(machine), /TCP/)
    }))

  it.effect("start compares the command with a Node that does nothing", () =>
    Effect.gen(function*() {
      const machine = yield* Machine.machine({ pin: false })
      const starts = { nothing: [10, 20], version: [20, 30], config: [40, 50], call: [100, 110] }
      assert.match(
        Start.format({ benchmark: "start", machine, starts }),
        /pnet call bob add 1 2 +100 ms +100 ms +110 ms +10\.00/
      )
    }))

  it.live("contact measures nodes that meet", () =>
    Effect.gen(function*() {
      const { printed, report } = yield* bench(Contact.Report, "contact", "--times", "1", "--key")
      assert.isTrue(report.networkKey)
      assert.strictEqual(report.contacts.length, 1)
      for (const { aKnowsB, bKnowsA, both } of report.contacts) assert.strictEqual(both, Math.max(aKnowsB, bKnowsA))
      assert.include(printed, "both know each other")
    }))

  it.live("crowd measures what many others cost a node that hears them", () =>
    Effect.gen(function*() {
      const { printed, report } = yield* bench(
        Crowd.Report,
        "crowd",
        "--senders",
        "101",
        "--per-second",
        "500",
        "--seconds",
        "0.1",
        "--rounds",
        "1"
      )
      assert.deepStrictEqual(report.cells.map(({ peers, subject }) => [subject, peers]), [
        ["raw", 101],
        ["clear", 101],
        ["key", 101]
      ])
      for (const { adverts, micros, quietPerSecond } of report.cells) {
        assert.isAbove(adverts, 0)
        assert.isAbove(micros, 0)
        assert.strictEqual(quietPerSecond, 40)
      }
      for (const { text } of report.goals) assert.include(printed, text)
    }))

  it.live("files measures a large file beside a stream, and small ones beside a call each", () =>
    Effect.gen(function*() {
      const args = ["--mib", "1", "--files", "5", "--calls", "3", "--rounds", "1"]
      const { printed, report } = yield* bench(Files.Report, "files", ...args)
      assert.deepStrictEqual(report.cells.map(({ subject, units }) => [subject, units]), [
        ["stream", 1],
        ["file", 1],
        ["files", 5],
        ["calls", 3]
      ])
      for (const { client, perSecond, server } of report.cells) {
        assert.isAbove(perSecond, 0)
        assert.isAbove(client.micros + server.micros, 0)
      }
      assert.isAbove(report.ofStream!, 0)
      assert.isAbove(report.ofCalls!, 0)
      for (const { text } of report.goals) assert.include(printed, text)
    }))

  it.live("crypto measures both implementations", () =>
    Effect.gen(function*() {
      const { report } = yield* bench(CryptoBench.Report, "crypto", "--seconds", "0.01")
      const operations = (cryptography: string) =>
        report.cells.filter((cell) => cell.cryptography === cryptography).map(({ operation }) => operation)
      assert.deepStrictEqual(operations("native"), operations("portable"))
      assert.isTrue(report.cells.every(({ perSecond }) => perSecond > 0))
    }))
})
