/** A certificate for a minute's use on 127.0.0.1: a key and its own signature, written in DER by hand, as Node reads certificates but makes none. */
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto"
import type { Certificate } from "../harness/sockets.ts"

const der = (tag: number, ...parts: ReadonlyArray<Uint8Array>): Buffer => {
  const body = Buffer.concat(parts)
  const size = body.length < 128
    ? [body.length]
    : body.length < 256
    ? [0x81, body.length]
    : [0x82, body.length >> 8, body.length & 255]
  return Buffer.concat([Uint8Array.from([tag, ...size]), body])
}

const sequence = (...parts: ReadonlyArray<Uint8Array>) => der(0x30, ...parts)
const identifier = (...bytes: ReadonlyArray<number>) => der(0x06, Uint8Array.from(bytes))
const text = (tag: number, value: string) => der(tag, Buffer.from(value))

// ecdsa-with-SHA256
const signing = sequence(identifier(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02))

// CN=localhost
const name = sequence(der(0x31, sequence(identifier(0x55, 0x04, 0x03), text(0x0c, "localhost"))))

// From the first day of this century that fits to the last: it is thrown away after the run.
const validity = sequence(text(0x17, "200101000000Z"), text(0x17, "491231235959Z"))

// Alternative names: localhost and 127.0.0.1
const names = sequence(text(0x82, "localhost"), der(0x87, Uint8Array.from([127, 0, 0, 1])))
const extensions = der(0xa3, sequence(sequence(identifier(0x55, 0x1d, 0x11), der(0x04, names))))

const signed = (publicKey: KeyObject, privateKey: KeyObject): Buffer => {
  const serial = randomBytes(8)
  serial[0] = serial[0]! & 0x7f | 1
  const body = sequence(
    der(0xa0, der(0x02, Uint8Array.of(2))),
    der(0x02, serial),
    signing,
    name,
    validity,
    name,
    publicKey.export({ type: "spki", format: "der" }),
    extensions
  )
  const signature = sign("sha256", body, privateKey)
  return sequence(body, signing, der(0x03, Uint8Array.of(0), signature))
}

/** Makes one. */
export const make = (): Certificate => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const lines = signed(publicKey, privateKey).toString("base64").replace(/.{64}/g, "$&\n").trimEnd()
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString()
  }
}
