/** Typed calls as lines of JSON: requests, grants and answers. */
import { Pieces } from "@pnet/core/internal/base/pieces"
import { jsonWireOf } from "@pnet/core/internal/call/rpcJson"
import * as RpcWire from "@pnet/core/internal/call/rpcWire"
import { Cause, Effect, Exit } from "effect"
import * as Mutate from "../mutate.ts"
import { cut, rule, same, type Target } from "../target.ts"
import { calls } from "./rpc.ts"

const { concat, utf8 } = Mutate

const wires = Object.values(calls).map((rpc) => jsonWireOf(rpc as never))
const { form } = wires[0]!
const limit = 2_000

/** Decodes with every call's Schemas: what fails, fails as it should. */
const decoded = (name: string, decode: (wire: RpcWire.Wire) => Effect.Effect<unknown, unknown>): void => {
  for (const wire of wires) {
    const exit = Effect.runSyncExit(decode(wire))
    rule(
      Exit.isSuccess(exit) || exit.cause.reasons.every(Cause.isFailReason),
      `${name}: ${Exit.isFailure(exit) ? Cause.pretty(exit.cause) : ""}`
    )
  }
}

/** The kinds of the messages of an answer, as they are found when it comes in these pieces. */
const kindsOf = (parts: ReadonlyArray<Uint8Array>): ReadonlyArray<number> => {
  const pieces = new Pieces(1_024)
  const answers = form.answers(limit)
  const kinds: Array<number> = []
  let ended = false
  let at = 0
  while (true) {
    const kind = answers.next(pieces, ended)
    if (kind === RpcWire.Found.more) {
      rule(!ended, "an answer that has ended waits for more")
      if (at < parts.length) pieces.add(parts[at++]!)
      else ended = true
      continue
    }
    kinds.push(kind)
    const { body } = answers
    if (kind === RpcWire.Kind.chunk) {
      decoded("a chunk", (wire) => wire.decodeChunk(body))
      continue
    }
    if (kind === RpcWire.Kind.success) decoded("a result", (wire) => wire.decodeSuccess(body))
    if (kind === RpcWire.Kind.failure) decoded("an error", (wire) => wire.decodeExit(body))
    if (kind === RpcWire.Kind.mismatch) {
      const said = form.mismatch(body)
      rule(said?.hash === undefined || said.hash.length === 8, "a hash of another length")
      rule((said?.description?.length ?? 0) <= 6 * 1_024, "a long description")
    }
    return kinds
  }
}

const granted = (parts: ReadonlyArray<Uint8Array>): number | undefined => {
  const grants = form.grants()
  let sum = 0
  for (const part of parts) {
    const chunks = grants(part)
    if (chunks === undefined) return undefined
    sum += chunks
  }
  return sum
}

/** One of the lines is altered, and one may come twice. */
const lines: Mutate.Mutate = (random, input, pool) => {
  const all = input.length === 0 ? [input] : new TextDecoder("latin1").decode(input).split("\n")
  const bytes = all.map((line) => typeof line === "string" ? Uint8Array.from(line, (each) => each.charCodeAt(0)) : line)
  const at = random.below(bytes.length)
  bytes[at] = Mutate.json(random, bytes[at]!, pool)
  if (random.chance(0.2)) bytes.push(bytes[random.below(bytes.length)]!)
  return concat(...bytes.flatMap((line, i) => i === 0 ? [line] : [utf8("\n"), line]))
}

export const lineTargets: ReadonlyArray<Target> = [
  {
    name: "rpc-json-request",
    folders: ["rpc-json-request"],
    cost: 1,
    mutate: Mutate.any(Mutate.blind, lines),
    check: (bytes, random) => {
      // Grants are the same however they are cut.
      const whole = granted([bytes])
      const inPieces = granted(cut(bytes, random))
      rule(whole === inPieces, `${String(whole)} chunks are granted, and in pieces ${String(inPieces)}`)
      const request = form.decodeRequest(bytes)
      if (typeof request === "string") {
        rule(request.length < 100, "a long text about what is wrong")
        return whole !== undefined && whole > 0
      }
      rule(({} as any).polluted === undefined, "the prototype of all objects was changed")
      decoded("a payload", (wire) => wire.decodePayload(request.payload))
      const { flags, hash = new Uint8Array(8), headers, payload, window } = request
      const stream = (flags & RpcWire.Flag.stream) !== 0
      const parts = form.request({
        hash,
        window,
        stream,
        discard: (flags & RpcWire.Flag.discard) !== 0,
        raw: false,
        headers: RpcWire.headersText(headers)
      }, utf8(JSON.stringify(payload)))
      const twice = form.decodeRequest(concat(...parts))
      rule(typeof twice === "object", "decode(encode(request)) is none")
      rule(
        JSON.stringify([twice.headers, twice.payload, twice.flags]) === JSON.stringify([headers, payload, flags]) &&
          same(twice.hash!, hash) && (!stream || twice.window === window),
        "decode(encode(request)) is another"
      )
      return true
    }
  },
  {
    name: "rpc-json-answer",
    folders: ["rpc-json-answer"],
    cost: 2,
    mutate: Mutate.any(Mutate.blind, lines),
    check: (bytes, random) => {
      const whole = kindsOf([bytes])
      const inPieces = kindsOf(cut(bytes, random))
      rule(whole.join() === inPieces.join(), `an answer of ${whole.join()} is ${inPieces.join()} in pieces`)
      return whole.at(-1)! >= 0
    }
  }
]
