/** Whoever calls others all the time: what each call is, and what may come of it. */
import { Cause, Effect, Exit, Fiber, Result, Stream } from "effect"
import { type Chance, chance } from "../harness/chance.ts"
import { expected, longest } from "../harness/pattern.ts"
import { type Started, text } from "../worlds/sessionWorld.ts"
import { Check, source } from "./functions.ts"
import type { World } from "./world.ts"

// --- one call ----------------------------------------------------------------------------------------------------------------

/** Something asked of a peer; gives `undefined`, or what is wrong with a success. */
const call = ({ tally }: World, random: Chance, { node }: Started, to: string, where: string) => {
  const kind = random.pick(["echo", "echo", "slow", "upload", "download", "fail", "ignore", "hang", "request"])
  const key = random.below(256)
  const size = random.pick([0, 1, 100, 16_384, 100_000, 262_144, random.below(longest)])
  const options = kind === "hang" || random.chance(0.1)
    ? { timeout: `${1 + random.below(random.pick([20, 5_000]))} millis` as const }
    : undefined
  const check = new Check(tally, key, where)
  const given = () => random.chance(0.3) ? expected(key, 0, size) : source(random, key, size, random.chance(0.3))
  const whole = (got: number) => got === size ? undefined : `${where}: ${got} bytes of ${size}`
  const reading = <E>(bytes: Stream.Stream<Uint8Array, E>) =>
    Stream.runForEach(bytes, (part) => Effect.sync(() => check.take(part)))
  switch (kind) {
    case "echo":
    case "slow": {
      // Some go before they have heard all.
      const parts = random.chance(0.2) ? 1 + random.below(5) : undefined
      const back = node.send(to, kind, given(), options)
      return parts === undefined
        ? Effect.map(reading(back), () => whole(check.length))
        : Effect.as(reading(Stream.take(back, parts)), undefined)
    }
    case "upload":
      return Effect.map(
        node.request(
          to,
          "upload",
          Stream.concat(Stream.make(Uint8Array.of(key)), source(random, key, size, random.chance(0.3))),
          options
        ),
        (answer) => whole(Number(text(answer)))
      )
    case "download":
      return Effect.map(reading(node.send(to, "download", `${key} ${size}`, options)), () => whole(check.length))
    case "request":
      return Effect.map(node.request(to, "echo", expected(key, 0, size), options), (answer) => {
        check.take(answer)
        return whole(answer.length)
      })
    case "fail":
      return Effect.map(node.request(to, "fail", given(), options), () => `${where}: fail did not`)
    case "ignore":
      return Effect.map(
        node.request(to, "ignore", given(), options),
        (answer) => text(answer) === "ignored" ? undefined : `${where}: ${text(answer)}`
      )
    default:
      return Effect.map(node.request(to, "hang", "x", options), () => `${where}: hang answered`)
  }
}

// --- what came of it ---------------------------------------------------------------------------------------------------------

const callErrors = new Set([
  "PeerUnknownError",
  "NameConflictError",
  "DialError",
  "ProtocolError",
  "PeerLostError",
  "StreamResetError",
  "DeadlineError",
  "RemoteError"
])

/** A call failed with an error, which has to be one that it may fail with. */
const judgeError = ({ tally }: World, where: string, error: unknown) => {
  const { _tag: tag, code, detail } = error as {
    readonly _tag: string
    readonly code?: string
    readonly detail?: string
  }
  if (!callErrors.has(tag)) tally.problem(`${where}: ${tag}`)
  tally.outcome(code === undefined ? tag : `${tag} ${code}`)
  // That a session makes room for another is nobody's failure.
  if (code === "refused" && detail?.includes("ending")) tally.problem(`${where}: refused, ${detail}`)
  // Whoever keeps the rules never breaks one.
  if (tag === "ProtocolError" && !["ERR_BUSY", "ERR_PACKET_INCOMPLETE"].includes(code ?? "")) {
    tally.problem(`${where}: ${code}`)
  }
}

const judge = (world: World, where: string, from: Started, exit: Exit.Exit<string | undefined, unknown>) =>
  Effect.gen(function*() {
    const { tally } = world
    if (Exit.isSuccess(exit)) {
      if (exit.value !== undefined) tally.problem(exit.value)
      return tally.outcome("success")
    }
    const error = Cause.findError(exit.cause)
    if (Result.isSuccess(error)) return judgeError(world, where, error.success)
    if (Cause.hasDies(exit.cause)) return tally.problem(`${where}: ${Cause.pretty(exit.cause)}`)
    // One that is stopped is alive until it has.
    yield* Effect.sleep("1 second")
    if (from.process.isAlive()) tally.problem(`${where}: interrupted by nobody`)
    else tally.outcome("died with its node")
  })

// --- one after another -------------------------------------------------------------------------------------------------------

/** A node calls random others, one after another, until the run is over. */
export const caller = (world: World, name: string, n: number): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { names, nodes, seed, tally } = world
    const random = chance(seed, `caller ${name} ${n}`)
    for (let i = 0; !world.over; i++) {
      yield* Effect.sleep(random.below(300))
      const from = nodes.get(name)
      if (from === undefined || !from.process.isAlive()) {
        yield* Effect.sleep("500 millis")
        continue
      }
      const to = random.pick(names.filter((other) => other !== name))
      const where = `${name}/${n} call ${i} to ${to}`
      const patience = random.chance(0.1) ? 1 + random.below(1_000) : undefined
      const running = yield* Effect.forkChild(
        from.process.run(call(world, random, from, to, where) as Effect.Effect<string | undefined, unknown>)
      )
      const ended = yield* Effect.timeoutOption(
        Fiber.await(running),
        patience === undefined ? "3 minutes" : `${patience} millis`
      )
      if (ended._tag === "Some") {
        yield* judge(world, where, from, ended.value)
        continue
      }
      if (patience === undefined) tally.problem(`${where}: did not end`)
      else tally.outcome("interrupted")
      const stopping = yield* Effect.timeoutOption(Fiber.interrupt(running), "1 minute")
      if (stopping._tag === "None") tally.problem(`${where}: cannot be interrupted`)
    }
  })
