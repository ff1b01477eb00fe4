/**
 * The encoder of the values of typed calls, and how it is known which one it is. Effect's `SchemaBinary` is no standard and may be
 * another in its next version: bytes of one may be read by another as values that nobody wrote.
 *
 * So what an encoder makes of a list of values is compared with what that of pnet/1 makes of them. One that makes anything else says
 * so in each contract, as its form, and two contracts of different forms never speak by bytes: their calls go as JSON.
 */
import { sha512 } from "@noble/hashes/sha2.js"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Rpc from "effect/rpc/Rpc"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Schema from "effect/Schema"
import { concat } from "../base/bytes.ts"
import type { Sample } from "./rpcSamples.ts"
import { samples } from "./rpcSamples.ts"

/** The fingerprint of the encoder of pnet/1. */
export const known = "fde89eced74effac"

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")

const encoded = (codecFor: RpcSerialization.CodecFor, { schema, value }: Sample): Uint8Array => {
  const exit = Effect.runSyncExit(
    Effect.suspend(() => Schema.encodeUnknownEffect(codecFor(schema))(value) as Effect.Effect<Uint8Array, unknown>)
  )
  // What cannot be written is another form, too.
  return Exit.isSuccess(exit) ? exit.value : Uint8Array.of()
}

/** The first eight bytes, in hexadecimal digits, of the SHA-512 of what an encoder makes of the samples, each behind its length. */
export const fingerprintOf = (codecFor: RpcSerialization.CodecFor): string => {
  const parts = samples.flatMap((sample) => {
    const bytes = encoded(codecFor, sample)
    const length = new Uint8Array(4)
    new DataView(length.buffer).setUint32(0, bytes.length)
    return [length, bytes]
  })
  return hex(sha512(concat(parts, parts.reduce((sum, part) => sum + part.length, 0))).slice(0, 8))
}

export class Codec {
  readonly codecFor: RpcSerialization.CodecFor
  /** What `rpcWire` compiled for it. */
  readonly wires = new WeakMap<Rpc.AnyWithProps, object>()
  #form: { readonly name: string | undefined } | undefined

  constructor(codecFor: RpcSerialization.CodecFor) {
    this.codecFor = codecFor
  }

  /** What contracts say of it: nothing, where it is that of pnet/1. Found out once, when it is first asked for. */
  get form(): string | undefined {
    if (this.#form === undefined) {
      const print = fingerprintOf(this.codecFor)
      this.#form = { name: print === known ? undefined : print }
    }
    return this.#form.name
  }
}

let codecs: RpcSerialization.CodecFor | undefined

/**
 * Effect's own binary codecs for messages of RPC, which skip a validation that the bytes have already been given. They are
 * reached through the service, since their constructor is not public.
 */
const codecFor: RpcSerialization.CodecFor = (schema) =>
  (codecs ??= Effect.runSync(Effect.scoped(Effect.map(
    Layer.build(RpcSerialization.layerSchemaBinary()),
    (context) => Context.get(context, RpcSerialization.RpcSerialization).codecFor
  ))))(schema)

/** That of this version of Effect. */
export const effects = new Codec(codecFor)

/** The encoder that a group is served and called with. */
export const Current: Context.Reference<Codec> = Context.Reference("@pnet/core/internal/rpcCodec/Current", {
  defaultValue: () => effects
})
