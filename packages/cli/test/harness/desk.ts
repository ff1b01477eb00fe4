/**
 * Somebody at a machine of a simulated network who runs `pnet`: the command's own program, with the machine's sockets simulated, keys and files in memory, and
 * all that it prints kept. It costs milliseconds; what only a process or a terminal has is tested with `binary.ts`.
 *
 * ```ts
 * class Home extends TestNetwork.Service<Home>()("test/Home", { seed: 1, nodes: { bob: TestNetwork.node({ functions }) } }) {}
 * const alice = yield* desk((yield* Home).network, "alice")
 * const { code, stdout } = yield* alice.run("call", "bob", "add", "1", "2")
 * ```
 */
import * as Crypto from "@pnet/core/Crypto"
import * as NetworkKey from "@pnet/core/NetworkKey"
import * as TofuTrust from "@pnet/core/TofuTrust"
import * as Trust from "@pnet/core/Trust"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import type * as SimNetwork from "@pnet/testing/SimNetwork"
import type * as Cause from "effect/Cause"
import { TerminalCapabilities } from "effect/cli/TerminalCapabilities"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as PlatformError from "effect/PlatformError"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import { Machine } from "../../src/machine.ts"
import { KeyHeldError, NodeParts } from "../../src/node/NodeParts.ts"
import { type ShapeName, shapes } from "../../src/output/shapes.ts"
import { program } from "../../src/program.ts"
import { preload } from "../../src/tree.ts"
import { interruptedAfter } from "./interrupt.ts"

// Loading a module takes real time, in which virtual time would fly.
await preload()

/** What a command left behind. */
export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** A command that runs. */
export interface Running {
  readonly stdout: () => string
  readonly stderr: () => string
  /** Waits until it has printed something, on either output. */
  readonly says: (text: string | RegExp) => Effect.Effect<void>
  /** Ctrl-C, and what it left behind. The code is 130. */
  readonly interrupt: Effect.Effect<Ran>
  /** Waits for its end. */
  readonly end: Effect.Effect<Ran>
}

/** How a command is run. */
export interface How {
  readonly env?: Record<string, string | undefined>
  /** What is piped in; `broken` is a pipe that cannot be read. */
  readonly stdin?: string | Uint8Array | Stream.Stream<Uint8Array>
  /** Whether its standard input is typed at a terminal. */
  readonly typed?: boolean
  /** The milliseconds by which its clock is ahead of UTC. Default 0. */
  readonly zone?: number
  /** The columns of the terminal that it prints to. Default: it prints to no terminal. */
  readonly columns?: number
  readonly colors?: boolean
  /** How long whoever reads its output takes for each piece. Default: no time. */
  readonly slow?: Duration.Input
  /** How long whoever typed it waits before anything else, so that everybody has heard that it left. Default 1 second. */
  readonly moment?: Duration.Input
}

/** The values of standard output with `--json`: each is checked against the shape that its `type` names, and what is in no shape is a failure. */
export const values = (stdout: string): ReadonlyArray<Record<string, any> & { readonly type: ShapeName }> =>
  stdout.split("\n").filter((line) => line !== "").map((line) => {
    const { type, ...value } = JSON.parse(line)
    if (!Object.hasOwn(shapes, type)) throw new Error(`no shape is called ${type}: ${line}`)
    Schema.decodeUnknownSync(shapes[type as ShapeName] as Schema.Codec<unknown, unknown>)(value, {
      onExcessProperty: "error"
    })
    return { type, ...value }
  })

const notThere = (method: string, path: string) =>
  PlatformError.systemError({ module: "FileSystem", method, _tag: "NotFound", pathOrDescriptor: path })

/** The least of a file system: files that are there or not. */
const filesIn = (files: Map<string, string>): Layer.Layer<FileSystem.FileSystem> =>
  FileSystem.layerNoop({
    readFileString: (path) =>
      Effect.suspend(() => {
        const text = files.get(path)
        return text === undefined ? Effect.fail(notThere("readFileString", path)) : Effect.succeed(text)
      }),
    writeFileString: (path, text) => Effect.sync(() => void files.set(path, text)),
    exists: (path) => Effect.sync(() => files.has(path)),
    makeDirectory: () => Effect.void,
    rename: (from, to) =>
      Effect.suspend(() => {
        const text = files.get(from)
        if (text === undefined) return Effect.fail(notThere("rename", from))
        files.delete(from)
        files.set(to, text)
        return Effect.void
      })
  })

/** A machine of the network with a user. */
export const desk = Effect.fnUntraced(function*(
  network: SimNetwork.SimNetwork["Service"],
  name: string,
  /** Its files, where some are read and written besides those of settings. */
  disk?: Layer.Layer<FileSystem.FileSystem>
) {
  const host = yield* network.host(name)
  const keys = new Map<string, Crypto.KeyPair>()
  const held = new Map<string, string>()
  const files = new Map<string, string>()
  // What one command has learnt of peers the next one knows, as by a file of known peers.
  const known = TofuTrust.make()
  const crypto = NodeCrypto.layer

  const parts = Layer.succeed(NodeParts, {
    machine: Layer.suspend(() => Layer.merge(Layer.fresh(host.layer), crypto)),
    hold: (of) =>
      Effect.gen(function*() {
        if (held.has(of)) return yield* new KeyHeldError({ name: of, holder: { pid: 1, since: held.get(of)! } })
        held.set(of, DateTime.formatIso(yield* DateTime.now))
        yield* Effect.addFinalizer(() => Effect.sync(() => held.delete(of)))
        const pair = keys.get(of) ?? Crypto.Crypto.useSync((made) => made.generateKeyPair())
        const key = Effect.isEffect(pair) ? yield* Effect.provide(pair, crypto) : pair
        keys.set(of, key)
        return key
      }),
    // Of a file alone: no terminal, command or folder of its own has any here.
    networkKeys: ({ values: { networkKeyFile } }) =>
      Effect.sync(() =>
        networkKeyFile === undefined ? [] : [Result.getOrThrow(NetworkKey.parse(files.get(networkKeyFile) ?? ""))]
      ),
    trust: () => Layer.succeed(Trust.Trust, known),
    files: Layer.empty
  })

  /** What a run has around it, and what it wrote so far. */
  const surroundings = (how: How) => {
    const written = { stdout: "", stderr: "" }
    const decoder = new TextDecoder()
    const sink = (to: "stdout" | "stderr") => () =>
      Sink.forEach((chunk: string | Uint8Array) =>
        Effect.andThen(
          Effect.sync(() => {
            written[to] += typeof chunk === "string" ? chunk : decoder.decode(chunk)
          }),
          how.slow === undefined ? Effect.void : Effect.sleep(how.slow)
        )
      )
    const isTerminal = Effect.succeed(how.columns !== undefined)
    const terminal = <A>(effect: Effect.Effect<A>) =>
      how.columns === undefined ? Effect.die("there is no terminal") : effect
    const layer = Layer.mergeAll(
      parts,
      disk ?? filesIn(files),
      Path.layer,
      Layer.succeed(Machine, {
        env: { PNET_NETWORK_ID: "test", PNET_BIND_IP: "0.0.0.0", ...how.env },
        hostname: name,
        user: undefined,
        home: "/home/user",
        pid: 1,
        windows: false,
        zone: () => DateTime.zoneMakeOffset(how.zone ?? 0)
      }),
      Stdio.layerTest({
        stdout: sink("stdout"),
        stderr: sink("stderr"),
        stdin: how.stdin === undefined
          ? Stream.empty
          : how.stdin === "broken"
          ? Stream.fail(PlatformError.systemError({ module: "Stdio", method: "stdin", _tag: "BadResource" }))
          : Stream.isStream(how.stdin)
          ? how.stdin
          : Stream.succeed(typeof how.stdin === "string" ? new TextEncoder().encode(how.stdin) : how.stdin),
        stdoutIsTerminal: isTerminal,
        stderrIsTerminal: isTerminal,
        stdinIsTerminal: Effect.succeed(how.stdin === undefined || how.typed === true)
      }),
      Layer.succeed(
        Terminal.Terminal,
        Terminal.make({
          columns: Effect.succeed(how.columns ?? 0),
          rows: Effect.succeed(24),
          size: terminal(Queue.unbounded<Terminal.Size, Cause.Done>()),
          readInput: terminal(Queue.unbounded<Terminal.UserInput, Cause.Done>()),
          readLine: Effect.die("there is no terminal"),
          display: () => Effect.void
        })
      ),
      Layer.succeed(TerminalCapabilities, {
        canColor: how.colors ?? false,
        canAnimate: how.columns !== undefined,
        canPrompt: false
      }),
      Layer.succeed(
        ChildProcessSpawner.ChildProcessSpawner,
        ChildProcessSpawner.make(() => Effect.die("nothing is started in a simulation"))
      )
    )
    return { layer, written }
  }

  const runWith = (how: How, ...words: ReadonlyArray<string>): Effect.Effect<Ran> =>
    Effect.suspend(() => {
      const { layer, written } = surroundings(how)
      return Effect.map(
        // Whoever types the next one takes a moment, in which everybody hears that this one left.
        Effect.tap(Effect.provide(program(words), layer), Effect.sleep(how.moment ?? "1 second")),
        (code) => ({ code, ...written })
      )
    }) as Effect.Effect<Ran>

  const startWith = (how: How, ...words: ReadonlyArray<string>): Effect.Effect<Running, never, Scope.Scope> =>
    Effect.gen(function*() {
      const { layer, written } = surroundings(how)
      const fiber = yield* Effect.forkScoped(Effect.provide(program(words), layer) as Effect.Effect<number>, {
        startImmediately: true
      })
      const ran = (code: number): Ran => ({ code, ...written })
      return {
        stdout: () => written.stdout,
        stderr: () => written.stderr,
        says: (text) =>
          Effect.gen(function*() {
            const said = () => {
              const all = written.stdout + written.stderr
              return typeof text === "string" ? all.includes(text) : text.test(all)
            }
            for (let i = 0; !said(); i++) {
              if (i > 600) return yield* Effect.die(new Error(`it never said ${text}, but: ${JSON.stringify(written)}`))
              yield* Effect.sleep("100 millis")
            }
          }),
        interrupt: Fiber.interrupt(fiber).pipe(
          Effect.andThen(Effect.sleep(how.moment ?? "1 second")),
          Effect.map(() => ran(130))
        ),
        end: Effect.map(Fiber.join(fiber), ran)
      }
    })

  /** Ctrl-C after so many steps, or after a time where it goes on for longer. */
  const interrupted = (how: How, steps: number, within: Duration.Input, ...words: ReadonlyArray<string>) =>
    Effect.suspend(() => {
      const { layer, written } = surroundings(how)
      const running = Effect.provide(program(words), layer) as Effect.Effect<number>
      return Effect.map(
        interruptedAfter(steps, running, Effect.sleep(within)),
        ({ exit, steps }) => ({ exit, steps, ...written })
      )
    })

  return {
    host,
    /** Files by their paths, as the command finds them. */
    files,
    /** Names whose keys are in use, and since when. */
    held,
    /** The public key of a name that was in use. */
    key: (of: string) => Effect.sync(() => keys.get(of)!.publicKey),
    run: (...words: ReadonlyArray<string>) => runWith({}, ...words),
    runWith,
    interrupted,
    start: (...words: ReadonlyArray<string>) => startWith({}, ...words),
    startWith
  }
})

/** A machine of the network with a user. */
export type Desk = Effect.Success<ReturnType<typeof desk>>
