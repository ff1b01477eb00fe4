/**
 * The section "kept" of `docs/vectors.json`: what alpha has published to be kept, and how it is read. Built from the text of protocol section 22; the
 * signatures are those of XEdDSA as its authors describe it, by numbers alone, and shared with no code of the library.
 */
import * as PublicKey from "@pnet/core/PublicKey"
import * as Redacted from "effect/Redacted"
import { createHash } from "node:crypto"
import { concat, hexOf, range, u64, utf8 } from "./bytes.ts"
import type { Entry, Section } from "./keptDocument.ts"
import type { Rule } from "./rules.ts"
import { clock, type makeScene, networkSecrets, secrets } from "./scene.ts"

const prime = 2n ** 255n - 19n
const order = 2n ** 252n + 27742317777372353535851937790883648493n
const mod = (value: bigint, by = prime) => ((value % by) + by) % by
const power = (base: bigint, exponent: bigint): bigint =>
  exponent === 0n ? 1n : mod(power(mod(base * base), exponent >> 1n) * (exponent % 2n === 1n ? base : 1n))
const over = (value: bigint) => power(mod(value), prime - 2n)
const number = (bytes: Uint8Array) => BigInt(`0x${hexOf(bytes.slice().reverse())}`)
const bytes32 = (value: bigint) => new Uint8Array(Buffer.from(value.toString(16).padStart(64, "0"), "hex")).reverse()

/** A point is at `x / z`, `y / z`, and `t` is `x y / z`: then a sum needs no division, which takes hundreds of times as long. */
type Point = readonly [x: bigint, y: bigint, z: bigint, t: bigint]
const pointAt = (x: bigint, y: bigint): Point => [x, y, 1n, mod(x * y)]
const d = mod(-121665n * over(121666n))
const base = pointAt(
  15112221349535400772501151409588531511454012693041857206046113283949847762202n,
  46316835694926478169428394003475163141307993866256225615783033603165251855960n
)
const sum = ([x1, y1, z1, t1]: Point, [x2, y2, z2, t2]: Point): Point => {
  const [less, more] = [mod((y1 - x1) * (y2 - x2)), mod((y1 + x1) * (y2 + x2))]
  const [ts, zs] = [mod(2n * d * mod(t1 * t2)), mod(2n * z1 * z2)]
  const [e, f, g, h] = [more - less, zs - ts, zs + ts, more + less]
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)]
}
type Affine = readonly [x: bigint, y: bigint]
const times = (scalar: bigint): Affine => {
  let [result, doubled] = [pointAt(0n, 1n), base]
  for (let rest = scalar; rest > 0n; rest >>= 1n) {
    if (rest % 2n === 1n) result = sum(result, doubled)
    doubled = sum(doubled, doubled)
  }
  const [x, y, z] = result
  const share = over(z)
  return [mod(x * share), mod(y * share)]
}
const point = ([x, y]: Affine) => {
  const bytes = bytes32(y)
  bytes[31]! |= Number(x % 2n) << 7
  return bytes
}
const hash = (...parts: ReadonlyArray<Uint8Array>) =>
  mod(number(new Uint8Array(createHash("sha512").update(concat(...parts)).digest())), order)

/** XEdDSA, with random bytes that are given. */
const sign = (secret: Uint8Array, message: Uint8Array, random: Uint8Array) => {
  const clamped = secret.slice()
  clamped[0]! &= 248
  clamped[31]! = clamped[31]! & 127 | 64
  const scalar = mod(number(clamped), order)
  const [x, y] = times(scalar)
  const key = bytes32(y)
  const signing = x % 2n === 1n ? order - scalar : scalar
  const nonce = hash(concat(Uint8Array.of(254), new Uint8Array(31).fill(255)), bytes32(signing), message, random)
  const commitment = point(times(nonce))
  return concat(commitment, bytes32(mod(nonce + hash(commitment, key, message) * signing, order)))
}

const label = (text: string) => concat(Uint8Array.of(utf8(text).length), utf8(text))

interface Parts {
  readonly network?: string
  readonly name?: string
  readonly topic?: string
  readonly id?: string
  readonly at?: number
  readonly number?: number
  readonly key?: string
  readonly kind?: number
  readonly payload?: string
  readonly by?: "alpha" | "beta"
}

type Scene = ReturnType<typeof makeScene>

/** What makes items, and the entries about them. */
const writing = ({ crypto, pairs, text }: Scene) => {
  const run = range(0xe0, 8)
  const sealed = ({
    at = clock,
    by = "alpha",
    id = "item-1",
    key = "oven",
    kind = 0,
    name = "alpha",
    network = "lab",
    number = 7,
    payload = "{\"celsius\":180}",
    topic = "readings.kitchen"
  }: Parts = {}) => {
    const head = concat(utf8("PnetKEPT"), Uint8Array.of(1), PublicKey.toBytes(pairs.alpha.publicKey))
    const body = concat(
      label(network),
      label(name),
      label(topic),
      label(id),
      u64(at),
      run,
      u64(number),
      label(key),
      Uint8Array.of(kind),
      utf8(payload)
    )
    return concat(head, sign(secrets[by], concat(head, body), range(0x00, 64)), body)
  }
  const keyed = (key: "new" | "old", item: Uint8Array) =>
    crypto.fernetEncrypt(Redacted.make(networkSecrets[key]), item, clock, range(0xd0, 16))
  const reads = (
    name: string,
    rule: Rule,
    description: string,
    item: Uint8Array,
    parts: Partial<Entry["reads"]> = {},
    networkKeys: Entry["networkKeys"] = []
  ): Entry => ({
    name: `kept-${name}`,
    description,
    rule,
    networkKeys,
    item: hexOf(item),
    reads: {
      topic: "readings.kitchen",
      id: "item-1",
      name: "alpha",
      publicKey: text("alpha"),
      at: clock,
      run: hexOf(run),
      number: 7,
      key: "oven",
      kind: "json",
      payload: "{\"celsius\":180}",
      ...parts
    }
  })
  const fails = (
    name: string,
    rule: Rule,
    description: string,
    item: Uint8Array,
    fault: string,
    networkKeys: Entry["networkKeys"] = []
  ): Entry => ({ name: `kept-${name}`, description, rule, networkKeys, item: hexOf(item), fault })
  return { sealed, keyed, reads, fails }
}

export const generate = (scene: Scene): Section => {
  const { pairs, text } = scene
  const { fails, keyed, reads, sealed } = writing(scene)
  const flipped = (at: number) => {
    const item = sealed()
    item[at < 0 ? item.length + at : at]! ^= 1
    return item
  }
  const old = clock - 400 * 86_400_000
  return {
    description: [
      "What alpha has published to be kept, and what a reader makes of it. The random bytes of signatures are 00 to 3f."
    ],
    clock,
    signingKeys: (["alpha", "beta", "gamma"] as const).map((name) => ({
      name: `kept-key-${name}`,
      rule: "kept-signature",
      publicKey: text(name),
      ed25519: hexOf(bytes32((() => {
        const u = number(PublicKey.toBytes(pairs[name].publicKey))
        return mod((u - 1n) * over(u + 1n))
      })()))
    })),
    topics: [
      { name: "kept-topic-plain", rule: "kept-topic", topic: "build.42.failed", tokens: "build.42.failed" },
      { name: "kept-topic-encoded", rule: "kept-topic", topic: "küche.-x", tokens: "-a8O8Y2hl.-LXg" },
      { name: "kept-topic-pattern", rule: "kept-topic", topic: "build.*.>", tokens: "build.*.>" }
    ],
    entries: [
      reads("plain", ["kept-item", "kept-signature"], "on a network in clear", sealed()),
      reads("keyed", "kept-network-key", "under a network key", keyed("new", sealed()), {}, ["new"]),
      reads("second-key", "kept-network-key", "under the second of two", keyed("old", sealed()), {}, ["new", "old"]),
      reads("bytes", "kept-item", "bytes, without a key", sealed({ kind: 1, key: "", payload: "raw" }), {
        kind: "bytes",
        key: "",
        payload: "raw"
      }),
      reads("old", "kept-time", "older than a year", sealed({ at: old }), { at: old }),
      reads("empty", "kept-item", "without a value", sealed({ payload: "" }), { payload: "" }),
      fails(
        "other-key",
        "kept-network-key",
        "under a key that is not held",
        keyed("old", sealed()),
        "WrongNetworkKey",
        [
          "new"
        ]
      ),
      fails("clear", "kept-network-key", "in clear, on a network with a key", sealed(), "WrongNetworkKey", ["new"]),
      fails("flipped", "kept-signature", "a bit of its value is another", flipped(-1), "Forged"),
      fails("flipped-signature", "kept-signature", "a bit of its signature is another", flipped(60), "Forged"),
      fails("by-beta", "kept-signature", "signed by beta, as alpha's", sealed({ by: "beta" }), "Forged"),
      fails("network", "kept-body", "of another network", sealed({ network: "other" }), "OtherNetwork"),
      fails("name", "kept-body", "a name that is none", sealed({ name: "a@b" }), "Malformed"),
      fails("id", "kept-body", "an id that is none", sealed({ id: "a b" }), "Malformed"),
      fails("topic", "kept-body", "a topic that is none", sealed({ topic: "readings.*" }), "Malformed"),
      fails("late", "kept-time", "later than any date", sealed({ at: 8.64e15 + 1 }), "Malformed"),
      fails("kind", "kept-body", "a kind that is none", sealed({ kind: 2 }), "Malformed"),
      fails("version", "kept-item", "another version", flipped(8), "Malformed"),
      fails("short", "kept-item", "as short as its head", sealed().slice(0, 105), "Malformed")
    ]
  }
}
