/** Typed calls: values, requests, and what a peer says its contract is. */
import { concat as joined } from "@pnet/core/internal/base/bytes"
import { Pieces } from "@pnet/core/internal/base/pieces"
import * as Compatible from "@pnet/core/internal/call/contractCompatible"
import * as Differences from "@pnet/core/internal/call/contractDifferences"
import * as RpcWire from "@pnet/core/internal/call/rpcWire"
import { Cause, Effect, Exit, Schema } from "effect"
import { Rpc } from "effect/rpc"
import * as Mutate from "../mutate.ts"
import { cut, rule, same, settled, type Target } from "../target.ts"

const { concat, readU32, utf8 } = Mutate

class Missing extends Schema.TaggedError<Missing>()("Missing", { path: Schema.String, code: Schema.Int }) {}

interface Tree {
  readonly name: string
  readonly children: ReadonlyArray<Tree>
}
const Tree: Schema.Codec<Tree> = Schema.Struct({
  name: Schema.String,
  children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
})

/** Calls with something of everything that Schemas describe. */
export const calls = {
  plain: Rpc.make("plain", {
    payload: { name: Schema.String, age: Schema.Int, note: Schema.optionalKey(Schema.String) },
    success: Schema.String,
    error: Missing
  }),
  rich: Rpc.make("rich", {
    payload: {
      id: Schema.BigInt,
      at: Schema.Date,
      data: Schema.Uint8Array,
      list: Schema.Array(Schema.NullOr(Schema.Finite)),
      record: Schema.Record(Schema.String, Schema.Boolean),
      either: Schema.Union([Schema.String, Schema.Int, Schema.Struct({ _tag: Schema.Literal("x"), y: Schema.Int })])
    },
    success: Schema.Array(Schema.Struct({ key: Schema.String, value: Schema.Unknown })),
    error: Schema.Union([Missing, Schema.String])
  }),
  tree: Rpc.make("tree", { payload: Tree, success: Tree }),
  bytes: Rpc.make("bytes", { payload: Schema.Uint8Array, success: Schema.Uint8Array, stream: true })
}

export const valueTargets = (): ReadonlyArray<Target> => {
  // The first byte of a file says which call.
  const all = Object.values(calls).map((rpc) => RpcWire.wireOf(rpc as never))
  const target = (
    name: string,
    coding: (wire: RpcWire.Wire) => {
      readonly decode: (bytes: Uint8Array) => Effect.Effect<unknown, unknown>
      readonly encode: (value: any) => Effect.Effect<Uint8Array, unknown>
    }
  ): Target => ({
    name,
    folders: [name],
    cost: 2,
    mutate: (random, input, pool) =>
      concat(
        input.subarray(0, 1),
        Mutate.any(Mutate.blind)(random, input.subarray(1), pool.map((each) => each.subarray(1)))
      ),
    check: (bytes) => {
      if (bytes.length === 0) return false
      const { decode, encode } = coding(all[bytes[0]! % all.length]!)
      const exit = Effect.runSyncExit(decode(bytes.subarray(1)))
      if (Exit.isFailure(exit)) {
        rule(exit.cause.reasons.every(Cause.isFailReason), `${name}: ${Cause.pretty(exit.cause)}`)
        return false
      }
      const encoded = settled(encode(exit.value), `${name} encoded`)
      rule(encoded !== undefined, `${name}: what was decoded cannot be encoded`)
      const twice = Effect.runSyncExit(decode(encoded))
      rule(Exit.isSuccess(twice), `${name}: what was encoded cannot be decoded`)
      const again = settled(encode(twice.value), `${name} encoded again`)
      rule(again !== undefined && same(again, encoded), `encode(decode(${name})) is another`)
      return true
    }
  })
  return [
    target("rpc-payload", (wire) => ({ decode: wire.decodePayload, encode: wire.encodePayload })),
    target("rpc-success", (wire) => ({ decode: wire.decodeSuccess, encode: wire.encodeSuccess })),
    target("rpc-chunk", (wire) => ({ decode: wire.decodeChunk, encode: wire.encodeChunk })),
    target("rpc-exit", (wire) => ({ decode: wire.decodeExit, encode: wire.encodeExit }))
  ]
}

/** A request of a typed call by hand, as the protocol has it, without its length. */
const rpcRequest = (request: {
  readonly flags?: number
  readonly hash: Uint8Array
  readonly window?: number
  readonly headers?: ReadonlyArray<readonly [string, string]>
  readonly payload: Uint8Array
}): Uint8Array => {
  const { headers = [] } = request
  const text = utf8(JSON.stringify(headers))
  // The lowest bit says that there are headers.
  const flags = (request.flags ?? 0) & 0xfe | (headers.length > 0 ? 1 : 0)
  return concat(
    Uint8Array.of(1, flags),
    request.hash,
    Uint8Array.of(request.window ?? 16),
    ...headers.length > 0 ? [Mutate.u32(text.length), text] : [],
    request.payload
  )
}

export const requestTarget: Target = {
  name: "rpc-request",
  folders: ["rpc-request"],
  cost: 1,
  mutate: Mutate.any(Mutate.blind, (random, input, pool) => {
    // The headers, which are JSON with a length.
    if (input.length < 15 || (input[1]! & RpcWire.Flag.headers) === 0) return Mutate.blind(random, input, pool)
    const length = readU32(input, 11)
    const headers = Mutate.json(random, input.subarray(15, 15 + length), pool)
    const says = random.chance(0.8) ? headers.length : random.pick(Mutate.limits)
    return concat(input.subarray(0, 11), Mutate.u32(says), headers, input.subarray(15 + length))
  }),
  check: (bytes, random) => {
    // What is read in pieces is what came.
    const pieces = new Pieces(1_024)
    pieces.addAll(cut(bytes, random))
    const out: Array<Uint8Array> = []
    while (pieces.length > 0) {
      const length = Math.min(pieces.length, 1 + random.below(random.pick([2, 20, 70_000])))
      if (pieces.length >= 4 && random.chance(0.2)) {
        const at = bytes.length - pieces.length
        rule(pieces.u32(0) === readU32(bytes, at), "a number in pieces is another")
      }
      if (random.chance(0.2)) {
        out.push(bytes.slice(bytes.length - pieces.length, bytes.length - pieces.length + length))
        pieces.skip(length)
      } else out.push(pieces.take(length))
    }
    rule(same(joined(out), bytes), "what was read in pieces is not what came")

    const elements = RpcWire.rawElements(bytes, Infinity)
    if (typeof elements === "object") {
      const again = joined(elements.flatMap((element) => [RpcWire.lengthOf(element.length), element]))
      rule(same(again, bytes), "raw elements are other bytes")
    }

    const request = RpcWire.decodeRequest(bytes)
    if (typeof request === "string") {
      rule(request.length < 100, "a long text about what is wrong")
      return false
    }
    rule(({} as any).polluted === undefined, "the prototype of all objects was changed")
    const encoded = rpcRequest({ ...request, headers: Object.entries(request.headers) })
    const twice = RpcWire.decodeRequest(encoded)
    rule(typeof twice === "object", "decode(encode(request)) is none")
    rule(
      JSON.stringify([twice.headers, twice.window]) === JSON.stringify([request.headers, request.window]) &&
        same(twice.payload, request.payload) && same(twice.hash, request.hash),
      "decode(encode(request)) is another"
    )
    return true
  }
}

/** What a peer says its contract is: a hash, and JSON, which is compared with each contract here. */
export const contractTarget = (): Target => {
  const mine = Object.values(calls).map((rpc) => RpcWire.wireOf(rpc as never).contract())
  for (const contract of mine) {
    rule(Differences.differences(contract, contract).length === 0, "a contract differs from itself")
    rule(Compatible.compatible(contract, contract), "a contract does not go together with itself")
  }
  return {
    name: "rpc-contract",
    folders: ["rpc-contract"],
    cost: 3,
    mutate: Mutate.any(
      Mutate.blind,
      ...Array.from({ length: 4 }, (): Mutate.Mutate => (random, input, pool) =>
        concat(
          input.subarray(0, 8),
          Mutate.json(
            random,
            input.subarray(8),
            pool.map((each) => each.subarray(8))
          )
        ))
    ),
    check: (bytes) => {
      const said = RpcWire.contractOf(bytes)
      if (said === undefined) return false
      rule(said.hash.length === 8, "a hash of another length")
      for (const contract of mine) {
        const differences = Differences.differences(contract, said.contract)
        rule(JSON.stringify(differences).length < 20_000, "what differs is told at length")
        Compatible.compatible(contract, said.contract)
      }
      rule(({} as any).polluted === undefined, "the prototype of all objects was changed")
      return true
    }
  }
}
