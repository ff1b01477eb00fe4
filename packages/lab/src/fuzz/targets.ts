/**
 * What is fuzzed layer by layer: each target has a folder of the corpus, ways to alter what is in it, and the rules that hold for
 * whatever comes out.
 */
import { Crypto, PortableCrypto } from "@pnet/core"
import { Clock, Effect, Redacted } from "effect"
import { seeded } from "../worlds/sessionWorld.ts"
import { type Target, vectorTime } from "./target.ts"
import { commandTargets } from "./targets/commands.ts"
import { framesTarget, recordsTarget } from "./targets/frames.ts"
import { handshakeTargets } from "./targets/handshakes.ts"
import { advertTarget, packetTarget, sealedTargets } from "./targets/packets.ts"
import { contractTarget, requestTarget, valueTargets } from "./targets/rpc.ts"
import { lineTargets } from "./targets/rpcJson.ts"

/** Cryptography whose products are computed once: each case of a handshake computes the same. */
const remembering = (crypto: Crypto.Crypto["Service"]): Crypto.Crypto["Service"] => {
  const shared = new Map<string, Uint8Array>()
  const pairs = new Map<string, Crypto.KeyPair>()
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
  const forget = (map: Map<string, unknown>) => {
    if (map.size > 2_000) map.clear()
  }
  return {
    ...crypto,
    sharedKey: (publicKey, secretKey) => {
      const id = `${publicKey} ${hex(Redacted.value(secretKey))}`
      let bytes = shared.get(id)
      if (bytes === undefined) {
        forget(shared)
        bytes = Redacted.value(crypto.sharedKey(publicKey, secretKey)).slice()
        shared.set(id, bytes)
      }
      // A copy, since whoever has it wipes it in the end.
      return Redacted.make(bytes.slice())
    },
    keyPair: (secretKey) => {
      const id = hex(Redacted.value(secretKey))
      let pair = pairs.get(id)
      if (pair === undefined) {
        forget(pairs)
        pair = crypto.keyPair(Redacted.make(Redacted.value(secretKey).slice()))
        pairs.set(id, pair)
      }
      return { publicKey: pair.publicKey, secretKey: Redacted.make(Redacted.value(secretKey).slice()) }
    }
  }
}

/** All of them. */
export const targets: Effect.Effect<ReadonlyArray<Target>> = Effect.scoped(Effect.gen(function*() {
  const crypto = yield* seeded(1, PortableCrypto.layer)
  const clock: Clock.Clock = { ...yield* Clock.Clock, currentTimeMillisUnsafe: () => vectorTime }
  return [
    packetTarget(remembering(crypto), clock),
    advertTarget,
    ...sealedTargets(crypto, clock),
    ...handshakeTargets(remembering(crypto)),
    framesTarget,
    recordsTarget,
    ...commandTargets,
    requestTarget,
    ...lineTargets,
    ...valueTargets(),
    contractTarget()
  ]
}))
