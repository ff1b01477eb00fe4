/**
 * What the console shows of whom a node trusts, and what it can do about it.
 *
 * @since 0.2.0
 */
import type { NodeName } from "@pnet/core/Packet"
import type { PublicKey } from "@pnet/core/PublicKey"
import * as Policy from "@pnet/core/Trust"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Trust } from "./ConsoleApi.ts"

/**
 * Whom a node trusts, for the console. What is left out the console cannot do. What an action fails with is shown by its `_tag` and its `message`.
 *
 * @category models
 * @since 0.2.0
 */
export interface ConsoleTrust {
  /** How far a peer is trusted, at once: it is asked for each that is shown. */
  readonly judge: (name: NodeName, publicKey: PublicKey) => Effect.Effect<Trust>
  /** Whether what a peer says that it serves counts, of any function: at once, too. Left out: it does. */
  readonly heeds?: ((name: NodeName, publicKey: PublicKey) => Effect.Effect<boolean>) | undefined
  /** From now on a name belongs to a key that somebody has compared. */
  readonly allow?: ((name: NodeName, publicKey: PublicKey) => Effect.Effect<void, unknown>) | undefined
  /** From now on a key is nobody's, whatever it calls itself. */
  readonly revoke?: ((publicKey: PublicKey) => Effect.Effect<void, unknown>) | undefined
  /** From now on a name belongs to nobody. */
  readonly forget?: ((name: NodeName) => Effect.Effect<void, unknown>) | undefined
}

/**
 * What any trust policy can say of itself, and do.
 *
 * @category constructors
 * @since 0.2.0
 */
export const ofPolicy = (trust: Policy.Trust["Service"]): ConsoleTrust => ({
  judge: (name, publicKey) =>
    Effect.gen(function*() {
      const refused = yield* Effect.flip(trust.check(name, publicKey)).pipe(Effect.option)
      if (Option.isSome(refused)) {
        const { kind } = refused.value
        return kind === "Revoked" ? "revoked" : kind === "KeyChanged" ? "other" : "unknown"
      }
      const expected = yield* trust.expected(name)
      if (expected !== undefined && expected !== publicKey) return "other"
      const standing = trust.standing === undefined ? undefined : yield* trust.standing(name, publicKey)
      return standing ?? (trust.standing !== undefined || expected === undefined ? "unknown" : "pinned")
    }),
  heeds: (name, publicKey) => Effect.map(Policy.rightsOf(trust, name, publicKey), ({ serves }) => serves.length > 0),
  allow: trust.pin,
  forget: trust.forget
})

/**
 * Where nothing is known of the policy.
 *
 * @category constants
 * @since 0.2.0
 */
export const unknown: ConsoleTrust = { judge: () => Effect.succeed("unknown") }
