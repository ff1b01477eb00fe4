/**
 * Whom a function lets call it, besides what the trust policy lets a peer call (`Rights`): those with a role, those with a name, or
 * those whom a predicate takes. It is asked for each call before its arguments are read, and anew where the call has waited for its
 * turn at a function that is limited; who may not call gets a `NotAllowedError`, and nothing has run.
 *
 * ```ts
 * yield* node.register("wipe", wipe, { allow: { roles: ["operator"] } })
 * const Live = CommandNode.serve(Files, { allow: { names: ["gateway-1", "gateway-2"] } })
 * yield* node.register("join", join, { allow: (caller) => isMember(caller.publicKey) })
 * ```
 *
 * What bites: a name is what the trust policy says it is. Under `AnyTrust.layer` everyone may have any.
 *
 * @since 0.2.0
 */
import type * as Effect from "effect/Effect"
import type { NodeName } from "./Packet.ts"
import type { PublicKey } from "./PublicKey.ts"
import type { Rights } from "./Rights.ts"

/**
 * Who asks: the peer as its handshake proved it, and what the trust policy lets it do.
 *
 * @category models
 * @since 0.2.0
 */
export interface Asking {
  readonly name: NodeName
  readonly publicKey: PublicKey
  readonly rights: Rights
}

/**
 * Those who hold one of these roles by the trust policy, and those who have one of these names. Nobody where there is neither.
 *
 * @category models
 * @since 0.2.0
 */
export interface Listed {
  /** Roles, of which the policy grants the caller one. A policy that knows no roles grants none. */
  readonly roles?: ReadonlyArray<string> | undefined
  /** Names of nodes, as the policy admits them. */
  readonly names?: ReadonlyArray<string> | undefined
}

/**
 * Decides about a caller. Anything but `true` is no: what it throws or fails with is logged, and so is that it took over ten seconds.
 *
 * @category models
 * @since 0.2.0
 */
export type Predicate = (caller: Asking) => boolean | Effect.Effect<boolean, unknown>

/**
 * Whom a function lets call it.
 *
 * @category models
 * @since 0.2.0
 */
export type Allow = Listed | Predicate

/**
 * How a function is registered.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /** Who may call it. Default: whoever the trust policy lets. */
  readonly allow?: Allow | undefined
}

/**
 * Those who hold one of these roles by the trust policy: `{ allow: Allow.roles("operator") }`.
 *
 * @category constructors
 * @since 0.2.0
 */
export const roles = (...roles: ReadonlyArray<string>): Listed => ({ roles })

/**
 * Those who have one of these names, as the trust policy admits them.
 *
 * @category constructors
 * @since 0.2.0
 */
export const names = (...names: ReadonlyArray<string>): Listed => ({ names })
