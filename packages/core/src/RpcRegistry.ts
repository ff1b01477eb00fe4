/**
 * The functions that a node's peers may call, by name. Functions, commands and the calls of served RPC groups are entries of one
 * registry, so that one name means one thing. A registry may be shared by several nodes.
 *
 * ```ts
 * const registry = yield* RpcRegistry
 * yield* registry.register("add", (_call, a: number, b: number) => Effect.succeed(a + b))
 * yield* registry.register(Hash, (_call, path) => hashFile(path))   // Hash = Command.make("hash", { ... })
 * ```
 *
 * What bites: an entry lives as long as the scope it was registered in. A call that is running when its entry goes ends as it
 * would have.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type * as Allow from "./Allow.ts"
import type * as Balance from "./Balance.ts"
import { CurrentCaller } from "./Caller.ts"
import * as Command from "./Command.ts"
import { CurrentDeadline } from "./Deadline.ts"
import { DuplicateFunctionError, RunError } from "./FunctionError.ts"
import { limiterOf, limiters } from "./internal/balance/limiter.ts"
import * as AtOnce from "./internal/base/atOnce.ts"
import * as Given from "./internal/base/given.ts"
import * as Seldom from "./internal/base/seldom.ts"
import { type Begin, beginning } from "./internal/call/begin.ts"
import * as Contract from "./internal/call/contract.ts"
import * as Registered from "./internal/call/registered.ts"
import { resources } from "./internal/streams/callMemory.ts"
import { encodeError, messageOf } from "./internal/streams/encodeError.ts"
import { notJson } from "./internal/wire/json.ts"
import * as Why from "./Why.ts"

/**
 * What a function takes and gives, as JSON Schema. A plain function has no more than its name.
 *
 * @category models
 * @since 0.1.0
 */
export interface Description {
  readonly name: string
  /** A plain function, a command with Schemas, or a call of an RPC group. */
  readonly kind: "function" | "command" | "rpc"
  readonly description?: string
  /** The array of positional arguments. */
  readonly args?: Schema.Json
  /** The object of keyword arguments. */
  readonly kwargs?: Schema.Json
  /** The result; of a stream, each of its elements. */
  readonly success?: Schema.Json
  /** The typed error. */
  readonly error?: Schema.Json
  /** Whether it gives a stream. Called by JSON, it answers with the array of all elements. */
  readonly stream?: boolean
  /** A hash of the schemas without their annotations: who has the same one understands the function. 16 hexadecimal digits. */
  readonly contract?: string
}

/**
 * One entry, as a caller by JSON meets it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  readonly name: string
  readonly describe: () => Description
  /** Who may call it. It is asked before `run`. Default: whoever the trust policy lets. */
  readonly allow?: Allow.Allow | undefined
  /** Checks the arguments, runs the function, and gives its result as JSON. */
  readonly run: (call: Command.Call, args: ReadonlyArray<unknown>) => Effect.Effect<Schema.Json, RunError>
}

/**
 * Registers a function until the scope closes: a name with a handler, or a command with one. `allow` says who may call it, `concurrency` how many calls of it run.
 *
 * @category models
 * @since 0.1.0
 */
export interface Register {
  <const C extends Command.Any, R = never>(
    command: C,
    handler: Command.HandlerOf<C, R>,
    options?: Allow.Options & Balance.Limited
  ): Effect.Effect<void, DuplicateFunctionError, R | Scope.Scope>
  <E, R = never>(
    name: string,
    handler: Command.Handler<E, R>,
    options?: Allow.Options & Balance.Limited
  ): Effect.Effect<void, DuplicateFunctionError, R | Scope.Scope>
}

/**
 * Functions by name.
 *
 * @category services
 * @since 0.1.0
 */
export class RpcRegistry extends Context.Service<RpcRegistry, {
  readonly register: Register
  /** Registers an entry as it is, until the scope closes. */
  readonly add: (entry: Entry) => Effect.Effect<void, DuplicateFunctionError, Scope.Scope>
  /** The entry that a name has now. */
  readonly getUnsafe: (name: string) => Entry | undefined
  /** The names, sorted. */
  readonly functions: Effect.Effect<ReadonlyArray<string>>
  /** What each function takes and gives, sorted by name; of those names alone, where some are given. */
  readonly describe: (names?: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<Description>>
}>()("@pnet/core/RpcRegistry") {}

const invalid = (where: string, error: Schema.SchemaError) =>
  new RunError({ code: "invalid_arguments", description: `${where}: ${error.message}` })

const failed = (error: unknown, encode: (error: unknown) => Effect.Effect<unknown>) =>
  Effect.flatMap(encode(error), (encoded) =>
    Effect.fail(
      new RunError({
        code: "failed",
        description: messageOf(error),
        error: encoded
      })
    ))

/**
 * What a handler gives, run with what it was registered with, what belongs to the call, and a scope of its own; its result where it gives that at
 * once.
 */
const running = (
  name: string,
  context: Context.Context<never>
): (call: Command.Call, handler: () => unknown) => Effect.Effect<unknown, unknown> => {
  const who = Given.titled("the function", name)
  return (call, handler) => {
    const given = Given.begun(handler, undefined, who)
    if (Exit.isExit(given)) return given
    return Given.scoped(Given.runIn(given, call), (scope, current) =>
      context.pipe(
        Context.add(Scope.Scope, scope),
        Context.add(Tracer.ParentSpan, call.span),
        Context.add(CurrentCaller, call.from),
        Context.add(CurrentDeadline, Context.get(current, CurrentDeadline))
      ))
  }
}

/** What each node answers itself. */
const builtIns: ReadonlySet<string> = new Set(["describe", "get_funcs", "get_peers"])

type Run = (call: Command.Call, ...args: ReadonlyArray<any>) => unknown

const plain = (name: string, handler: Run, context: Context.Context<never>, lines: Seldom.Lines): Entry => {
  const run = running(name, context)
  const begin: Begin = (call, args) =>
    AtOnce.match(
      run(call, () => handler(call, ...args)),
      (value): Effect.Effect<Schema.Json, RunError> => {
        const limit = resources.get(call.node)?.limit ?? Infinity
        const fault = notJson(value, "$", limit)
        if (fault === undefined) return Effect.succeed((value ?? null) as Schema.Json)
        return Effect.fail(
          fault === "too large"
            ? new RunError({ code: "too_large", description: `its result is over ${limit} bytes` })
            : new RunError({ code: "not_json", description: `its result is not JSON: ${Why.plain(fault.message)}` })
        )
      },
      (error) => failed(error, (error) => encodeError(error, lines))
    )
  return beginning({
    name,
    describe: () => ({ name, kind: "function" }),
    run: (call, args) => Effect.suspend(() => begin(call, args))
  }, begin)
}

// One by one: a call from a peer has some of them as getters, which a spread leaves behind.
const withKwargs = (call: Command.Call, kwargs: Command.Call["kwargs"]): Command.Call => ({
  from: call.from,
  function: call.function,
  kwargs,
  deadline: call.deadline,
  get signal() {
    return call.signal
  },
  get span() {
    return call.span
  },
  node: call.node
})

/** As JSON writes it, for a Schema. */
const orNull = (value: unknown): unknown => value === undefined ? null : value

const checked = (command: Command.Any, handler: Run, context: Context.Context<never>, lines: Seldom.Lines): Entry => {
  const { name } = command
  const run = running(name, context)
  // The first thing that is wrong is all that is said: a caller's call may have a million of them.
  const decodeArgs = Schema.decodeUnknownEffect(Schema.toCodecJson(command.args))
  const decodeKwargs = Schema.decodeUnknownEffect(Schema.toCodecJson(command.kwargs))
  const encodeSuccess = Schema.encodeUnknownEffect(Schema.toCodecJson(command.success))
  const encodeDeclared = Schema.encodeUnknownEffect(Schema.toCodecJson(command.error))
  const encode = (error: unknown) => Effect.catch(encodeDeclared(error), () => encodeError(error, lines))
  // Hashed once, however often a peer asks.
  let description: Description | undefined
  const notEncoded = (error: Schema.SchemaError) =>
    Effect.fail(
      new RunError({
        code: "not_json",
        description: `its result is not what its Schema says: ${error.message}`
      })
    )
  const begin: Begin = (call, args) =>
    AtOnce.match(
      decodeArgs(args.map(orNull)),
      (values) =>
        AtOnce.match(
          decodeKwargs(call.kwargs),
          (kwargs) =>
            AtOnce.match(
              run(call, () => handler(withKwargs(call, kwargs), ...values)),
              (value) =>
                AtOnce.match(encodeSuccess(value), Effect.succeed, notEncoded) as Effect.Effect<Schema.Json, RunError>,
              (error) => failed(error, encode)
            ),
          (error) => Effect.fail(invalid("kwargs", error))
        ),
      (error) => Effect.fail(invalid("args", error))
    )
  return beginning({
    name,
    describe: () => description ??= { name, kind: "command", ...Contract.ofCommand(command) },
    run: (call, args) => Effect.suspend(() => begin(call, args))
  }, begin)
}

/**
 * An empty registry.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<RpcRegistry["Service"]> = Effect.gen(function*() {
  const base: Context.Context<never> = yield* Effect.context<never>()
  const entries = new Map<string, Entry>()
  const lines = Seldom.lines(yield* Clock.Clock)
  const watched = Registered.watched(entries)

  const add = (entry: Entry): Effect.Effect<void, DuplicateFunctionError, Scope.Scope> =>
    Effect.acquireRelease(
      Effect.suspend(() => {
        if (builtIns.has(entry.name)) {
          return Effect.fail(new DuplicateFunctionError({ function: entry.name, builtIn: true }))
        }
        if (entries.has(entry.name)) {
          return Effect.fail(new DuplicateFunctionError({ function: entry.name }))
        }
        entries.set(entry.name, entry)
        watched.changed()
        return Effect.void
      }),
      () =>
        Effect.sync(() => {
          entries.delete(entry.name)
          watched.changed()
        })
    )

  const register = (what: string | Command.Any, handler: Run, options?: Allow.Options & Balance.Limited) =>
    Effect.contextWith((context: Context.Context<never>) => {
      const whole = Context.merge(base, context)
      const entry = typeof what === "string"
        ? plain(what, handler, whole, lines)
        : checked(what, handler, whole, lines)
      const allowed = { ...entry, allow: options?.allow }
      const limiter = limiterOf(options?.concurrency)
      if (limiter !== undefined) limiters.set(allowed, limiter)
      return add(allowed)
    })

  return watched.of({
    register: register as Register,
    add,
    getUnsafe: (name) => entries.get(name),
    functions: Effect.sync(() => [...entries.keys()].sort()),
    describe: (names) =>
      Effect.sync(() =>
        [...entries.values()]
          .filter(({ name }) => names === undefined || names.includes(name))
          .sort((a, b) => a.name < b.name ? -1 : 1)
          .map((entry) => entry.describe())
      )
  })
})

/**
 * An empty registry of its own. Provide it to several nodes to have them serve the same functions.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<RpcRegistry> = Layer.effect(RpcRegistry, make)
