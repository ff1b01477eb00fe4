/**
 * What the server tells by that something was sent before: the same for the same id, and nobody else's. It drops what has the same one, whoever sent
 * it; so it is derived from a secret, and who guesses an id takes nobody's place.
 */
import { sha512 } from "@noble/hashes/sha2.js"
import type { KeyPair } from "@pnet/core/Crypto"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Redacted from "effect/Redacted"
import { concat, label } from "./bytes.ts"
import { utf8 } from "./platform.ts"

export const messageIdOf = ({ secretKey }: KeyPair, purpose: string, place: string, id: string): string =>
  Base64Url.encode(
    sha512(concat(Redacted.value(secretKey), label(purpose), label(id), utf8(place))).slice(0, 18)
  )
