/**
 * The section "mail" of `docs/vectors.json`: letters that alpha has sealed for beta, and how beta reads them. Built from the text of protocol
 * section 21; shares no code with the library but its cryptography.
 */
import * as PublicKey from "@pnet/core/PublicKey"
import * as Redacted from "effect/Redacted"
import { concat, hexOf, range, u64, utf8 } from "./bytes.ts"
import type { Entry, Section } from "./mailDocument.ts"
import type { Rule } from "./rules.ts"
import { clock, type makeScene, networkSecrets } from "./scene.ts"

const maxAge = 7 * 86_400_000
const minute = 60_000
const label = (text: string) => concat(Uint8Array.of(utf8(text).length), utf8(text))

interface Parts {
  readonly to?: "beta" | "gamma"
  readonly network?: string
  readonly name?: string
  readonly id?: string
  readonly at?: number
  readonly version?: number
  readonly rest?: Uint8Array
}

export const generate = (scene: ReturnType<typeof makeScene>): Section => {
  const { crypto, pairs, shared, text } = scene
  const alpha = PublicKey.toBytes(pairs.alpha.publicKey)
  const random = range(0xc0, 16)
  const sealed = (
    { at = clock, id = "letter-1", name = "alpha", network = "lab", rest, to = "beta", version = 1 }: Parts = {}
  ) => {
    const body = concat(
      Uint8Array.of(version),
      PublicKey.toBytes(pairs[to].publicKey),
      label(network),
      label(name),
      label(id),
      u64(at),
      rest ?? utf8("hello")
    )
    const box = crypto.seal(shared("alpha", "beta"), concat(utf8("PnetMAIL"), random), body)
    return concat(utf8("PnetMAIL"), Uint8Array.of(1), alpha, random, box)
  }
  const keyed = (key: "new" | "old", letter: Uint8Array) =>
    crypto.fernetEncrypt(Redacted.make(networkSecrets[key]), letter, clock, range(0xd0, 16))
  const reads = (
    name: string,
    rule: Rule,
    description: string,
    letter: Uint8Array,
    { at = clock, id = "letter-1" }: Parts = {},
    networkKeys: Entry["networkKeys"] = []
  ): Entry => ({
    name: `mail-${name}`,
    description,
    rule,
    networkKeys,
    letter: hexOf(letter),
    reads: { id, name: "alpha", publicKey: text("alpha"), postedAt: at, payload: "hello" }
  })
  const fails = (
    name: string,
    rule: Rule,
    description: string,
    letter: Uint8Array,
    fault: string,
    networkKeys: Entry["networkKeys"] = []
  ): Entry => ({ name: `mail-${name}`, description, rule, networkKeys, letter: hexOf(letter), fault })
  const flipped = sealed()
  flipped[flipped.length - 1]! ^= 1
  return {
    description: [
      "Letters, and what beta makes of them, at `clock`, where letters are kept for `maxAge` milliseconds."
    ],
    clock,
    maxAge,
    entries: [
      reads("plain", ["mail-letter", "mail-body"], "on a network in clear", sealed()),
      reads("keyed", "mail-network-key", "under a network key", keyed("new", sealed()), {}, ["new"]),
      reads("second-key", "mail-network-key", "under the second of two", keyed("old", sealed()), {}, ["new", "old"]),
      reads("oldest", "mail-age", "as old as may be", sealed({ at: clock - maxAge }), { at: clock - maxAge }),
      reads("newest", "mail-age", "a minute ahead", sealed({ at: clock + minute }), { at: clock + minute }),
      reads("id-64", "mail-id", "an id of 64 characters", sealed({ id: "x".repeat(64) }), { id: "x".repeat(64) }),
      fails("too-old", "mail-age", "a millisecond too old", sealed({ at: clock - maxAge - 1 }), "TooOld"),
      fails("too-new", "mail-age", "over a minute ahead", sealed({ at: clock + minute + 1 }), "FromTheFuture"),
      fails(
        "other-key",
        "mail-network-key",
        "under a key that is not held",
        keyed("old", sealed()),
        "WrongNetworkKey",
        ["new"]
      ),
      fails("clear", "mail-network-key", "in clear, on a network with a key", sealed(), "WrongNetworkKey", ["new"]),
      fails("flipped", "mail-letter", "a bit of its box is another", flipped, "NotForThisNode"),
      fails("to-gamma", "mail-body", "says that it is for gamma", sealed({ to: "gamma" }), "NotForThisNode"),
      fails("network", "mail-body", "of another network", sealed({ network: "other" }), "NotForThisNode"),
      fails("version", "mail-body", "another version", sealed({ version: 2 }), "Malformed"),
      fails("name", "mail-body", "a name that is none", sealed({ name: "a@b" }), "Malformed"),
      fails("id", "mail-id", "an id that is none", sealed({ id: "a b" }), "Malformed"),
      fails("short", "mail-letter", "as short as its head", sealed().slice(0, 57), "Malformed")
    ]
  }
}
