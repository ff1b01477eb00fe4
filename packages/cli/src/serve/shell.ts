/**
 * Functions that are commands of the shell. A caller's input is the command's standard input, and what it prints is the answer. Arguments that are declared are
 * positional parameters: nothing that a caller sends is ever read by the shell.
 *
 * Each is served by JSON, for `pnet call`, and one that needs no arguments over bytes as well, for `pnet pipe`.
 */
import type * as AdvancedNode from "@pnet/core/AdvancedNode"
import * as Command from "@pnet/core/Command"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Problem } from "../errors.ts"
import { called, endOf, type ownEvent } from "../node/events.ts"
import * as Stragglers from "./stragglers.ts"

/** What an argument may be. */
export type ArgType = keyof typeof types

// No argument of a program has a NUL in it.
const types = {
  text: Schema.String.check(Schema.isPattern(/^[^\0]*$/)),
  int: Schema.Int,
  number: Schema.Finite
}

/** A command of the shell, with the names of its arguments. */
export interface ShellFunction {
  readonly name: string
  readonly command: string
  readonly args: ReadonlyArray<string>
  /** What each of them may be. */
  readonly types: ReadonlyArray<ArgType>
  /** The last argument stands for as many as there are. */
  readonly variadic: boolean
}

/** The command failed, or could not be run. */
export class CommandFailed extends Schema.TaggedError<CommandFailed>("@pnet/cli/serve/CommandFailed")("CommandFailed", {
  /** Its exit code; left out where it did not run. */
  code: Schema.optionalKey(Schema.Int),
  /** What it printed on standard error, the end of it. */
  message: Schema.String
}) {}

const form = /^([^=()\s]+)\s*(?:\(([^()]*)\))?\s*=(.*)$/s
const declared = /^(\.\.\.)?([A-Za-z_][A-Za-z0-9_-]*)(?:\s*:\s*([a-z]+))?$/
// Where shells reckon: (( )), $[ ], let, and [[ ]] that compares numbers.
const reckoned =
  /\(\((?:(?!\)\))[^])*|\$\[[^\]]*|\blet\s[^;\n]*|\[\[\s(?:(?!\]\])[^])*?\s-(?:eq|ne|lt|le|gt|ge)\s(?:(?!\]\])[^])*/g
const parameter = /\$\{?(?:(\d+)|([@*])|PNET_CALLER\b)|\bPNET_CALLER\b|(?:\$\(|`)\s*cat\b/g
// What gives a variable a value: an assignment, a loop, and what is read.
const given =
  /\b([A-Za-z_]\w*)=((?:"[^"]*"|\$\([^)]*\)|[^\s;|&])*)|\bfor\s+([A-Za-z_]\w*)(\s+in\s[^;\n]*)?|\bread\b([^;|&\n]*)/g

/** Whether a part of a command has a text in it that the caller has chosen. */
const hasText = (part: string, types: ReadonlyArray<ArgType>): boolean =>
  [...part.matchAll(parameter)].some(([, place, all]) =>
    place === undefined
      ? all === undefined || types.includes("text")
      : Number(place) > 0 && (types[Number(place) - 1] ?? types.at(-1)) === "text"
  )

/** The variables of a command whose values a caller has chosen, as far as that is to be seen. */
const chosen = (command: string, types: ReadonlyArray<ArgType>): ReadonlyArray<string> =>
  [...command.matchAll(given)].flatMap(([, name, value = "", each, list, read]) => {
    if (read !== undefined) return read.match(/(?<![-\w])[A-Za-z_]\w*/g) ?? ["REPLY"]
    if (each !== undefined) return (list === undefined ? types.includes("text") : hasText(list, types)) ? [each] : []
    return name !== undefined && hasText(value, types) ? [name] : []
  })

/**
 * Whether the shell reckons with a text of the caller's: some shells run what stands in a text then as if it stood in the command, `x[$(rm -r .)]`. It is a
 * look at the command, and no proof: what goes by several ways is not followed.
 */
const reckonsWithText = (command: string, types: ReadonlyArray<ArgType>): boolean => {
  const variables = chosen(command, types)
  return [...command.matchAll(reckoned)].some(([inside]) =>
    hasText(inside, types) || (inside.match(/[A-Za-z_]\w*/g) ?? []).some((word) => variables.includes(word))
  )
}

/** Reads `NAME=COMMAND`, `NAME(ARG, …)=COMMAND`, `NAME(...ARGS)=COMMAND`. An argument is text, or a number where it says so: `a: int`, `a: number`. */
export const parseFn = (text: string): Effect.Effect<ShellFunction, Problem> => {
  const wrong = (what: string) =>
    Effect.fail(
      new Problem({
        exit: "usage",
        what: `--fn ${JSON.stringify(text)}: ${what}`,
        hint: "such as --fn 'add(a: int, b: int)=echo $(($1 + $2))'"
      })
    )
  const match = form.exec(text)
  if (match === null) return wrong("it is not NAME=COMMAND")
  const [, name, list, command] = match as unknown as readonly [string, string, string | undefined, string]
  if (command.trim() === "") return wrong("there is no command")
  const words = list === undefined || list.trim() === "" ? [] : list.split(",").map((arg) => arg.trim())
  const args: Array<string> = []
  const kinds: Array<ArgType> = []
  for (const [i, text] of words.entries()) {
    const [, rest, arg, type = "text"] = declared.exec(text) ?? []
    if (arg === undefined) return wrong(`${JSON.stringify(text)} is no name of an argument`)
    if (!Object.hasOwn(types, type)) {
      return wrong(`${JSON.stringify(type)} is no type of an argument: ${Object.keys(types).join(", ")}`)
    }
    if (rest !== undefined && i < words.length - 1) {
      return wrong("what stands for the rest of the arguments has to be the last one")
    }
    args.push(arg)
    kinds.push(type as ArgType)
  }
  if (new Set(args).size < args.length) return wrong("two arguments have one name")
  if (reckonsWithText(command, kinds)) {
    return wrong(
      "where it reckons, as in (( )), the shell would run what stands in a caller's text; say that the arguments are numbers, such as (a: int)"
    )
  }
  const variadic = words.at(-1)?.startsWith("...") === true
  return Effect.succeed({ name, command, args, types: kinds, variadic })
}

// Of what a command prints on standard error the end is kept, which says most.
const errorKept = 2_048
/** Calls of one function at once, each of which is a process, and how many wait. */
export const atOnce = { running: 16, waiting: 64 }
// What is answered as JSON is held whole. What prints more is for `pnet pipe`.
const answerMost = 4 * 1024 * 1024

interface Calling {
  readonly from: { readonly name: string; readonly publicKey: string }
}

const childOf = (
  { command, name }: ShellFunction,
  args: ReadonlyArray<string>,
  from: Calling["from"],
  mark: string
) =>
  ChildProcess.make("sh", ["-c", command, name, ...args], {
    // Who calls, and none of this node's secrets.
    env: {
      PNET_CALLER: from.name.replaceAll("\0", ""),
      PNET_CALLER_KEY: from.publicKey,
      PNET_NETWORK_KEY: undefined,
      [Stragglers.variable]: mark
    },
    extendEnv: true,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    forceKillAfter: "2 seconds"
  })

const failing = (error: { readonly message: string }) => new CommandFailed({ message: error.message })

/** What a command gives for some input, as it prints it. It is killed, with all that it started, where the caller wants no more. */
export const running = (
  fn: ShellFunction,
  args: ReadonlyArray<string>,
  from: Calling["from"],
  input: Stream.Stream<Uint8Array, unknown>
): Stream.Stream<Uint8Array, CommandFailed, ChildProcessSpawner | FileSystem.FileSystem> =>
  Stream.unwrap(Effect.gen(function*() {
    const spawner = yield* ChildProcessSpawner
    const mark = yield* Stragglers.mark
    let ended = false
    // Of arguments that are longer than the system takes it has nothing but an exception to say.
    const child = yield* Effect.catchDefect(
      Effect.mapError(spawner.spawn(childOf(fn, args, from, mark)), failing),
      (defect) => Effect.fail(failing(defect instanceof Error ? defect : { message: "it could not be started" }))
    )
    // What a command that ended by itself has left running was meant to run on.
    const fs = yield* FileSystem.FileSystem
    yield* Effect.addFinalizer(() =>
      ended ? Effect.void : Effect.provideService(Stragglers.end(mark), FileSystem.FileSystem, fs)
    )
    // A command that reads none of it, or not all, is none the worse for it.
    yield* Effect.forkScoped(Effect.ignore(Stream.run(input, child.stdin)))
    let said = ""
    const errors = yield* Effect.forkScoped(
      Effect.ignore(Stream.runForEach(Stream.decodeText(child.stderr), (text) =>
        Effect.sync(() => {
          said = (said + text).slice(-errorKept)
        })))
    )
    const end = Effect.gen(function*() {
      const code = Number(yield* Effect.mapError(child.exitCode, failing))
      ended = true
      if (code === 0) return
      // Something that it started and left may hold it open.
      yield* Effect.timeoutOption(Fiber.await(errors), "200 millis")
      return yield* new CommandFailed({ code, message: said.trim() || `it ended with exit code ${code}` })
    })
    return Stream.concat(Stream.mapError(child.stdout, failing), Stream.drain(Stream.fromEffect(end)))
  }))

/** All that a command prints, up to what one answer may be. */
export const printed = <R>(
  bytes: Stream.Stream<Uint8Array, CommandFailed, R>
): Effect.Effect<string, CommandFailed, R> =>
  Effect.suspend(() => {
    let length = 0
    return bytes.pipe(
      Stream.mapEffect((chunk) => {
        length += chunk.length
        return length > answerMost
          ? Effect.fail(
            new CommandFailed({ message: `it printed more than ${answerMost} bytes, which pnet pipe is for` })
          )
          : Effect.succeed(chunk)
      }),
      Stream.decodeText(),
      Stream.mkString,
      Effect.map(chomp)
    )
  })

/** The text that a command printed, without the last line's end, as `$( )` has it. */
const chomp = (text: string): string => text.replace(/\r?\n$/, "")

/** What a function takes and gives, as its node describes it. The command itself is nobody's business. */
const contractOf = ({ args, name, types: kinds, variadic }: ShellFunction) => {
  const named = args.map((title, i): Schema.Codec<string | number> => types[kinds[i]!].annotate({ title }))
  const input = Schema.String.annotate({ title: "input", description: "Its standard input" })
  const list = args.length === 0
    ? Schema.Tuple([Schema.optionalKey(input)])
    : variadic
    ? Schema.TupleWithRest(Schema.Tuple(named.slice(0, -1)), [named.at(-1)!])
    : Schema.Tuple(named)
  return Command.make(name, {
    description: "A command of the shell",
    args: list as unknown as Schema.Codec<ReadonlyArray<string | number>, ReadonlyArray<string | number>>,
    kwargs: args.length === 0 ? {} : { stdin: Schema.optionalKey(input) },
    success: Schema.String,
    error: CommandFailed
  })
}

/** Whether it can be called with no arguments, which is how it is called over bytes. */
const needsNone = ({ args, variadic }: ShellFunction): boolean => args.length === (variadic ? 1 : 0)

/** The functions as a node serves them: by JSON, and over bytes by their names where they need no arguments. `say` tells of each call. */
export const serve = Effect.fnUntraced(function*(
  functions: ReadonlyArray<ShellFunction>,
  say: (event: Parameters<typeof ownEvent>[0]) => Effect.Effect<void>
) {
  const services = yield* Effect.context<ChildProcessSpawner | FileSystem.FileSystem>()
  const told = (name: string, from: Calling["from"], began: number, exit: Exit.Exit<unknown, unknown>) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => say(called(name, from.name, now - began, endOf(exit))))
  const commands = functions.map((fn) =>
    Command.implement(contractOf(fn), (call, ...given) => {
      const hasArgs = fn.args.length > 0
      const stdin: string | undefined = hasArgs
        ? (call.kwargs as { readonly stdin?: string }).stdin
        : given[0] as string | undefined
      const bytes = stdin === undefined ? Stream.empty : Stream.encodeText(Stream.succeed(stdin))
      return Effect.flatMap(Clock.currentTimeMillis, (began) =>
        printed(running(fn, hasArgs ? given.map(String) : [], call.from, bytes)).pipe(
          Effect.provideContext(services),
          Effect.onExit((exit) =>
            told(fn.name, call.from, began, exit)
          )
        ))
    }, { concurrency: atOnce })
  )
  // A command is never run without what it says that it takes: rm -r "backup/$1".
  const streams = functions.filter(needsNone).map((fn) => ({
    name: fn.name,
    handler: (call: AdvancedNode.Call): Stream.Stream<Uint8Array, CommandFailed> =>
      Stream.unwrap(
        Effect.map(Clock.currentTimeMillis, (began) =>
          running(fn, [], call.from, call.bytes).pipe(
            Stream.provideContext(services),
            Stream.onExit((exit) => told(fn.name, call.from, began, exit))
          ))
      )
  }))
  return { commands, streams }
})
