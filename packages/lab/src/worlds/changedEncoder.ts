/** An encoder of typed calls as a later version of Effect might have it: the same values, other bytes, each of which can be read as another value. */
import * as Codec from "@pnet/core/internal/call/rpcCodec"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"

/** Turns a bit of the last byte around, which for most values makes another of the same kind. */
const turned = SchemaGetter.transform((bytes: Uint8Array) =>
  bytes.map((byte, i) => i === bytes.length - 1 ? byte ^ 1 : byte)
)

export const changed = new Codec.Codec(
  ((schema: Schema.Top) =>
    Schema.Uint8Array.pipe(
      Schema.decodeTo(Schema.Uint8Array, { decode: turned, encode: turned }),
      Schema.decodeTo(Codec.effects.codecFor(schema) as Schema.Codec<unknown, Uint8Array>)
    )) as never
)

/** Lets what is built and called in an effect have the changed encoder. */
export const withChangedEncoder = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(effect, Codec.Current, changed)
