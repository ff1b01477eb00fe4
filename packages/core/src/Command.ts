/**
 * Commands: functions with Schemas for their arguments, result and error, and the calls that run them.
 *
 * ```ts
 * const Greet = Command.make("greet", {
 *   args: [Schema.String],
 *   kwargs: { loud: Schema.optionalKey(Schema.Boolean) },
 *   success: Schema.String
 * })
 * yield* node.register(Greet, ({ kwargs }, name) => Effect.succeed(kwargs.loud ? `${name}!` : name))
 * const text = yield* node.target("bob", { commands: [Greet] }).greet("Ann", kwargs({ loud: true }))
 * ```
 *
 * Values travel as JSON, each in the JSON form of its Schema: bytes as base64, a `Date` as text. The arguments are checked before
 * the handler runs. A plain function, without Schemas, takes whatever JSON its caller sends.
 *
 * What bites: a handler's typed error reaches the caller typed only where `error` declares it, and as a `RemoteError` with its
 * tag and message otherwise. A stack never travels.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Span } from "effect/Tracer"
import type * as Allow from "./Allow.ts"
import type * as Balance from "./Balance.ts"
import type { Caller } from "./Caller.ts"

/**
 * A Schema that needs no services.
 *
 * @category models
 * @since 0.1.0
 */
export type AnyCodec = Schema.Codec<any, any>

/**
 * Schemas for positional arguments: one each, or one for the array of them all, like `Schema.Array(Schema.Number)`.
 *
 * @category models
 * @since 0.1.0
 */
export type ArgsSchemas = ReadonlyArray<AnyCodec> | Schema.Codec<ReadonlyArray<any>, ReadonlyArray<any>>

/**
 * The positional arguments that Schemas describe.
 *
 * @category utility types
 * @since 0.1.0
 */
export type ArgsOf<Args extends ArgsSchemas> = Args extends ReadonlyArray<AnyCodec> ? Schema.Tuple<Args>["Type"]
  : Args extends Schema.Codec<infer A extends ReadonlyArray<any>, any> ? A
  : never

/**
 * The keyword arguments that fields describe.
 *
 * @category utility types
 * @since 0.1.0
 */
export type KwargsOf<Kwargs extends Schema.Struct.Fields> = Schema.Struct<Kwargs>["Type"]

/**
 * A command: the contract of a function. Give it to the node that serves it and to those that call it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Command<
  Name extends string,
  Args extends ArgsSchemas,
  Kwargs extends Schema.Struct.Fields,
  Success extends AnyCodec,
  Error extends AnyCodec
> {
  readonly _tag: "Command"
  readonly name: Name
  readonly description: string | undefined
  /** The Schema of the array of positional arguments. */
  readonly args: Schema.Codec<ArgsOf<Args>, ReadonlyArray<any>>
  /** The Schema of the object of keyword arguments. */
  readonly kwargs: Schema.Codec<KwargsOf<Kwargs>, any>
  readonly success: Success
  readonly error: Error
  /** Whether it does no harm where it runs twice. */
  readonly idempotent: boolean
}

/**
 * Any command.
 *
 * @category models
 * @since 0.1.0
 */
export interface Any {
  readonly _tag: "Command"
  readonly name: string
  readonly description: string | undefined
  readonly args: Schema.Codec<any, ReadonlyArray<any>>
  readonly kwargs: Schema.Codec<any, any>
  readonly success: AnyCodec
  readonly error: AnyCodec
  readonly idempotent: boolean
}

/**
 * What a command is made of.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<
  Args extends ArgsSchemas,
  Kwargs extends Schema.Struct.Fields,
  Success extends AnyCodec,
  Error extends AnyCodec
> {
  /** Positional arguments. Default: none. */
  readonly args?: Args | undefined
  /** Keyword arguments. Default: none. */
  readonly kwargs?: Kwargs | undefined
  /** The result. Default: nothing. */
  readonly success?: Success | undefined
  /** The typed error. Default: none. */
  readonly error?: Error | undefined
  /** What it does, for those who ask the node to `describe` itself. */
  readonly description?: string | undefined
  /**
   * Whether it does no harm where it runs twice: then a call of one of several peers that may have run goes to another, where its own
   * was lost. Default: false.
   */
  readonly idempotent?: boolean | undefined
}

/**
 * Makes a command.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <
  const Name extends string,
  const Args extends ArgsSchemas = readonly [],
  const Kwargs extends Schema.Struct.Fields = {},
  Success extends AnyCodec = Schema.Void,
  Error extends AnyCodec = Schema.Never
>(
  name: Name,
  options?: Options<Args, Kwargs, Success, Error>
): Command<Name, Args, Kwargs, Success, Error> => {
  const args = options?.args ?? []
  return {
    _tag: "Command",
    name,
    description: options?.description,
    args: (Array.isArray(args) ? Schema.Tuple(args) : args) as Schema.Codec<any, ReadonlyArray<any>>,
    kwargs: Schema.Struct(options?.kwargs ?? {}) as Schema.Codec<any, any>,
    success: options?.success ?? Schema.Void as AnyCodec as Success,
    error: options?.error ?? Schema.Never as AnyCodec as Error,
    idempotent: options?.idempotent === true
  }
}

/**
 * Whether a value is a command.
 *
 * @category guards
 * @since 0.1.0
 */
export const isCommand = (value: unknown): value is Any =>
  typeof value === "object" && value !== null && "_tag" in value && value._tag === "Command" && "args" in value

/**
 * The node that a call came to: a `CommandNode["Service"]`. It is empty here, so that a contract can be read without the node types;
 * `CommandNode`, which makes the calls, says what is in it.
 *
 * @category models
 * @since 0.2.0
 */
export interface Node {}

/**
 * A call that came in.
 *
 * @category models
 * @since 0.1.0
 */
export interface Call<Kwargs = Readonly<Record<string, any>>> {
  /** Who calls, as the handshake proved it. */
  readonly from: Caller["Service"]
  /** The function's name. */
  readonly function: string
  /** The keyword arguments. */
  readonly kwargs: Kwargs
  /** The time that was left when the call came in. The handler is interrupted when it is up, and so are the calls it makes. */
  readonly deadline: Duration.Duration | undefined
  /** Aborted when the call is given up: its caller is gone, its time is up, or the node closes. For what is not an Effect. */
  readonly signal: AbortSignal
  /** The span that the handler runs in, a child of the caller's. */
  readonly span: Span
  /** The node it came to. */
  readonly node: Node
}

/**
 * What a function may give without an Effect: any value that JSON has a form for.
 *
 * @category models
 * @since 0.1.0
 */
export type Value =
  | string
  | number
  | boolean
  | null
  | undefined
  | void
  // An object that is no Effect, no Stream and no promise.
  | (object & {
    readonly "~effect/Effect"?: never
    readonly "~effect/Stream"?: never
    readonly then?: Schema.Json | undefined
  })

/**
 * A function without Schemas. The types of its arguments are what you say they are: nothing checks what a peer sends.
 *
 * It gives an Effect, a promise or a value. What it throws, and what its promise is rejected with, is its failure where it is a
 * tagged error, and a defect otherwise. A promise cannot be interrupted: `call.signal` tells an `async` function when to stop.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler<E = unknown, R = never> = (
  call: Call,
  ...args: ReadonlyArray<any>
) => Effect.Effect<unknown, E, R> | PromiseLike<Value> | Value

/**
 * The handler of a command: it gives an Effect, a promise or a value, as a `Handler` does.
 *
 * @category models
 * @since 0.1.0
 */
export type HandlerOf<C extends Any, R = never> = (
  call: Call<C["kwargs"]["Type"]>,
  ...args: C["args"]["Type"]
) =>
  | Effect.Effect<C["success"]["Type"], C["error"]["Type"], R>
  | PromiseLike<C["success"]["Type"]>
  | C["success"]["Type"]

/**
 * A command with its handler, for the options of a node.
 *
 * @category models
 * @since 0.1.0
 */
export interface Implementation<out R = never> {
  readonly command: Any
  readonly handler: (
    call: Call<any>,
    ...args: ReadonlyArray<any>
  ) => Effect.Effect<unknown, unknown, R> | PromiseLike<unknown>
  /** Who may call it. */
  readonly allow?: Allow.Allow | undefined
  /** How many calls of it run at once, and how many wait. */
  readonly concurrency?: Balance.Limited["concurrency"]
}

/**
 * A command with its handler: `commands: [Command.implement(Greet, (call, name) => …)]` among a node's options. `allow` says who may
 * call it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const implement = <const C extends Any, R = never>(
  command: C,
  handler: HandlerOf<C, R>,
  options?: Allow.Options & Balance.Limited
): Implementation<R> => ({
  command,
  handler: handler as unknown as Implementation<R>["handler"],
  allow: options?.allow,
  concurrency: options?.concurrency
})

/**
 * Keyword arguments, as the last argument of a call.
 *
 * @category models
 * @since 0.1.0
 */
export class Kwargs<out Values extends object = object> {
  readonly values: Values
  constructor(values: Values) {
    this.values = values
  }
}

/**
 * Keyword arguments for a call, given as its last argument: `node.target("bob").greet("Ann", kwargs({ loud: true }))`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const kwargs = <const Values extends object>(values: Values): Kwargs<Values> => new Kwargs(values)
