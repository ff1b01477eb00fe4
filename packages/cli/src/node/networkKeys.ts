/**
 * The network's keys from where the settings say: a file, standard input, a command, or, with a warning, a flag or a variable. Without any of these from the
 * file for the network in the folder for data, where there is one.
 */
import * as NetworkKey from "@pnet/core/NetworkKey"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Result from "effect/Result"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import { isAbsent } from "../absent.ts"
import { Problem } from "../errors.ts"
import { Machine, placesOf } from "../machine.ts"
import type { Settings } from "../settings/Settings.ts"
import { systemSays } from "../systemSays.ts"

const wrong = (what: string, hint?: string) =>
  new Problem({ exit: "usage", what, ...(hint === undefined ? {} : { hint }) })

/** The file with the keys of a network that the command itself keeps. */
export const keyFileOf = (machine: Machine["Service"], network: string): string =>
  `${placesOf(machine).data}/networks/${encodeURIComponent(network)}.keys`

/** The keys in a text: one a line, or with commas between them, besides comments. */
export const parse = (text: string, from: string): Effect.Effect<ReadonlyArray<NetworkKey.NetworkKey>, Problem> => {
  const keys = text.split("\n").flatMap((line) => line.replace(/#.*/, "").split(",")).map((key) => key.trim()).filter((
    key
  ) => key !== "")
  if (keys.length === 0) return Effect.fail(wrong(`${from} has no network key: it is empty`))
  return Effect.forEach(keys, (key) =>
    Result.match(NetworkKey.parse(key), {
      onFailure: (error) =>
        Effect.fail(wrong(
          `${from} was refused: ${error.problem}; expected the base64url text of 32 bytes, 44 characters`,
          "make one with: pnet key network make"
        )),
      onSuccess: Effect.succeed
    }))
}

// More than keys is not read.
const most = 65_536

/** The text of standard input. */
export const readStdin = Effect.gen(function*() {
  const stdio = yield* Stdio.Stdio
  if (yield* stdio.stdinIsTerminal) {
    return yield* wrong(
      "the network key is to come from standard input, which is a terminal",
      "pipe it in, or use --network-key-file"
    )
  }
  return yield* stdio.stdin.pipe(
    Stream.decodeText(),
    Stream.mkString,
    Effect.mapError((error) => wrong(`standard input could not be read: ${error.message}`))
  )
})

const runCommand = Effect.fnUntraced(function*(command: string) {
  const spawner = yield* ChildProcessSpawner
  return yield* Effect.scoped(Effect.gen(function*() {
    const child = yield* spawner.spawn(
      ChildProcess.make(command, [], { shell: true, stdin: "inherit", stdout: "pipe", stderr: "inherit" })
    )
    const text = yield* child.stdout.pipe(Stream.decodeText(), Stream.mkString)
    const code = yield* child.exitCode
    return { code: Number(code), text }
  })).pipe(
    Effect.mapError((error) => wrong(`the command for the network key could not be run: ${error.message}`)),
    Effect.filterOrFail(
      ({ code }) => code === 0,
      ({ code }) => wrong(`the command for the network key failed with exit code ${code}`)
    ),
    Effect.map(({ text }) => text.slice(0, most))
  )
})

/** The text of a file with keys, which nobody but its user may read; `undefined` where it is not there and was not asked for. */
export const readFile = Effect.fnUntraced(function*(path: string, asked: boolean) {
  const fs = yield* FileSystem.FileSystem
  const machine = yield* Machine
  const info = yield* fs.stat(path).pipe(
    Effect.catchTag("PlatformError", (error) =>
      isAbsent(error) && !asked
        ? Effect.undefined
        : Effect.fail(wrong(`the file with the network key, ${path}, could not be read: ${systemSays(error)}`)))
  )
  if (info === undefined) return undefined
  if (!machine.windows && (info.mode & 0o077) !== 0) {
    return yield* wrong(`others than you may read the network key in ${path}`, `run: chmod 600 ${path}`)
  }
  if (Number(info.size) > most) return yield* wrong(`${path} is too large for a file with network keys`)
  return yield* Effect.mapError(
    fs.readFileString(path),
    (error) => wrong(`${path} could not be read: ${error.message}`)
  )
})

/** The network's keys; none where the network is in clear. */
export const read = Effect.fnUntraced(function*({ sources, values }: Settings["Service"]): Effect.fn.Return<
  ReadonlyArray<NetworkKey.NetworkKey>,
  Problem,
  FileSystem.FileSystem | Machine | Stdio.Stdio | ChildProcessSpawner
> {
  const machine = yield* Machine
  // What was given nearest to the command line holds; two that are as near are a mistake.
  const given = (["networkKeyFile", "networkKeyCommand", "networkKeyStdin", "networkKey"] as const).filter((name) =>
    values[name] !== undefined && values[name] !== false
  )
  const order = ["flag", "environment", "profile", "file"] as const
  const nearest = order.map((from) =>
    given.filter((name) => sources[name].from === from)
  ).find((names) => names.length > 0) ?? []
  if (nearest.length > 1) {
    return yield* wrong(`the network key is to come from one place, and not from ${
      nearest.map((name) => sources[name].where).join(" and ")
    }`)
  }
  switch (nearest[0]) {
    case "networkKeyFile":
      return yield* parse((yield* readFile(values.networkKeyFile!, true))!, values.networkKeyFile!)
    case "networkKeyCommand":
      return yield* parse(yield* runCommand(values.networkKeyCommand!), "what the command for the network key printed")
    case "networkKeyStdin":
      return yield* parse(yield* readStdin, "standard input")
    case "networkKey":
      return yield* parse(values.networkKey!, sources.networkKey.where)
    default: {
      const path = keyFileOf(machine, values.network)
      const text = yield* readFile(path, false)
      return text === undefined ? [] : yield* parse(text, path)
    }
  }
})
