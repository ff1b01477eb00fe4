/** The cryptography of Node with the entropy of a seed, and the keys of the network. */
import { Crypto, type NetworkKey } from "@pnet/core"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { Context, Effect, Layer, Redacted } from "effect"
import { chance } from "../harness/chance.ts"

const remembered = 256

/** A broadcast is decrypted by each node that hears it: here that is done once, which changes no result. */
const remembering = (crypto: Crypto.Crypto["Service"]): Crypto.Crypto["Service"] => {
  const opened = new Map<string, ReturnType<Crypto.Crypto["Service"]["fernetDecrypt"]>>()
  const keyIds = new WeakMap<object, string>()
  const idOf = (key: Redacted.Redacted<Uint8Array>) => {
    let id = keyIds.get(key)
    if (id === undefined) {
      id = Buffer.from(Redacted.value(key)).toString("latin1")
      keyIds.set(key, id)
    }
    return id
  }
  return {
    ...crypto,
    fernetDecrypt: (keys, token, nowMillis, ttlSeconds) => {
      const now = Math.floor(nowMillis / 1_000)
      const text = Buffer.from(token.buffer, token.byteOffset, token.byteLength).toString("latin1")
      const id = `${now} ${ttlSeconds} ${keys.map(idOf).join("")} ${text}`
      const known = opened.get(id)
      if (known !== undefined) return known
      const result = crypto.fernetDecrypt(keys, token, nowMillis, ttlSeconds)
      opened.set(id, result)
      if (opened.size > remembered) opened.delete(opened.keys().next().value!)
      return result
    }
  }
}

const entropy = (seed: number) => {
  const random = chance(seed, "entropy")
  return (out: Uint8Array) => {
    for (let i = 0; i < out.length; i++) out[i] = random.below(256)
  }
}

/** One for each run: it draws more than it needs at once, and the next run is to begin anew. */
export const makeCrypto = (seed: number) =>
  Layer.build(Layer.fresh(NodeCrypto.layer)).pipe(
    Effect.map((context) => remembering(Context.get(context, Crypto.Crypto))),
    Effect.provideService(Crypto.Entropy, entropy(seed)),
    Effect.scoped
  )

const networkKeyOf = (byte: number) =>
  Redacted.make(`${Buffer.alloc(32, byte).toString("base64url")}=`) as unknown as NetworkKey.NetworkKey

/** The key of the network at first. */
export const networkKey = networkKeyOf(7)
/** A key that no network of these ever has. */
export const wrongKey = networkKeyOf(9)
/** The key of the network after so many changes. */
export const nextNetworkKey = (changes: number) => networkKeyOf(100 + changes % 100)
