/**
 * Random work between nodes while their network and machines fail, all from one seed: shared by a test (a few seeds) and the
 * script that runs as many as it is told.
 */
import { type AdvancedNode, Crypto, Identity } from "@pnet/core"
import { SimNetwork } from "@pnet/testing"
import { Cause, Effect, Exit, Fiber, Logger, Result, Stream } from "effect"
import { bytes, seeded, start, type Started, text } from "../worlds/sessionWorld.ts"

/** Chance from a seed and a purpose. */
const chance = (seed: number, purpose: string) => {
  let state = seed >>> 0
  for (const letter of purpose) state = Math.imul(state ^ letter.charCodeAt(0), 0x01000193) >>> 0
  const next = () => {
    state = state + 0x6d2b79f5 >>> 0
    let t = Math.imul(state ^ state >>> 15, 1 | state)
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t
    return ((t ^ t >>> 14) >>> 0) / 4_294_967_296
  }
  return {
    next,
    below: (n: number) => Math.floor(next() * n),
    pick: <A>(items: ReadonlyArray<A>): A => items[Math.floor(next() * items.length)]!,
    chance: (p: number) => next() < p
  }
}

type Chance = ReturnType<typeof chance>

const longest = 600_000
// Without a short period, so that bytes that are missing, doubled or out of order show.
const pattern = Uint8Array.from({ length: longest + 256 }, (_, i) => i * 3 + (i >>> 8) ^ i >>> 16)
const expected = (key: number, from: number, length: number) => pattern.subarray(key + from, key + from + length)

const source = (random: Chance, key: number, size: number, slow: boolean): Stream.Stream<Uint8Array> => {
  let at = 0
  const piece = random.pick(slow ? [10_000, 70_000] : [100, 10_000, 70_000])
  return Stream.fromEffectRepeat(Effect.suspend(() => {
    if (at >= size) return Cause.done()
    const length = Math.min(size - at, 1 + random.below(piece))
    const part = expected(key, at, length)
    at += length
    return slow ? Effect.as(Effect.sleep(random.below(40)), part) : Effect.succeed(part)
  })).pipe(Stream.rechunk(1))
}

class Wrong extends Error {}

/** Whether bytes go on where those before ended. */
const checker = (key: number, problems: Array<string>, where: string) => {
  let at = 0
  return {
    take: (part: Uint8Array) => {
      if (Buffer.compare(part, expected(key, at, part.length)) !== 0) {
        problems.push(`${where}: wrong bytes after ${at}`)
        throw new Wrong(`wrong bytes after ${at}`)
      }
      at += part.length
    },
    get length() {
      return at
    }
  }
}

export interface Scenario {
  readonly seed: number
  /** Virtual seconds during which calls begin and things fail. Default 40. */
  readonly seconds?: number
}

export interface WorkloadResult {
  /** Calls by what came of them. */
  readonly outcomes: Readonly<Record<string, number>>
  /** Whatever must not happen, in words. */
  readonly problems: ReadonlyArray<string>
  /** Faults that were made, by kind. */
  readonly faults: Readonly<Record<string, number>>
}

const callErrors = new Set([
  "PeerUnknownError",
  "NameConflictError",
  "DialError",
  "ProtocolError",
  "PeerLostError",
  "StreamResetError",
  "RemoteError"
])

export const workload = (scenario: Scenario): Effect.Effect<WorkloadResult> =>
  Effect.gen(function*() {
    const { seed, seconds = 40 } = scenario
    const outcomes: Record<string, number> = {}
    const faults: Record<string, number> = {}
    const problems: Array<string> = []
    const count = (record: Record<string, number>, key: string) => {
      record[key] = (record[key] ?? 0) + 1
    }
    const random = chance(seed, "world")
    const watch = Logger.layer([Logger.make<unknown, void>(({ cause, message }) => {
      if (Cause.hasDies(cause) || String(message).includes("Unhandled")) {
        problems.push(`logged: ${String(message)} ${Cause.pretty(cause)}`)
      }
    })])
    const network = yield* SimNetwork.make({
      seed,
      traceCapacity: 0,
      link: {
        latency: { min: "1 millis", max: `${1 + random.below(random.pick([5, 50]))} millis` },
        loss: random.pick([0, 0.01, 0.05]),
        bandwidth: random.pick([Infinity, Infinity, 2_000_000])
      },
      streams: { chunking: random.pick(["random", "joined"]), window: random.pick([262_144, 262_144, 20_000]) }
    })
    const framing = random.pick(["binary", "binary", "text"] as const)
    const limits = {
      sessionAge: random.pick(["1 hour", "7 seconds"] as const),
      sessionIdle: random.pick(["5 minutes", "1 second"] as const),
      streams: random.pick([1_024, 4]),
      credit: random.pick([1 << 28, 16 * 262_144])
    }

    const functions: Record<string, AdvancedNode.Handler> = {
      echo: ({ bytes }) => bytes,
      slow: ({ bytes }) => Stream.mapEffect(bytes, (part) => Effect.as(Effect.sleep("20 millis"), part)),
      // The first byte is the key.
      upload: ({ bytes, command, from }) =>
        Effect.suspend(() => {
          let check: ReturnType<typeof checker> | undefined
          return Effect.map(
            Stream.runForEach(bytes, (part) =>
              Effect.sync(() => {
                if (check !== undefined) return check.take(part)
                check = checker(part[0]!, problems, `${command} from ${from.name}`)
                check.take(part.subarray(1))
              })),
            () => `${check?.length ?? 0}`
          )
        }),
      download: ({ text }) =>
        Effect.map(text, (order) => {
          const [key, size] = order.split(" ").map(Number)
          return source(chance(key!, order), key!, size!, false)
        }),
      fail: ({ bytes }) => Effect.andThen(Stream.runDrain(Stream.take(bytes, 1)), Effect.fail("as ordered")),
      ignore: () => Effect.succeed("ignored"),
      hang: () => Effect.never
    }
    const names = Array.from({ length: 2 + random.below(3) }, (_, i) => `node${i}`)
    const crypto = yield* seeded(seed)
    const nodes = new Map<string, Started>()
    const launch = (name: string, identity: Crypto.KeyPair, host?: SimNetwork.Host) =>
      Effect.map(
        start(
          network,
          { name, identity, framing, limits, functions },
          { logger: watch, ...(host === undefined ? {} : { host }) }
        ),
        (node) => {
          nodes.set(name, node)
          return node
        }
      )
    const identities = new Map<string, Crypto.KeyPair>()
    for (const name of names) {
      const identity = yield* Identity.generate.pipe(Effect.provideService(Crypto.Crypto, crypto))
      identities.set(name, identity)
      yield* launch(name, identity)
    }
    yield* Effect.sleep("1 second")

    // --- calls -----------------------------------------------------------------------------------------------------------

    /** Something asked of a peer; gives `undefined`, or what is wrong with a success. */
    const call = (random: Chance, { node }: Started, to: string, where: string) => {
      const kind = random.pick(["echo", "echo", "slow", "upload", "download", "fail", "ignore", "hang", "request"])
      const key = random.below(256)
      const size = random.pick([0, 1, 100, 16_384, 100_000, 262_144, random.below(longest)])
      const options = kind === "hang" || random.chance(0.1)
        ? { deadline: `${1 + random.below(random.pick([20, 5_000]))} millis` as const }
        : undefined
      const check = checker(key, problems, where)
      const given = () => random.chance(0.3) ? expected(key, 0, size) : source(random, key, size, random.chance(0.3))
      const whole = (got: number) => got === size ? undefined : `${where}: ${got} bytes of ${size}`
      switch (kind) {
        case "echo":
        case "slow": {
          const part = random.chance(0.2) ? 1 + random.below(5) : Infinity
          return Stream.runForEach(
            part === Infinity
              ? node.send(to, kind, given(), options)
              : Stream.take(node.send(to, kind, given(), options), part),
            (bytes) => Effect.sync(() => check.take(bytes))
          ).pipe(Effect.map(() => part === Infinity ? whole(check.length) : undefined))
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
          return Effect.map(
            Stream.runForEach(node.send(to, "download", `${key} ${size}`, options), (bytes) =>
              Effect.sync(() => check.take(bytes))),
            () =>
              whole(check.length)
          )
        case "request":
          return Effect.map(node.request(to, "echo", expected(key, 0, size), options), (answer) => {
            check.take(answer)
            return whole(answer.length)
          })
        case "fail":
          return Effect.map(node.request(to, "fail", given(), options), () => `${where}: fail did not`)
        case "ignore":
          return Effect.map(node.request(to, "ignore", given(), options), (answer) =>
            text(answer) === "ignored" ? undefined : `${where}: ${text(answer)}`)
        default:
          return Effect.map(node.request(to, "hang", "x", options), () =>
            `${where}: hang answered`)
      }
    }

    let over = false
    const caller = (name: string, n: number) =>
      Effect.gen(function*() {
        const random = chance(seed, `caller ${name} ${n}`)
        for (let i = 0; !over; i++) {
          yield* Effect.sleep(random.below(300))
          const from = nodes.get(name)
          if (from === undefined || !from.process.isAlive()) {
            yield* Effect.sleep("500 millis")
            continue
          }
          const to = random.pick(names.filter((other) =>
            other !== name
          ))
          const where = `${name}/${n} call ${i} to ${to}`
          const patience = random.chance(0.1) ? 1 + random.below(1_000) : Infinity
          const running = yield* Effect.forkChild(from.process.run(call(random, from, to, where)))
          const ended = yield* Fiber.await(running).pipe(
            Effect.timeoutOption(patience === Infinity ? "3 minutes" : `${patience} millis`)
          )
          if (ended._tag === "None") {
            if (patience === Infinity) problems.push(`${where}: did not end`)
            else count(outcomes, "interrupted")
            const stopping = yield* Effect.timeoutOption(Fiber.interrupt(running), "1 minute")
            if (stopping._tag === "None") problems.push(`${where}: cannot be interrupted`)
            continue
          }
          const exit = ended.value
          if (Exit.isSuccess(exit)) {
            if (exit.value !== undefined) problems.push(exit.value)
            count(outcomes, "success")
            continue
          }
          const error = Cause.findError(exit.cause)
          if (Result.isSuccess(error)) {
            const { _tag: tag, code, detail } = error.success as {
              readonly _tag: string
              readonly code?: string
              readonly detail?: string
            }
            if (!callErrors.has(tag)) problems.push(`${where}: ${tag}`)
            count(outcomes, code === undefined ? tag : `${tag} ${code}`)
            // That a session makes room for another is nobody's failure.
            if (code === "refused" && detail?.includes("ending")) problems.push(`${where}: refused, ${detail}`)
            // Whoever keeps the rules never breaks one.
            if (tag === "ProtocolError" && !["ERR_BUSY", "ERR_PACKET_INCOMPLETE"].includes(code ?? "")) {
              problems.push(`${where}: ${code}`)
            }
          } else if (Cause.hasDies(exit.cause)) problems.push(`${where}: ${Cause.pretty(exit.cause)}`)
          else {
            // One that is stopped is alive until it has.
            yield* Effect.sleep("1 second")
            if (from.process.isAlive()) problems.push(`${where}: interrupted by nobody`)
            else count(outcomes, "died with its node")
          }
        }
      })

    // --- faults ----------------------------------------------------------------------------------------------------------

    const fault = Effect.gen(function*() {
      const random = chance(seed, "faults")
      while (!over) {
        yield* Effect.sleep(500 + random.below(6_000))
        if (over) return
        const name = random.pick(names)
        const node = nodes.get(name)!
        const other = nodes.get(random.pick(names.filter((each) => each !== name)))!
        const kind = random.pick(["partition", "one way", "pause", "kill", "crash", "stop", "delay"])
        count(faults, kind)
        const lasting = 200 + random.below(random.pick([3_000, 14_000]))
        switch (kind) {
          case "partition":
          case "one way": {
            yield* network.partition(node.host, other.host, { oneWay: kind === "one way" })
            yield* Effect.sleep(lasting)
            yield* network.heal(node.host, other.host)
            break
          }
          case "pause": {
            yield* node.process.pause
            yield* Effect.sleep(lasting)
            yield* node.process.resume
            break
          }
          case "delay": {
            yield* network.setPath(node.host, other.host, { latency: `${random.below(1_500)} millis` })
            yield* Effect.sleep(lasting)
            yield* network.setPath(node.host, other.host, undefined)
            break
          }
          default: {
            yield* kind === "kill"
              ? node.process.kill
              : kind === "crash"
              ? Effect.andThen(node.host.crash, node.host.restart)
              : node.process.stop
            yield* Effect.sleep(random.pick([0, lasting]))
            yield* launch(name, identities.get(name)!, node.host)
          }
        }
      }
    })

    const callers = yield* Effect.forEach(
      names.flatMap((name) => [1, 2, 3].map((n) => [name, n] as const)),
      ([name, n]) => Effect.forkChild(caller(name, n))
    )
    const faulty = yield* Effect.forkChild(fault)
    yield* Effect.sleep(seconds * 1_000)
    over = true
    yield* Fiber.join(faulty)
    yield* network.heal()
    for (const fiber of callers) yield* Fiber.join(fiber)

    // --- and then everything works, and nothing is left -------------------------------------------------------------------

    yield* Effect.sleep("30 seconds")
    for (const from of names) {
      for (const to of names) {
        if (from === to) continue
        const exit = yield* Effect.exit(nodes.get(from)!.process.run(nodes.get(from)!.node.request(to, "echo", "end")))
        if (!Exit.isSuccess(exit) || Buffer.compare(exit.value, bytes("end")) !== 0) {
          problems.push(
            `${from} cannot reach ${to} at the end: ${Exit.isSuccess(exit) ? "" : Cause.pretty(exit.cause)}`
          )
        }
      }
    }
    yield* Effect.sleep("1 second")
    for (const [name, { node }] of nodes) {
      for (const { dialled, peer, streams } of yield* node.sessions.all) {
        if (streams > 0) {
          problems.push(`${name} has ${streams} streams on the session ${dialled ? "to" : "from"} ${peer.name}`)
        }
      }
    }
    yield* Effect.forEach(nodes.values(), ({ process }) => process.stop, { concurrency: "unbounded", discard: true })
    yield* Effect.sleep("1 second")
    for (const socket of network.openSockets()) {
      problems.push(`left open: ${socket.kind} of ${socket.host} to ${socket.remote}`)
    }
    return { outcomes, faults, problems }
  }).pipe(Effect.scoped)
