/**
 * Whose a name is, and who else claims it. A name belongs to the key that the trust policy says, or that the operator decided; a claim of
 * another key is kept for the operator, told seldom, and changes nothing.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { formatEndpoint } from "../../Advert.ts"
import type { Sighting } from "../../Discovery.ts"
import type { Endpoint } from "../../Network.ts"
import type { NodeName } from "../../Packet.ts"
import type * as Peers from "../../Peers.ts"
import * as PublicKey from "../../PublicKey.ts"
import type { Trust, UntrustedPeerError } from "../../Trust.ts"
import * as Why from "../../Why.ts"
import * as AtOnce from "../base/atOnce.ts"
import { quote } from "../base/quote.ts"
import { remember } from "../base/remember.ts"
import * as Seldom from "../base/seldom.ts"
import type { Presence } from "./presence.ts"
import type { Table } from "./table.ts"

type Reason = Extract<Peers.PeerEvent, { readonly _tag: "KeyConflict" }>["reason"]

/** An advert that was kept out because its name belongs to another key. */
interface Claim {
  readonly sighting: Sighting
  readonly at: number
}

// An operator reads about a conflict this long after it was last seen, in milliseconds.
const conflictMemory = 60_000
const claimsPerName = 4

const explained = {
  OwnKey: "key-in-use",
  OwnName: "name-shared",
  KeyChanged: "key-changed",
  SharedName: "name-shared"
} as const

interface Parts {
  readonly table: Table
  readonly presence: Presence
  readonly trust: Trust["Service"]
  /** The key of this node. */
  readonly own: PublicKey.PublicKey
  readonly ownName: string
  readonly limits: { readonly provedPeers: number; readonly unprovedPeers: number }
  readonly now: () => number
  readonly run: <A>(effect: Effect.Effect<A>) => Fiber.Fiber<A>
}

export class Conflicts {
  readonly #parts: Parts
  // Looked at for each advert.
  readonly #known: ((name: NodeName) => PublicKey.PublicKey | undefined) | undefined
  readonly #claims = new Map<string, Map<PublicKey.PublicKey, Claim>>()
  /** The operator's decisions that the trust policy has no place for. */
  #decided: Map<string, PublicKey.PublicKey> | undefined
  readonly #told = Seldom.make()

  constructor(parts: Parts) {
    this.#parts = parts
    // Most policies know.
    this.#known = AtOnce.lookOf(parts.trust.expected)
  }

  /** The key that a name belongs to. */
  expected(name: NodeName): Effect.Effect<PublicKey.PublicKey | undefined> {
    return Effect.suspend(() => {
      const key = this.#decided?.get(name)
      return key === undefined ? this.#parts.trust.expected(name) : Effect.succeed(key)
    })
  }

  /** The same at once, where the policy decides without waiting; else what waits for it. */
  expectedUnsafe(name: NodeName): PublicKey.PublicKey | undefined | Effect.Effect<PublicKey.PublicKey | undefined> {
    const decided = this.#decided?.get(name)
    if (decided !== undefined) return decided
    if (this.#known !== undefined) return this.#known(name)
    const asked = this.#parts.trust.expected(name)
    const value = AtOnce.valueOf(asked)
    if (value !== AtOnce.unknown) return value
    const fiber = this.#parts.run(asked)
    const exit = fiber.pollUnsafe()
    if (exit === undefined) return Effect.onInterrupt(Fiber.join(fiber), () => Fiber.interrupt(fiber))
    return Exit.isSuccess(exit) ? exit.value : exit
  }

  /** Whether a key that proved itself under a name is a peer by that: not under this node's, or one that the operator decided is another key's. */
  mayProve(name: string, publicKey: PublicKey.PublicKey): boolean {
    const { own, ownName } = this.#parts
    return publicKey !== own && name !== ownName && (this.#decided?.get(name) ?? publicKey) === publicKey
  }

  /** Keeps an advert of another key than the name belongs to. */
  claim(sighting: Sighting): void {
    const { limits, now } = this.#parts
    const { name, publicKey } = sighting
    const keys = this.#claims.get(name) ?? new Map<PublicKey.PublicKey, Claim>()
    remember(keys, publicKey, { sighting, at: now() }, claimsPerName)
    remember(this.#claims, name, keys, limits.unprovedPeers)
  }

  /** The last claim of a name whose advert is news still. */
  lastClaim(name: string): Sighting | undefined {
    return this.#recent(name).at(-1)?.sighting
  }

  /** The operator says whose a name is: by the policy, or where that has no place for it, here. */
  decide(name: NodeName, publicKey: PublicKey.PublicKey): Effect.Effect<void, UntrustedPeerError> {
    const { limits, trust } = this.#parts
    return Effect.gen({ self: this }, function*() {
      yield* trust.pin(name, publicKey)
      this.#decided?.delete(name)
      if ((yield* trust.expected(name)) !== publicKey) {
        remember(this.#decided ??= new Map(), name, publicKey, limits.provedPeers)
      }
    })
  }

  /** Forgets the claims of a name, and gives the one of the key that it belongs to now. */
  settle(name: NodeName, publicKey: PublicKey.PublicKey): Sighting | undefined {
    const rightful = this.#recent(name).find(({ sighting }) => sighting.publicKey === publicKey)
    this.#claims.delete(name)
    this.#told.forget(name)
    return rightful?.sighting
  }

  /** The names that more than one key claims now. */
  get all(): Effect.Effect<Array<Peers.Conflict>> {
    const { table } = this.#parts
    return Effect.gen({ self: this }, function*() {
      const all: Array<Peers.Conflict> = []
      const contested = new Set([...this.#claims.keys(), ...table.sharedNames()])
      for (const text of [...contested].sort()) {
        const name = text as NodeName
        const expected = yield* this.expected(name)
        const found = new Map<PublicKey.PublicKey, Endpoint>()
        for (const { host, peer } of table.named(name)) {
          found.set(peer.publicKey, peer.endpoints[0] ?? { host, port: 0 })
        }
        for (const { sighting } of this.#recent(name)) found.set(sighting.publicKey, sighting.source)
        if (expected !== undefined) found.delete(expected)
        if (found.size < (expected === undefined ? 2 : 1)) continue
        const claims = [...found].slice(0, claimsPerName).map(([publicKey, source]) => ({ publicKey, source }))
        all.push({ name, expected, claims })
      }
      return all
    })
  }

  /** Says that a name appeared with another key than the expected one; the line of the log, if there is to be one. */
  tell(
    name: NodeName,
    expected: PublicKey.PublicKey,
    claimed: Claimed,
    reason: Reason
  ): Effect.Effect<void> | undefined {
    const { now, own, presence } = this.#parts
    const { publicKey, source } = claimed
    // Anybody can make up names and keys. So each reason has a rate of its own: what is made up must not hide what concerns
    // a name that belongs to somebody.
    const more = this.#told.take(reason === "OwnKey" ? "" : name, now(), reason)
    if (more === undefined) return undefined
    presence.publish({ _tag: "KeyConflict", name, expected, publicKey, source, reason })
    const place = formatEndpoint(source)
    const appeared = `${quote(name)} appeared at ${place} with key ${PublicKey.fingerprint(publicKey)}`
    return Effect.logWarning(
      Why.see(
        {
          OwnKey: `this node's key (${PublicKey.fingerprint(own)}) is in use by another node at ${place}`,
          OwnName: `another node at ${place} uses this node's name ${quote(name)}`,
          KeyChanged: `${appeared}, but that name belongs to ${PublicKey.fingerprint(expected)}`,
          SharedName: `${appeared}, and ${PublicKey.fingerprint(expected)} uses that name too`
        }[reason],
        explained[reason]
      ) + more
    )
  }

  #recent(name: string): ReadonlyArray<Claim> {
    const { now } = this.#parts
    return [...this.#claims.get(name)?.values() ?? []].filter(({ at }) => now() - at < conflictMemory)
  }
}

/** Who appeared under the name, and where. */
interface Claimed {
  readonly publicKey: PublicKey.PublicKey
  readonly source: Endpoint
}
