/** The command: each of its parts has a help, does a little work, and refuses what it cannot do. */
import { NodeServices } from "@effect/platform-node"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Cause, Console, Effect, Exit, Fiber, FileSystem } from "effect"
import { Command } from "effect/cli"
import { TestClock } from "effect/testing"
import { type ChildProcess, fork } from "node:child_process"
import { gunzipSync } from "node:zlib"
import { freeAdvertisePort } from "../src/harness/ports.ts"
import { Found } from "../src/harness/seeds.ts"
import * as Seeds from "../src/harness/seeds.ts"
import { lab } from "../src/lab.ts"
import * as Programs from "../src/processes/programs.ts"
import * as Jobs from "../src/swarm/jobs.ts"
import * as Seed from "../src/swarm/seed.ts"
import { begin } from "../src/swarm/sofar.ts"
import { makeSums } from "../src/swarm/sums.ts"
import * as Yesterday from "../src/yesterday/yesterday.ts"

// The processes of swarms: what they are asked takes less than to load them from their sources.
process.env["PNET_LAB_JOB"] = Programs.file(new URL("../src/swarm/job.ts", import.meta.url))
afterAll(() => void delete process.env["PNET_LAB_JOB"])

/** What a command printed, and how it ended. */
const ran = (effect: Effect.Effect<void, unknown, any>) =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    const log = (...parts: ReadonlyArray<unknown>) => void lines.push(parts.join(" "))
    const exit = yield* Effect.exit(
      Effect.provideService(effect, Console.Console, { ...console, log, error: log })
    ) as Effect.Effect<Exit.Exit<void, unknown>>
    return { printed: lines.join("\n"), exit }
  })

const run = (...args: ReadonlyArray<string>) =>
  Effect.provide(ran(Command.runWith(lab, { version: "0.1.0" })(args)), NodeServices.layer)

const given = (value: number) => ({ value, isGiven: true })

const names = [
  "swarm",
  "streams",
  "everyone",
  "membership",
  "fuzz",
  "flood",
  "services",
  "crowd",
  "mutants",
  "vectors",
  "conformance",
  "reference",
  "yesterday"
]

describe("lab", () => {
  it.live("lists what there is, and each part says what it takes", () =>
    Effect.gen(function*() {
      const { printed } = yield* run("--help")
      for (const name of names) {
        assert.include(printed, `  ${name} `)
        assert.include((yield* run(name, "--help")).printed, `lab ${name} `)
      }
    }))

  it.live("does what it is told, with so many seeds", () =>
    Effect.gen(function*() {
      const swarm = yield* run("swarm", "--seed", "2", "--seconds", "3", "--nodes", "2")
      assert.isTrue(Exit.isSuccess(swarm.exit), swarm.printed)
      assert.include(swarm.printed, "\n1 seed, 0 failed")
      const { stackTraceLimit } = Error
      const swarms = yield* run("swarm", "--seeds", "3", "--jobs", "2", "--seconds", "3", "--nodes", "2")
      assert.isTrue(Exit.isSuccess(swarms.exit), swarms.printed)
      assert.match(swarms.printed, /3 seeds, 0 failed: .* in 2 processes/)
      // Errors of swarms have no stacks, which is for nobody else in this process.
      assert.strictEqual(Error.stackTraceLimit, stackTraceLimit)
      const fuzz = yield* run("fuzz", "--seconds", "0.05", "--only", "packet", "--seed", "3")
      assert.isTrue(Exit.isSuccess(fuzz.exit), fuzz.printed)
      assert.include(fuzz.printed, "seeds from 3 on")
      const crowd = yield* run("crowd", "--size", "3", "--rounds", "2")
      assert.isTrue(Exit.isSuccess(crowd.exit), crowd.printed)
      assert.include(crowd.printed, "all calls")
    }))

  it.live("comes to the same in a process of its own, and goes on where one of those ended", () =>
    Effect.gen(function*() {
      const which = { seed: 7, seconds: 3, nodes: 3 }
      const here = yield* Seed.makeRun(50)(which)
      const children: Array<ChildProcess> = []
      let isBroken = false
      const job = yield* Jobs.makeJob(() => {
        const child = isBroken ? fork("nothing.js", { stdio: "ignore" }) : Jobs.start(1)()
        children.push(child)
        return child
      })
      const there = yield* job(which)
      assert.deepStrictEqual({ ...there, took: 0, held: undefined }, { ...here, took: 0 })
      assert.strictEqual(there.held?.process, children[0]!.pid)
      assert.isAbove(there.held!.bytes, 1_000_000)
      const cut = yield* Effect.forkChild(job({ seed: 1, seconds: 600, nodes: 20 }), { startImmediately: true })
      children[0]!.kill("SIGKILL")
      const lost = yield* Fiber.join(cut)
      assert.isTrue(lost.ended)
      assert.match(lost.problems[0]!.text, /its process ended: /)
      isBroken = true
      assert.isTrue((yield* job({ seed: 2 })).ended)
      isBroken = false
      // What the one that did not start was asked is asked nobody else.
      const last = yield* job(which)
      assert.deepStrictEqual([last.digest, last.held?.seeds], [here.digest, 1])
      // Nobody is left where the one who asks is gone.
      assert.strictEqual(children.length, 3)
      const gone = Effect.callback<void>((resume) => void children[2]!.once("exit", () => resume(Effect.void)))
      children[2]!.disconnect()
      yield* gone
    }).pipe(Effect.scoped))

  it("says what many seeds come to, and what the process keeps that keeps most", () => {
    const sums = makeSums()
    const told = { nodes: 2, steps: 1, passed: 3_000, took: 10, counts: { calls: 2 }, problems: [], digest: "" }
    const held = (process: number, seeds: number, bytes: number) =>
      sums.add({ ...told, held: { process, seeds, bytes } })
    for (const seeds of [10, 20, 30, 40]) held(1, seeds, 1_000_000 + 100 * seeds)
    // Of four looks the second half are two, of which nothing can be said.
    assert.isUndefined(sums.growth())
    // Its caches fill, and then a seed leaves 30 bytes; in another process 20.
    for (const seeds of [10, 20, 30, 40, 50, 60]) held(2, seeds, Math.min(seeds, 40) * 1_000 + 30 * seeds)
    for (const seeds of [10, 20, 30, 40, 50, 60]) held(3, seeds, 20 * seeds)
    assert.strictEqual(sums.growth(), 30)
    for (let i = 0; i < 33; i++) sums.add(told)
    assert.isUndefined(sums.progress())
    sums.add({ ...told, problems: [{ invariant: "every call ends", at: 1, text: "one did not" }] })
    assert.strictEqual(sums.progress(), "50 seeds, 1 failed, 100.00 seeds/s, 300 times real time")
    assert.strictEqual(sums.after(30_400), "after 30 s: 50 seeds, 1 failed, 100.00 seeds/s, 300 times real time")
    assert.strictEqual(makeSums().after(10_000), "after 10 s: no seed is done yet")
    assert.strictEqual(sums.failures(), 1)
    assert.deepStrictEqual(sums.totals, { calls: 100 })
    assert.strictEqual(
      sums.end(2, 1_500),
      "\n50 seeds, 1 failed: 150 virtual seconds in 0.5 s of one core, 300 times real time, 100.00 seeds/s (2 s by the clock in 2 processes, 100 times real time)"
    )
  })

  it.effect("says how far the seeds are after ten seconds, then less often, and what was done when it is interrupted", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const sums = makeSums()
      const { during } = yield* begin(sums, 2)
      const working = yield* during(Effect.never).pipe(
        Effect.provideService(Console.Console, { ...console, log: (line: string) => void lines.push(line) }),
        Effect.forkChild
      )
      yield* TestClock.adjust(9_999)
      assert.deepStrictEqual(lines, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(lines.splice(0), ["after 10 s: no seed is done yet"])
      sums.add({ nodes: 2, steps: 1, passed: 3_000, took: 10, counts: { calls: 2 }, problems: [], digest: "" })
      yield* TestClock.adjust(19_999)
      assert.deepStrictEqual(lines, [])
      yield* TestClock.adjust(1 + 40_000 + 60_000 + 60_000)
      assert.deepStrictEqual(
        lines.splice(0),
        [30, 70, 130, 190].map((after) => `after ${after} s: 1 seed, 0 failed, 100.00 seeds/s, 300 times real time`)
      )
      yield* Fiber.interrupt(working)
      assert.deepStrictEqual(lines.slice(0, 3), ["\ninterrupted; what was done until then:", "", "       2 calls"])
      assert.match(lines[3]!, /^\n1 seed, 0 failed: 3 virtual seconds .* \(190 s by the clock in 2 processes/)
      assert.strictEqual(lines.length, 4)
    }))

  it.live("fails where something was found, and where it is asked for what there is not", () =>
    Effect.gen(function*() {
      const seeds = { seeds: given(3), from: given(5), seed: undefined }
      const { exit, printed } = yield* ran(
        Seeds.run(seeds, (seed) => Effect.succeed({ counts: { tries: 1 }, problems: seed === 6 ? ["it broke"] : [] }))
      )
      assert.isTrue(Exit.isFailure(exit) && Cause.squash(exit.cause) instanceof Found)
      assert.include(printed, "seed 6 failed:\n  it broke\n3 seeds: 1 failed\n       3 tries")
      assert.isTrue(Exit.isFailure((yield* run("streams", "--seeds", "0")).exit))
      for (const command of ["swarm", "streams"]) {
        const both = yield* run(command, "--seed", "7", "--seeds", "3")
        assert.isTrue(Exit.isFailure(both.exit))
        assert.include(both.printed, "--seed is one seed alone, and --seeds says which of many")
      }
      assert.isTrue(Exit.isFailure((yield* run("fuzz", "case", "nothing/1")).exit))
    }))

  it.live("packs the nodes of this tree into one file, which runs by itself", () =>
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const folder = yield* fs.makeTempDirectoryScoped()
      const { exit, printed } = yield* run("yesterday", `${folder}/peer.mjs.gz`)
      assert.isTrue(Exit.isSuccess(exit), printed)
      const packed = yield* fs.readFile(`${folder}/peer.mjs.gz`)
      // It is kept in the repository.
      assert.isBelow(packed.length, 400_000)
      yield* fs.writeFile(`${folder}/peer.mjs`, gunzipSync(packed))
      const peer = yield* Yesterday.run(`${folder}/peer.mjs`)
      const network = { networkId: "packed", advertisePort: yield* freeAdvertisePort }
      yield* peer("start", { ...network, node: "a", name: "alice" })
      yield* peer("start", { ...network, node: "b", name: "bob" })
      yield* peer("await", { node: "a", peer: "bob" })
      const call = { node: "a", peer: "bob", function: "add", args: [1, 2] }
      assert.deepStrictEqual(yield* peer("call", call), { value: 3 })
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
})
