/** Whom this user's nodes trust, for the console: what the files say, and how they are changed. */
import type { ConsoleTrust } from "@pnet/console/ConsoleTrust"
import * as ConsoleTrusts from "@pnet/console/ConsoleTrust"
import type * as Trust from "@pnet/core/Trust"
import * as NodeTrust from "@pnet/node/NodeTrust"
import * as Effect from "effect/Effect"
import { Settings } from "../settings/Settings.ts"

/** What the console shows of the trust policy of the settings, and can do about it. */
export const trusting = Effect.fnUntraced(function*(trust: Trust.Trust["Service"]) {
  const { values } = yield* Settings
  const { allow, forget, heeds, judge } = ConsoleTrusts.ofPolicy(trust)
  // Certificates are given by whoever has the authority's key, which is not here.
  if (values.authority !== undefined) return { heeds, judge } satisfies ConsoleTrust
  if (values.allowList !== undefined) {
    const store = yield* NodeTrust.allowListStore(values.allowList)
    return {
      heeds,
      judge,
      allow: (name, publicKey) => store.save({ allowed: [[name, publicKey, undefined]] }),
      forget: (name) => store.save({ removed: [name] }),
      revoke: (publicKey) =>
        Effect.gen(function*() {
          const listed = (yield* store.load).filter(([, key]) => key === publicKey).map(([name]) => name)
          yield* store.save({ removed: listed })
        })
    } satisfies ConsoleTrust
  }
  const store = yield* NodeTrust.knownPeersStore(values.knownPeers)
  return {
    heeds,
    judge,
    allow,
    forget,
    revoke: (publicKey) =>
      Effect.gen(function*() {
        const { pins } = yield* store.load
        const forgotten = pins.filter((pin) => pin.publicKey === publicKey).map(({ name }) => name)
        yield* store.save({ forgotten, pinned: [], learnt: [], revoked: [publicKey] })
      })
  } satisfies ConsoleTrust
})
