/** Ed25519 in JavaScript alone, by `@stablelib`, whose author ported TweetNaCl to JavaScript before. */
import { generateKeyPairFromSeed, sign, verify } from "@stablelib/ed25519"
import type { Primitives } from "../../Crypto.ts"

export const ed25519: Pick<Primitives, "ed25519Key" | "ed25519Sign" | "ed25519Verify"> = {
  ed25519Key: (secretKey) => {
    const pair = generateKeyPairFromSeed(secretKey)
    pair.secretKey.fill(0)
    return pair.publicKey
  },
  ed25519Sign: (secretKey, message) => {
    const pair = generateKeyPairFromSeed(secretKey)
    const signature = sign(pair.secretKey, message)
    pair.secretKey.fill(0)
    return signature
  },
  ed25519Verify: verify
}
