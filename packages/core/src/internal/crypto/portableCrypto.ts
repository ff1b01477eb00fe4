/**
 * The box half of the primitives, in JavaScript alone: X25519, XSalsa20 and Poly1305 by `@stablelib`, whose author ported TweetNaCl
 * to JavaScript before. Unlike `tweetnacl` these are ES modules that ask nobody for `require("crypto")`, so that bundles run.
 */
import { openSecretBox, secretBox } from "@stablelib/nacl"
import { scalarMult, scalarMultBase } from "@stablelib/x25519"
import { hsalsa } from "@stablelib/xsalsa20"
import type { Primitives } from "../../Crypto.ts"

const zeros = new Uint8Array(16)

const boxKey = (product: Uint8Array): Uint8Array => hsalsa(product, zeros, new Uint8Array(32))

type BoxPrimitives = Pick<Primitives, "name" | "scalarMultBase" | "boxBefore" | "secretbox" | "secretboxOpen">

export const box: BoxPrimitives & { readonly boxKey: (product: Uint8Array) => Uint8Array } = {
  name: "stablelib",
  scalarMultBase,
  boxBefore: (publicKey, secretKey) => {
    const product = scalarMult(secretKey, publicKey)
    const key = boxKey(product)
    product.fill(0)
    return key
  },
  boxKey,
  secretbox: (out, message, nonce, key) => out.set(secretBox(key, nonce, message)),
  secretboxOpen: (out, box, nonce, key) => {
    const message = openSecretBox(key, nonce, box)
    if (message === null) return false
    out.set(message)
    message.fill(0)
    return true
  }
}
