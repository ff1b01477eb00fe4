/**
 * Modules of functions: what `pnet up --module` serves. Each export says what it is:
 *
 * - a function `(call, ...args)` is one of the node's, by the name of the export
 * - what `Command.implement` gave is a command, by its own name
 * - a layer is built beside the node, such as `CommandNode.serve(Group)` with its handlers, or one that publishes to a topic
 * - contracts alone (commands, groups, topics, Schemas) are there for whoever else imports them, and are not served
 * - an object is looked into, and so is the default export
 *
 * Any other export is a mistake, and said to be one: what was meant to be served and is not would be noticed by its callers.
 */
import type { Caller } from "@pnet/core/Caller"
import * as Command from "@pnet/core/Command"
import { CommandNode, type CommandNodeService } from "@pnet/core/CommandNode"
import * as PeerRpc from "@pnet/core/PeerRpc"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { pathToFileURL } from "node:url"
import { Problem } from "../errors.ts"
import { type CallEnd, endOf } from "../node/events.ts"
import { quoted } from "../output/quoted.ts"
import { provideTo } from "./provide.ts"

/** What modules serve. */
export interface Parts {
  readonly functions: Readonly<Record<string, Command.Handler>>
  readonly commands: ReadonlyArray<Command.Implementation>
  readonly layers: ReadonlyArray<{
    readonly file: string
    readonly name: string
    readonly layer: Layer.Layer<unknown, unknown, CommandNode>
  }>
}

type Found =
  | { readonly _tag: "Function"; readonly name: string; readonly handler: Command.Handler }
  | { readonly _tag: "Command"; readonly implementation: Command.Implementation }
  | { readonly _tag: "Layer"; readonly name: string; readonly layer: Layer.Layer<unknown, unknown, CommandNode> }
  | { readonly _tag: "Contract" }
  | { readonly _tag: "Wrong"; readonly why: string }

const isClass = (value: unknown): boolean =>
  typeof value === "function" && /^class\b/.test(Function.prototype.toString.call(value))

/** Something that says what travels, and has no handler. */
const isContract = (value: object): boolean =>
  Command.isCommand(value) || Schema.isSchema(value) || Context.isKey(value) ||
  "requests" in value && value.requests instanceof Map || "payloadSchema" in value ||
  (value as { readonly _tag?: unknown })._tag === "Topic"

const isImplementation = (value: object): value is Command.Implementation =>
  "command" in value && Command.isCommand(value.command) && "handler" in value && typeof value.handler === "function"

const wrong = (why: string): Found => ({ _tag: "Wrong", why })

const kindOf = (value: unknown): string =>
  value === null ? "null" : Array.isArray(value) ? "an array" : isClass(value) ? "a class" : `a ${typeof value}`

/** What an export is. */
const classify = (name: string, value: unknown, depth = 0): ReadonlyArray<Found> => {
  if ((typeof value !== "object" && typeof value !== "function") || value === null || Array.isArray(value)) {
    return [wrong(`${name} is ${kindOf(value)}`)]
  }
  if (Layer.isLayer(value)) {
    return [{ _tag: "Layer", name, layer: value as Layer.Layer<unknown, unknown, CommandNode> }]
  }
  if (isContract(value)) return [{ _tag: "Contract" }]
  if (Effect.isEffect(value)) return [wrong(`${name} is an Effect; Layer.effectDiscard makes a layer of it`)]
  if (typeof value === "function") {
    if (isClass(value)) return [wrong(`${name} is a class`)]
    if (name === "default") return [wrong("the default export is a function, which has no name to be called by")]
    return [{ _tag: "Function", name, handler: value as Command.Handler }]
  }
  if (isImplementation(value)) return [{ _tag: "Command", implementation: value }]
  const prototype: unknown = Object.getPrototypeOf(value)
  if (depth === 0 && (prototype === Object.prototype || prototype === null)) {
    return Object.entries(value).flatMap(([inner, one]) => classify(inner, one, 1))
  }
  return [wrong(`${name} is an object that says nothing to pnet`)]
}

const problem = (what: string, hint?: string) =>
  new Problem({ exit: "usage", what, ...(hint === undefined ? {} : { hint }) })

/** Why a module could not be loaded, with where, as far as Node says it. */
const whyOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  const first = error.stack?.split("\n")[0] ?? ""
  return /^\S.*:\d+$/.test(first) ? `${error.message} (${first})` : error.message
}

const notFound = /^Cannot find (package|module) '([^']+)' imported from/

/** What is said of a module that could not be loaded, by what Node says of it. */
const notLoaded = (file: string, url: string, error: unknown): Problem => {
  const code = error instanceof Error && "code" in error ? error.code : undefined
  const [, kind, name] = error instanceof Error ? notFound.exec(error.message) ?? [] : []
  if (code === "ERR_MODULE_NOT_FOUND" && kind === "package") {
    return problem(
      `${file} imports ${JSON.stringify(name)}, which is not installed where it is`,
      `run in its folder: npm install ${name}; effect and @pnet/core are those of the command`
    )
  }
  // The module that was asked for is imported from this one.
  if (code === "ERR_MODULE_NOT_FOUND" && name !== undefined && pathToFileURL(name).href === url) {
    return problem(`there is no module ${file}`, "correct the path, which begins in this folder")
  }
  return problem(
    `${file} could not be loaded: ${whyOf(error)}`,
    code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX"
      ? "Node takes types off, and makes no code of enum, namespace or parameter properties: write it without"
      : `correct it; node ${quoted(file)} says more`
  )
}

const hint = "a module exports functions (call, ...args), what Command.implement gives, and layers beside the node"

/** What a module serves, by its file. */
const loadOne = Effect.fnUntraced(function*(file: string): Effect.fn.Return<Parts, Problem, Path.Path> {
  const paths = yield* Path.Path
  const url = pathToFileURL(paths.resolve(file)).href
  provideTo(url)
  const exports = yield* Effect.tryPromise({
    try: () => import(url) as Promise<Record<string, unknown>>,
    catch: (error) => notLoaded(file, url, error)
  })
  const found = Object.entries(exports).flatMap(([name, value]) => classify(name, value))
  const mistakes = found.flatMap((one) => one._tag === "Wrong" ? [one.why] : [])
  if (mistakes.length > 0) {
    return yield* problem(`${file} exports what cannot be served: ${mistakes.join("; ")}`, hint)
  }
  const parts = {
    functions: Object.fromEntries(
      found.flatMap((one) => one._tag === "Function" ? [[one.name, one.handler] as const] : [])
    ),
    commands: found.flatMap((one) => one._tag === "Command" ? [one.implementation] : []),
    layers: found.flatMap((one) => one._tag === "Layer" ? [{ ...one, file }] : [])
  }
  if (Object.keys(parts.functions).length + parts.commands.length + parts.layers.length === 0) {
    return yield* problem(`${file} exports nothing that can be served`, hint)
  }
  return parts
})

/** What modules serve together. A name that two of them have is a mistake. */
export const load = Effect.fnUntraced(function*(files: ReadonlyArray<string>): Effect.fn.Return<
  Parts,
  Problem,
  Path.Path
> {
  const functions: Record<string, Command.Handler> = {}
  const all = yield* Effect.forEach(files, loadOne)
  for (const [i, parts] of all.entries()) {
    for (const [name, handler] of Object.entries(parts.functions)) {
      if (Object.hasOwn(functions, name)) return yield* problem(`${files[i]} has a function ${name}, as another has`)
      functions[name] = handler
    }
  }
  return { functions, commands: all.flatMap((one) => one.commands), layers: all.flatMap((one) => one.layers) }
})

/** Builds the layers of modules beside a node, until the scope closes, with each call of the groups that they serve told. */
export const beside = ({ layers }: Parts, node: CommandNodeService, told: Told) =>
  Effect.forEach(
    layers,
    ({ file, layer, name }) =>
      Effect.catchCause(
        Effect.provideService(
          Layer.build(Layer.provide(layer, Layer.succeed(CommandNode, node))),
          PeerRpc.OnCall,
          (call) => {
            const ended = told(call.function, call.from)
            return (exit) => ended(endOf(exit))
          }
        ),
        (cause) =>
          Cause.hasInterruptsOnly(cause)
            ? Effect.failCause(cause as Cause.Cause<never>)
            : Effect.fail(problem(`the layer ${name} of ${file} failed: ${whyOf(Cause.squash(cause))}`))
      ),
    { discard: true }
  )

/** Who is told how a call ended, once it is known who called what. */
type Told = (name: string, from: Caller["Service"]) => (end: CallEnd) => void

/** Tells of each call of a handler, and leaves what it gives as it is: an Effect, a promise or a value. */
const telling = (name: string, handler: Command.Handler, told: Told): Command.Handler => (call, ...args) => {
  const ended = told(name, call.from)
  try {
    const given: unknown = handler(call, ...args)
    if (Effect.isEffect(given)) {
      return Effect.onExit(
        given as Effect.Effect<unknown, unknown>,
        (exit) => Effect.sync(() => ended(endOf(exit)))
      )
    }
    if (typeof given === "object" && given !== null && "then" in given && typeof given.then === "function") {
      return promised(given as PromiseLike<Command.Value>, call.signal, ended)
    }
    ended("ok")
    return given as Command.Value
  } catch (error) {
    ended("failed")
    throw error
  }
}

/** A promise goes on when its caller has given up, and what it comes to then is nobody's. */
const promised = (
  given: PromiseLike<Command.Value>,
  signal: AbortSignal,
  ended: (end: CallEnd) => void
): Promise<Command.Value> => {
  let isTold = false
  const tell = (end: CallEnd) => {
    if (!isTold) ended(end)
    isTold = true
  }
  signal.addEventListener("abort", () => tell("given up"))
  return Promise.resolve(given).then((value) => {
    tell("ok")
    return value
  }, (error: unknown) => {
    tell("failed")
    throw error
  })
}

/** The functions of modules, as they are served, with each call told. */
export const serving = (parts: Parts, told: Told) => ({
  functions: Object.fromEntries(
    Object.entries(parts.functions).map(([name, handler]) => [name, telling(name, handler, told)])
  ),
  commands: parts.commands.map((one): Command.Implementation => ({
    ...one,
    handler: telling(one.command.name, one.handler as Command.Handler, told) as (
      ...given: ReadonlyArray<any>
    ) => PromiseLike<unknown>
  }))
})
