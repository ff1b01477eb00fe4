/**
 * The typed calls that each node of these tests serves and makes. A packed peer has them as they were on its day, so that what is added
 * here, or changed, meets what was there before.
 */
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"

export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { path: Schema.String }) {}

/** Something that refers to itself. */
export interface Tree {
  readonly name: string
  readonly children: ReadonlyArray<Tree>
}
export const Tree: Schema.Codec<Tree> = Schema.Struct({
  name: Schema.String,
  children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
})

export const group = RpcGroup.make(
  Rpc.make("hello", { payload: { name: Schema.String }, success: Schema.String }),
  Rpc.make("nothing"),
  Rpc.make("find", { payload: { path: Schema.String }, success: Schema.Int, error: NotFound }),
  Rpc.make("count", { payload: { to: Schema.Int }, success: Schema.Int, error: NotFound, stream: true }),
  Rpc.make("blocks", { payload: { sizes: Schema.Array(Schema.Int) }, success: Schema.Uint8Array, stream: true }),
  Rpc.make("breaks", { success: Schema.String }),
  Rpc.make("forever", { success: Schema.String }),
  Rpc.make("later", { payload: { at: Schema.Date }, success: Schema.Date }),
  Rpc.make("natives", {
    payload: { wait: Schema.Duration, big: Schema.BigInt, maybe: Schema.Option(Schema.Int) },
    success: Schema.Struct({ wait: Schema.Duration, big: Schema.BigInt, maybe: Schema.Option(Schema.Int) })
  }),
  // On the day of 0.1.0 without a nick.
  Rpc.make("profile", {
    payload: { name: Schema.String, nick: Schema.optionalKey(Schema.String) },
    success: Schema.Struct({ name: Schema.String, nick: Schema.optionalKey(Schema.String) })
  }),
  Rpc.make("tree", { payload: { tree: Tree }, success: Tree }),
  Rpc.make("nothings", { payload: { list: Schema.Array(Schema.Null) }, success: Schema.Int }),
  // On the day of 0.1.0 of text.
  Rpc.make("when", { payload: { at: Schema.Date }, success: Schema.Boolean })
)
