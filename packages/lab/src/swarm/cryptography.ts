/** The cryptography of Node with the entropy of a seed, and the keys of the network. */
import { Crypto, type NetworkKey } from "@pnet/core"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { Context, Effect, Layer, Redacted } from "effect"
import { chance } from "../harness/chance.ts"

type Service = Crypto.Crypto["Service"]

const remembered = 256

const remember = <K, V>(map: Map<K, V>, key: K, value: V) => {
  map.set(key, value)
  if (map.size > remembered) map.delete(map.keys().next().value!)
}

/** A token that was decrypted, with all that the result depends on. */
interface Decrypted {
  readonly keys: ReadonlyArray<string>
  readonly token: Uint8Array
  readonly now: number
  readonly ttlSeconds: number
  readonly result: ReturnType<Service["fernetDecrypt"]>
}

/** A broadcast is decrypted by each node that hears it: here that is done once, which changes no result. */
const decryptingOnce = (crypto: Service): Service["fernetDecrypt"] => {
  // By a few bytes of the token's end and the time: what is found is compared as a whole.
  const decrypted = new Map<number, Decrypted>()
  const keyIds = new WeakMap<object, string>()
  const idOf = (key: Redacted.Redacted<Uint8Array>) => {
    let id = keyIds.get(key)
    if (id === undefined) {
      id = Buffer.from(Redacted.value(key)).toString("latin1")
      keyIds.set(key, id)
    }
    return id
  }
  return (keys, token, nowMillis, ttlSeconds) => {
    const at = token.length - 8
    if (at < 0) return crypto.fernetDecrypt(keys, token, nowMillis, ttlSeconds)
    const now = Math.floor(nowMillis / 1_000)
    const end = ((token[at]! * 256 + token[at + 1]!) * 256 + token[at + 2]!) * 256 + token[at + 3]!
    const id = end * 2 ** 20 + now % 2 ** 20
    const known = decrypted.get(id)
    if (
      known !== undefined && known.now === now && known.ttlSeconds === ttlSeconds &&
      known.keys.length === keys.length &&
      keys.every((key, i) => idOf(key) === known.keys[i]) && Buffer.compare(token, known.token) === 0
    ) return known.result
    const result = crypto.fernetDecrypt(keys, token, nowMillis, ttlSeconds)
    remember(decrypted, id, { keys: keys.map(idOf), token: token.slice(), now, ttlSeconds, result })
    return result
  }
}

/** Both sides of a handshake compute the key that they share: here the second is given what the first has, a copy that it may wipe. */
const sharingOnce = (crypto: Service): Pick<Service, "generateKeyPair" | "keyPair" | "sharedKey"> => {
  const owners = new WeakMap<object, string>()
  const waiting = new Map<string, Uint8Array>()
  const known = (pair: Crypto.KeyPair): Crypto.KeyPair => {
    owners.set(pair.secretKey, pair.publicKey)
    return pair
  }
  return {
    generateKeyPair: () => known(crypto.generateKeyPair()),
    keyPair: (secretKey) => known(crypto.keyPair(secretKey)),
    sharedKey: (publicKey, secretKey) => {
      const owner = owners.get(secretKey)
      if (owner === undefined) return crypto.sharedKey(publicKey, secretKey)
      const id = owner < publicKey ? owner + publicKey : publicKey + owner
      const computed = waiting.get(id)
      if (computed !== undefined) {
        waiting.delete(id)
        return Redacted.make(computed, { label: "shared key" }) as ReturnType<Service["sharedKey"]>
      }
      const key = crypto.sharedKey(publicKey, secretKey)
      remember(waiting, id, Redacted.value(key).slice())
      return key
    }
  }
}

/** What several nodes compute alike is computed once, since all of them are in this process. */
const remembering = (crypto: Service): Service => ({
  ...crypto,
  ...sharingOnce(crypto),
  fernetDecrypt: decryptingOnce(crypto)
})

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
