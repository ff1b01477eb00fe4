/** What a target is, and the rules that all of them have in common. A rule that is broken throws. */
import { type Packet, ProtocolError } from "@pnet/core"
import { Cause, Effect, Exit, Result } from "effect"
import type * as Mutate from "./mutate.ts"

export interface Target {
  readonly name: string
  /** Folders whose items are altered; that of its own name first. */
  readonly folders: ReadonlyArray<string>
  readonly mutate: Mutate.Mutate
  /** Throws where a rule is broken; whether the bytes were accepted otherwise. `random` decides how they are cut. */
  readonly check: (bytes: Uint8Array, random: Mutate.Chance) => boolean
  /** How much more a case costs than those of other targets. */
  readonly cost: number
}

export class Broken extends Error {}

export const rule: (holds: boolean, what: string) => asserts holds = (holds, what) => {
  if (!holds) throw new Broken(what)
}

export const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

export const codes: ReadonlySet<string> = new Set(ProtocolError.codes)

export const succeeded = <A>(result: Result.Result<A, ProtocolError.ProtocolError>, where: string): A | undefined => {
  if (Result.isSuccess(result)) return result.success
  rule(codes.has(result.failure.code), `${where}: ${result.failure.code} is no code`)
  rule(result.failure.message.length < 2_000, `${where}: a message of ${result.failure.message.length} characters`)
  return undefined
}

/** The value of an effect that needs nothing: it succeeds or fails with a typed error, and never breaks. */
export const settled = <A, E>(effect: Effect.Effect<A, E>, where: string): A | undefined => {
  const exit = Effect.runSyncExit(effect)
  if (Exit.isSuccess(exit)) return exit.value
  rule(exit.cause.reasons.every(Cause.isFailReason), `${where}: ${Cause.pretty(exit.cause)}`)
  return undefined
}

/** The bytes in pieces. */
export const cut = (bytes: Uint8Array, random: Mutate.Chance): ReadonlyArray<Uint8Array> => {
  const out: Array<Uint8Array> = []
  const longest = random.pick([1, 5, 100, 5_000, 70_000])
  // Byte by byte only where that is soon done.
  const step = bytes.length > 3_000 ? Math.max(longest, 500) : longest
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + 1 + random.below(step))
    out.push(bytes.slice(at, end))
    at = end
  }
  return out
}

/** When the vectors were made, in milliseconds since the epoch. */
export const vectorTime = 1_767_225_600_250

export const lab = "lab" as Packet.NetworkId
