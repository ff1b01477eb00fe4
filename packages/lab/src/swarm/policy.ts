/** Whom a node trusts: its policy, together with what that is to decide, worked out here and not by asking the policy. */
import { AllowListTrust, AnyTrust, type Peers, TofuTrust, Trust } from "@pnet/core"
import { Context, Effect, Layer } from "effect"
import type { Identities } from "./identities.ts"
import type { Journal } from "./journal.ts"
import type { NodeSpec, Plan } from "./plan.ts"

export interface Policy {
  readonly trust: Trust.Trust["Service"]
  /** Whether a name may have a key, by what was decided here. */
  readonly permits: (name: string, key: string) => boolean
  readonly revoke: (name: string, key: string) => Effect.Effect<void>
  /** Says that a name has this key from now on, to the table of peers where the node is there. */
  readonly accept: (name: string, key: string, peers: Peers.Peers["Service"] | undefined) => Effect.Effect<void>
}

const anybody = Effect.map(Effect.scoped(Layer.build(AnyTrust.layer)), (context): Policy => ({
  trust: Context.get(context, Trust.Trust),
  permits: () => true,
  revoke: () => Effect.void,
  accept: () => Effect.void
}))

const onFirstUse = (owner: string, journal: Journal, changed: () => void): Policy => {
  const revoked = new Set<string>()
  const pins = new Map<string, string>()
  let deciding = false
  const trust = TofuTrust.make({
    onPin: (name, key) =>
      Effect.sync(() => {
        const pinned = pins.get(name)
        if (pinned !== undefined && pinned !== key && !deciding) {
          journal.problem("no session with a key that the policy refuses", `${owner} pinned ${name} to another key`)
        }
        pins.set(name, key)
      })
  })
  return {
    trust,
    permits: (name, key) => !revoked.has(key) && (pins.get(name) ?? key) === key,
    revoke: (_name, key) =>
      Effect.suspend(() => {
        revoked.add(key)
        changed()
        return trust.revoke(key as never)
      }),
    accept: (name, key, peers) =>
      Effect.suspend(() => {
        deciding = true
        changed()
        return Effect.ignore(
          peers === undefined
            ? trust.pin(name as never, key as never)
            : peers.resolveConflict(name as never, key as never)
        )
      }).pipe(Effect.ensuring(Effect.sync(() => {
        deciding = false
      })))
  }
}

const fromList = (list: Map<string, string>, changed: () => void): Effect.Effect<Policy> =>
  Effect.map(Effect.orDie(AllowListTrust.make(list)), (trust) => ({
    trust,
    permits: (name, key) => list.get(name) === key,
    revoke: (name, key) =>
      Effect.suspend(() => {
        if (list.get(name) !== key) return Effect.void
        list.delete(name)
        changed()
        return trust.remove(name as never)
      }),
    accept: (name, key) =>
      Effect.suspend(() => {
        list.set(name, key)
        changed()
        return Effect.orDie(trust.add(name, key))
      })
  }))

/** The policy of a node. It says when it is changed. */
export const makePolicy = (
  world: { readonly plan: Plan; readonly identities: Identities; readonly journal: Journal },
  spec: NodeSpec,
  changed: () => void
): Effect.Effect<Policy> => {
  switch (spec.policy) {
    case "any":
      return anybody
    case "tofu":
      return Effect.succeed(onFirstUse(spec.name, world.journal, changed))
    case "allow":
      return fromList(
        new Map(world.plan.nodes.map(({ name }) => [name, world.identities.first(name).publicKey as string])),
        changed
      )
  }
}
