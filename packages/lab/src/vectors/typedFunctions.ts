/** The functions that the typed calls of the vectors are of, as Effect has them, and what they do. */
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

export class Gone extends Schema.TaggedError<Gone>()("Gone", { path: Schema.String }) {}
export class Denied extends Schema.TaggedError<Denied>()("Denied", { why: Schema.String }) {}
export class TooFar extends Schema.TaggedError<TooFar>()("TooFar", { most: Schema.Int }) {}

export interface Tree {
  readonly name: string
  readonly children: ReadonlyArray<Tree>
}
export const Tree: Schema.Codec<Tree> = Schema.Struct({
  name: Schema.String,
  children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
}).annotate({ identifier: "Tree" })

/** Lets in who has a header `token`. */
export class Guard extends RpcMiddleware.Service<Guard>()("@pnet/lab/vectors/typedFunctions/Guard", {
  error: Denied
}) {}

/** How far `count` goes. */
const most = 3

/** What `read` finds. */
const files: Readonly<Record<string, Uint8Array>> = { "/a": Uint8Array.of(0, 1, 254, 255) }

export class Functions extends RpcGroup.make(
  Rpc.make("nothing"),
  Rpc.make("add", { payload: { a: Schema.Number, b: Schema.Number }, success: Schema.Number }),
  Rpc.make("greet", {
    payload: { name: Schema.String, loud: Schema.optionalKey(Schema.Boolean) },
    success: Schema.String
  }),
  Rpc.make("read", { payload: { path: Schema.String }, success: Schema.Uint8Array, error: Gone }).middleware(Guard),
  Rpc.make("breaks", { payload: Schema.String, success: Schema.String }),
  Rpc.make("count", { payload: { to: Schema.Int }, success: Schema.Int, error: TooFar, stream: true }),
  Rpc.make("pieces", {
    payload: { lengths: Schema.Array(Schema.Int) },
    success: Schema.Uint8Array,
    stream: true
  }),
  Rpc.make("grow", { payload: { tree: Tree }, success: Tree }),
  Rpc.make("later", { payload: { at: Schema.Date, by: Schema.BigInt }, success: Schema.Option(Schema.Date) }),
  Rpc.make("spell", {
    payload: { "9": Schema.String, "10": Schema.String, x: Schema.String },
    success: Schema.String
  }),
  Rpc.make("both", { error: Gone })
) {}

/** `greet`, as callers know it that have another contract. */
export const OtherFunctions = {
  "greet-more": RpcGroup.make(
    Rpc.make("greet", { payload: { name: Schema.String, times: Schema.Int }, success: Schema.String })
  ),
  "greet-other": RpcGroup.make(Rpc.make("greet", { payload: { name: Schema.Int }, success: Schema.String }))
}

/** Fails twice. */
export const both = Cause.fromReasons(
  ["/a", "/b"].map((path) => Cause.makeFailReason(new Gone({ path })))
)

export const guard = Guard.of((effect, { headers }) =>
  headers["token"] === undefined ? Effect.fail(new Denied({ why: "no token" })) : effect
)

export const handlers = Functions.toLayer({
  nothing: () => Effect.void,
  add: ({ a, b }) => Effect.succeed(a + b),
  greet: ({ loud = false, name }) => Effect.succeed(loud ? `HELLO, ${name.toUpperCase()}!` : `Hello, ${name}!`),
  read: ({ path }) => Effect.mapError(Effect.fromOption(Option.fromUndefinedOr(files[path])), () => new Gone({ path })),
  breaks: () => Effect.die(new Error("a secret of its node")),
  // One element a chunk.
  count: ({ to }) =>
    Stream.range(1, Math.min(to, most)).pipe(
      Stream.rechunk(1),
      Stream.concat(to > most ? Stream.fail(new TooFar({ most })) : Stream.empty)
    ),
  // All in one chunk.
  pieces: ({ lengths }) => Stream.fromIterable(lengths.map((length) => new Uint8Array(length).fill(length))),
  grow: ({ tree }) => Effect.succeed({ name: "new", children: [tree] }),
  later: ({ at, by }) =>
    Effect.succeed(
      by === 0n ? Option.none() : Option.some(DateTime.toDateUtc(DateTime.makeUnsafe(at.getTime() + Number(by))))
    ),
  spell: ({ "10": ten, "9": nine, x }) => Effect.succeed(nine + ten + x),
  both: () => Effect.failCause(both)
})
