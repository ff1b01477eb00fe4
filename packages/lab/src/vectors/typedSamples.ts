/** What the encoder of pnet/1 makes of values of every kind, and its fingerprint, which is made by hand from the text. */
import { binarySchemaOf } from "@pnet/core/internal/call/contractBinary"
import * as Codec from "@pnet/core/internal/call/rpcCodec"
import { samples } from "@pnet/core/internal/call/rpcSamples"
import * as Schema from "effect/Schema"
import { createHash } from "node:crypto"
import { concat, hexOf, ofHex, u32 } from "./bytes.ts"
import type { Json } from "./contractText.ts"

export interface Sample {
  readonly name: string
  readonly schema: Json
  readonly value: Json
  readonly hex: string
}

export interface Section {
  readonly rule: ReadonlyArray<string>
  readonly fingerprint: string
  readonly values: ReadonlyArray<Sample>
}

/** As JSON has it, which knows no -0. */
const jsonOf = (schema: Schema.Top, value: unknown): Json =>
  JSON.parse(JSON.stringify(
    Schema.encodeUnknownSync(Schema.toCodecJson(schema) as unknown as Schema.Codec<unknown, Json>)(value)
  ))

export const generate = (): Omit<Section, "rule"> => {
  const values = samples.map(({ name, schema, value }): Sample => ({
    name,
    schema: binarySchemaOf(schema) as Json,
    value: jsonOf(schema, value),
    hex: hexOf(
      Schema.encodeUnknownSync(
        Codec.effects.codecFor(schema) as unknown as Schema.Codec<unknown, Uint8Array>
      )(value).slice()
    )
  }))
  const print = createHash("sha512")
  for (const { hex } of values) print.update(concat(u32(hex.length / 2), ofHex(hex)))
  return { fingerprint: hexOf(print.digest().subarray(0, 8)), values }
}
