/**
 * The section "certificates" of `docs/vectors.json`: certificates and lists of revocations of one authority, and what a node that goes by it makes
 * of them. Built from the text of protocol section 15; shares no code with the library.
 */
import { createPrivateKey, createPublicKey, sign } from "node:crypto"
import { base64url, concat, hexOf, ofHex, range, u64, utf8 } from "./bytes.ts"
import type { Rule } from "./rules.ts"

export interface Certificate {
  readonly networkId: string
  /** Hex. */
  readonly publicKey: string
  readonly name: string
  readonly serial: number
  readonly notBefore: number
  readonly expires: number
  readonly roles: ReadonlyArray<string>
  readonly serves: ReadonlyArray<string>
  readonly calls: ReadonlyArray<string>
  readonly publishes: ReadonlyArray<string>
  readonly subscribes: ReadonlyArray<string>
}

export interface Revocations {
  readonly networkId: string
  readonly version: number
  readonly serials: ReadonlyArray<number>
  /** Hex. */
  readonly publicKeys: ReadonlyArray<string>
}

export interface Entry {
  readonly name: string
  readonly description: string
  readonly rule: Rule
  readonly kind: "certificate" | "revocations"
  /** Hex. */
  readonly bytes: string
  /** What it says; missing where it is none. */
  readonly certificate?: Certificate
  readonly revocations?: Revocations
  /** Whether the authority has signed it. */
  readonly signed: boolean
}

export interface Section {
  readonly description: ReadonlyArray<string>
  readonly fields: Readonly<Record<string, string>>
  readonly authority: { readonly secret: string; readonly public: string; readonly text: string }
  readonly entries: ReadonlyArray<Entry>
}

const secret = range(0x20, 32)
const der = { format: "der", type: "pkcs8" } as const
const privateOf = (seed: Uint8Array) =>
  createPrivateKey({ key: Buffer.from(concat(ofHex("302e020100300506032b657004220420"), seed)), ...der })
const publicKey = new Uint8Array(
  createPublicKey(privateOf(secret)).export({ format: "der", type: "spki" }).subarray(-32)
)

const signedBy = (seed: Uint8Array, body: Uint8Array) => concat(body, new Uint8Array(sign(null, body, privateOf(seed))))
const u16 = (value: number) => Uint8Array.of(value >> 8, value)
const text = (value: string) => concat(Uint8Array.of(utf8(value).length), utf8(value))
const texts = (values: ReadonlyArray<string>) => concat(Uint8Array.of(values.length), ...values.map(text))

const key = hexOf(range(1, 32))
const otherKey = hexOf(range(2, 32))

const plain: Certificate = {
  networkId: "home",
  publicKey: key,
  name: "bob",
  serial: 1,
  notBefore: 1_800_000_000_000,
  expires: 1_802_592_000_000,
  roles: [],
  serves: [],
  calls: ["*"],
  publishes: ["*"],
  subscribes: []
}

const bodyOf = (it: Certificate) =>
  concat(
    utf8("pnet-certificate-1\n"),
    text(it.networkId),
    ofHex(it.publicKey),
    text(it.name),
    u64(it.serial),
    u64(it.notBefore),
    u64(it.expires),
    texts(it.roles),
    texts(it.serves),
    texts(it.calls),
    texts(it.publishes),
    texts(it.subscribes)
  )

const listOf = (it: Revocations) =>
  concat(
    utf8("pnet-revocations-1\n"),
    text(it.networkId),
    u64(it.version),
    u16(it.serials.length),
    ...it.serials.map(u64),
    u16(it.publicKeys.length),
    ...it.publicKeys.map(ofHex)
  )

const says = (name: string, rule: Rule, description: string, more: Partial<Certificate> = {}): Entry => {
  const certificate = { ...plain, ...more }
  return {
    name,
    description,
    rule,
    kind: "certificate",
    bytes: hexOf(signedBy(secret, bodyOf(certificate))),
    certificate,
    signed: true
  }
}

const none = (name: string, rule: Rule, description: string, body: Uint8Array): Entry => ({
  name,
  description,
  rule,
  kind: "certificate",
  bytes: hexOf(signedBy(secret, body)),
  signed: true
})

const forged = (name: string, description: string, bytes: Uint8Array): Entry => ({
  name,
  description,
  rule: "certificate-signature",
  kind: "certificate",
  bytes: hexOf(bytes),
  certificate: plain,
  signed: false
})

const lists = (name: string, rule: Rule, description: string, more: Partial<Revocations>): Entry => {
  const revocations = { networkId: "home", version: 1, serials: [], publicKeys: [], ...more }
  return {
    name,
    description,
    rule,
    kind: "revocations",
    bytes: hexOf(signedBy(secret, listOf(revocations))),
    revocations,
    signed: true
  }
}

const noList = (name: string, rule: Rule, description: string, body: Uint8Array): Entry => ({
  ...none(name, rule, description, body),
  kind: "revocations"
})

/** The scalar of a signature and the order of the group together, which is the same signature in another form. */
const secondForm = (bytes: Uint8Array): Uint8Array => {
  const out = bytes.slice()
  const at = out.length - 32
  const order = 2n ** 252n + 27742317777372353535851937790883648493n
  let scalar = out.subarray(at).reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n) + order
  for (let i = at; i < out.length; i++) {
    out[i] = Number(scalar & 255n)
    scalar >>= 8n
  }
  return out
}

const good = signedBy(secret, bodyOf(plain))
const with_ = (more: Partial<Certificate>) => bodyOf({ ...plain, ...more })
const listWith = (more: Partial<Revocations>) =>
  listOf({ networkId: "home", version: 1, serials: [], publicKeys: [], ...more })

const entries: ReadonlyArray<Entry> = [
  says("certificate", ["certificate-form", "certificate-signature"], "a node that may call and publish everything"),
  says("certificate-rights", "certificate-rights", "roles, functions and topics, in the order of their bytes", {
    networkId: "büro",
    name: "worker 1",
    serial: 2 ** 53 - 1,
    notBefore: 0,
    expires: 2 ** 53 - 1,
    roles: ["night", "worker"],
    serves: ["resize", "resize.*"],
    calls: [],
    publishes: ["build.*", "readings"],
    subscribes: ["*"]
  }),
  says("certificate-2048", "certificate-length", "2,048 bytes", {
    serves: [..."abcdefg"].map((c) => c.repeat(255)).concat("h".repeat(98))
  }),
  none(
    "certificate-2049",
    "certificate-length",
    "2,049 bytes",
    with_({
      serves: [..."abcdefg"].map((c) => c.repeat(255)).concat("h".repeat(99))
    })
  ),
  forged("certificate-stranger", "signed with another key", signedBy(range(0x40, 32), bodyOf(plain))),
  forged("certificate-second-form", "the order of the group added to the scalar", secondForm(good)),
  none("certificate-behind", "certificate-form", "a byte behind its lists", concat(bodyOf(plain), Uint8Array.of(0))),
  none("certificate-short", "certificate-form", "a list less", bodyOf(plain).subarray(0, -1)),
  none("certificate-order", "certificate-form", "roles out of order", with_({ roles: ["b", "a"] })),
  none("certificate-twice", "certificate-form", "a role twice", with_({ roles: ["a", "a"] })),
  none("certificate-empty", "certificate-rights", "an empty role", with_({ roles: [""] })),
  none("certificate-star", "certificate-rights", "a star in the middle", with_({ calls: ["a*b"] })),
  none("certificate-topic-star", "certificate-rights", "a star that is a segment", with_({ subscribes: ["a.*.b"] })),
  none("certificate-topic-more", "certificate-rights", "a pattern of a subscription", with_({ publishes: ["a.>"] })),
  says("certificate-call-more", "certificate-rights", "a function whose name has >", { calls: ["a.>"] }),
  none("certificate-name", "certificate-form", "a name that is none", with_({ name: "*" })),
  none("certificate-network", "certificate-form", "a network id that is none", with_({ networkId: "a|b" })),
  none("certificate-key", "certificate-form", "a key of low order", with_({ publicKey: "00".repeat(32) })),
  none("certificate-serial", "certificate-form", "a serial of 2^53", with_({ serial: 2 ** 53 })),
  none("certificate-ended", "certificate-form", "an end that is its beginning", with_({ expires: plain.notBefore })),
  none(
    "certificate-version",
    "certificate-form",
    "another version",
    concat(
      utf8("pnet-certificate-2\n"),
      bodyOf(plain).subarray(19)
    )
  ),
  lists("revocations", "revocations-length", "serials and keys", { serials: [1, 300], publicKeys: [key, otherKey] }),
  lists("revocations-nothing", "revocations-length", "nothing, which takes all back", { version: 2 ** 53 - 1 }),
  noList("revocations-version", "certificate-form", "version 0", listWith({ version: 0 })),
  noList("revocations-order", "certificate-form", "serials out of order", listWith({ serials: [2, 1] })),
  noList("revocations-twice", "certificate-form", "a key twice", listWith({ publicKeys: [key, key] })),
  noList("revocations-behind", "certificate-form", "a byte behind", concat(listWith({}), Uint8Array.of(0))),
  noList("revocations-certificate", "certificate-form", "a certificate", bodyOf(plain))
]

export const generate = (): Section => ({
  description: [
    "Certificates and lists of revocations, and what they say. One that says nothing is none, whoever signed it; of one that the authority has "
    + "not signed nothing is taken. The signatures are those of the authority's secret, which are the same each time."
  ],
  fields: {
    "authority": "its Ed25519 secret and public key, hex, and the public key as text",
    "kind": "what it is read as",
    "bytes": "hex",
    "certificate": "what it says; publicKey is hex",
    "revocations": "what it says; publicKeys are hex",
    "signed": "whether its signature is the authority's"
  },
  authority: { secret: hexOf(secret), public: hexOf(publicKey), text: `ed25519:${base64url(publicKey)}` },
  entries
})
