/**
 * Whether a peer may call a function: by its rights, which are the trust policy's, and by whom the function allows. It is asked
 * when a call has come, and before anything of it is decoded.
 *
 * What bites: a predicate is a program's own, and so is a policy. What either throws, never gives, or gives of another shape is no.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { Allow, Asking } from "../../Allow.ts"
import * as Rights from "../../Rights.ts"
import type * as Sessions from "../../Sessions.ts"
import * as AtOnce from "../base/atOnce.ts"
import * as Given from "../base/given.ts"
import { quote } from "../base/quote.ts"
import * as Seldom from "../base/seldom.ts"
import type { SessionStream } from "./sessionStream.ts"

/** Milliseconds in which a predicate has to decide: a caller without a deadline would wait for ever. */
const patience = 10_000

/** What a caller is told. That the function is there is no secret: it would be `not_found` otherwise. */
export const refusal = "the caller may not call it"

const listed = (names: unknown, has: (name: string) => boolean): boolean =>
  Array.isArray(names) && names.some((name) => typeof name === "string" && has(name))

const judge = (allow: Allow, caller: Asking): unknown =>
  typeof allow === "function"
    ? allow(caller)
    : listed(allow.roles, (role) => Rights.allows(caller.rights.roles, role)) ||
      listed(allow.names, (name) => name === caller.name)

/** What is decided of a caller, which has to be `true`. */
export const decide = (allow: Allow, caller: Asking, name: string): Effect.Effect<unknown, unknown> => {
  const decided = Given.run(() => judge(allow, caller), Given.titled("who may call", name))
  return typeof allow === "function"
    ? Effect.timeoutOrElse(decided, {
      duration: patience,
      orElse: () => Effect.die(new Error(`it had not decided after ${patience} ms`))
    })
    : decided
}

/** Whether it may, as far as that can be had at once; where it cannot, or it may not, it has to be asked for. */
export const granted = (given: Sessions.SessionStream, name: string, allow: Allow | undefined): boolean => {
  const { peer, policy } = given as SessionStream
  if (policy === undefined && allow === undefined) return true
  if (typeof allow === "function") return false
  try {
    const rights = (policy === undefined ? Rights.named : AtOnce.soonOf(policy)) as Rights.Rights | undefined
    return rights !== undefined && Rights.allows(rights.calls, name) === true &&
      (allow === undefined || judge(allow, { name: peer.name, publicKey: peer.publicKey, rights }) === true)
  } catch {
    // What is wrong with it is told by whoever asks.
    return false
  }
}

/** Whether it may; `undefined` where there is nothing to ask. */
export const ask = (
  given: Sessions.SessionStream,
  name: string,
  allow: Allow | undefined,
  lines: Seldom.Lines
): Effect.Effect<boolean> | undefined => {
  const { peer, policy } = given as SessionStream
  if (policy === undefined && allow === undefined) return undefined
  const broke = (cause: Cause.Cause<unknown>) =>
    Effect.as(
      lines(Seldom.defect(`allow ${name}`, cause), "allow", (more) =>
        Effect.logError(
          `whether ${quote(peer.name)} may call ${quote(name)} could not be decided, so it may not${more}`,
          cause
        )),
      false
    )
  const refused = Effect.as(
    lines(
      `${peer.publicKey} ${name}`,
      "not allowed",
      (more) => Effect.logWarning(`${quote(peer.name)} called ${quote(name)}, which it may not${more}`)
    ),
    false
  )
  return Effect.matchCauseEffect(
    Effect.flatMap(policy ?? Effect.succeed(Rights.named), (rights) =>
      !Rights.allows(rights.calls, name)
        ? Effect.succeed(false)
        : allow === undefined
        ? Effect.succeed(true)
        : decide(allow, { name: peer.name, publicKey: peer.publicKey, rights }, name)),
    {
      onSuccess: (may) => may === true ? Effect.succeed(true) : refused,
      onFailure: (cause): Effect.Effect<boolean> =>
        Cause.hasInterruptsOnly(cause)
          ? Effect.failCause(cause as Cause.Cause<never>)
          : broke(cause)
    }
  )
}
