/**
 * Two of the demo's nodes, each in a process of its own, do with each other all that nodes do.
 */
import * as Effect from "effect/Effect"
import { type ChildProcess, spawn } from "node:child_process"
import { createSocket } from "node:dgram"
import { environment, fail, type Failed } from "./run.ts"

interface Event {
  readonly event: string
  readonly [key: string]: unknown
}

export interface Program {
  /** What it is called in a message about it. */
  readonly name: string
  readonly command: ReadonlyArray<string>
  readonly cwd: string
}

const freePort: Effect.Effect<number> = Effect.callback((resume) => {
  const socket = createSocket("udp4")
  socket.bind(0, "127.0.0.1", () => {
    const { port } = socket.address()
    socket.close(() => resume(Effect.succeed(port)))
  })
})

const start = (program: Program, env: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const [command, ...args] = program.command
      const child: ChildProcess = spawn(command!, args, {
        cwd: program.cwd,
        env: { ...environment, ...env },
        stdio: ["pipe", "pipe", "pipe"]
      })
      const seen: Array<Event> = []
      let text = ""
      let wake = () => {}
      let ended: number | undefined
      const read = (part: Buffer) => {
        text += part.toString()
        seen.length = 0
        for (const line of text.split("\n")) if (/^\{.*\}$/.test(line)) seen.push(JSON.parse(line))
        wake()
      }
      child.stdout!.on("data", read)
      child.stderr!.on("data", read)
      // One that has died is told of by what it does not say.
      child.stdin!.on("error", () => {})
      child.on("error", (error) => read(Buffer.from(error.message)))
      child.on("close", (code) => {
        ended = code ?? -1
        wake()
      })
      const until = <A>(what: string, look: () => A | undefined): Effect.Effect<A, Failed> =>
        Effect.callback<A, Failed>((resume) => {
          wake = () => {
            const found = look()
            if (found !== undefined) return resume(Effect.succeed(found))
            if (ended !== undefined) resume(fail(`${program.name} ended before it ${what}:\n${text.slice(-2_000)}`))
          }
          wake()
        }).pipe(Effect.timeoutOrElse({
          duration: "30 seconds",
          orElse: () => fail(`${program.name} has not ${what} in 30 seconds:\n${text.slice(-2_000)}`)
        }))
      return {
        child,
        say: (line: string) => Effect.sync(() => child.stdin!.write(`${line}\n`)),
        leave: Effect.sync(() => child.stdin!.end()),
        expect: (event: string, peer: string | undefined, good: (event: Event) => boolean = () => true) =>
          until(`${event}${peer === undefined ? "" : ` ${peer}`}`, () =>
            seen.find((one) => one.event === event && (peer === undefined || one.peer === peer))).pipe(
              Effect.filterOrElse(good, (one) =>
                fail(`${program.name} got ${JSON.stringify(one)}`))
            ),
        ended: until("ended", () => ended).pipe(
          Effect.filterOrElse((code) =>
            code === 0, (code) =>
            fail(`${program.name} ended with exit code ${code}:\n${text.slice(-2_000)}`))
        )
      }
    }),
    ({ child }) =>
      Effect.sync(() => child.kill("SIGKILL"))
  )

/** They find each other, send messages, make typed calls and stream 32 MiB, both ways; then one leaves, and then the other. */
export const converse = (first: Program, second: Program): Effect.Effect<void, Failed> =>
  Effect.gen(function*() {
    const port = yield* freePort
    const env = { PNET_NETWORK_ID: `release-${process.pid}-${port}`, PNET_ADVERTISE_PORT: String(port) }
    const a = yield* start(first, { ...env, PNET_NAME: "first" })
    const b = yield* start(second, { ...env, PNET_NAME: "second" })
    yield* a.expect("Joined", "second")
    yield* b.expect("Joined", "first")
    for (const [from, to] of [[a, "second"], [b, "first"]] as const) {
      yield* from.say(`message ${to} good morning`)
      yield* from.expect("answer", to, ({ text }) => text === `${to} heard "good morning"`)
      yield* from.say(`count ${to} one two three`)
      yield* from.expect("counted", to, ({ value }) => JSON.stringify(value) === `{"words":3,"longest":"three"}`)
      yield* from.say(`file ${to}`)
      yield* from.expect("sent", to, ({ same }) => same === true)
    }
    yield* b.leave
    yield* a.expect("Left", "second")
    yield* b.ended
    yield* a.leave
    yield* a.ended
  }).pipe(Effect.scoped)
