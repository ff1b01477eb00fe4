/**
 * Where one peer may be reached, in the order in which that is tried: the addresses at which its key proved itself, the last one
 * first; those of adverts; those where whoever is there did not prove the key.
 *
 * A node that reaches its peers by several ways tries the best address of each way first, in the order of the ways, and then the
 * others: so what is direct comes first, and made-up addresses of one way put the next way off by one head start and no more.
 *
 * What bites: anybody can make adverts up. So they neither move nor drop an address that was proved, what one host says pushes out
 * what it has said itself, and one place is left for adverts, in which a peer says that it moved.
 */
import type { Sighting } from "../../Discovery.ts"
import type { Endpoint } from "../../Network.ts"
import type { Peer } from "../../Peers.ts"
import { sameEndpoint } from "../values/endpoints.ts"

/** The place of the way that an endpoint belongs to, the preferred one's first. */
export type Rank = (endpoint: Endpoint) => number

interface Address {
  readonly endpoint: Endpoint
  /** The socket that its adverts come from. A node has one for each of its interfaces. */
  source: Endpoint | undefined
  /** The host that adverts of it come from: whose share of the peer's addresses it takes. */
  readonly host: string
  /** Whether the key proved itself there. Adverts neither move nor drop such an address. */
  proved: boolean
  /** Whether whoever is there did not prove the key when it was last dialled. */
  failed: boolean
}

export class Addresses {
  readonly #capacity: number
  readonly #rank: Rank | undefined
  // Most peers have one address for good, so it is made as long as it is.
  #all: ReadonlyArray<Address> = []

  /** At most `capacity`. `rank` is the place of an endpoint's way, where there are several. */
  constructor(capacity: number, rank: Rank | undefined) {
    this.#capacity = capacity
    this.#rank = rank
  }

  /** Whether there is none: a peer is known by its session alone. Where there was one, the last one is never dropped. */
  get isEmpty(): boolean {
    return this.#all.length === 0
  }

  get endpoints(): Peer["endpoints"] {
    const all = this.#all.map(({ endpoint }) => endpoint)
    const rank = this.#rank
    if (rank === undefined || all.length < 2) return all
    const best = new Map<number, Endpoint>()
    for (const endpoint of all) if (!best.has(rank(endpoint))) best.set(rank(endpoint), endpoint)
    const order = (a: Endpoint, b: Endpoint) => rank(a) - rank(b)
    const first = [...best.values()].sort(order)
    return [...first, ...all.filter((endpoint) => !first.includes(endpoint)).sort(order)]
  }

  /** The address at which the key proved itself last, if that has not failed since. */
  get proved(): Endpoint | undefined {
    return this.#all.find(({ failed, proved }) => proved && !failed)?.endpoint
  }

  /** Whether the key proved itself at an address, and nowhere else since. */
  isFirst(endpoint: Endpoint): boolean {
    const [first] = this.#all
    return first !== undefined && first.proved && sameEndpoint(first.endpoint, endpoint)
  }

  /**
   * An advert says where the peer is: at a `New` address, at another port of a host where it was (`Elsewhere`), from another socket than
   * before (`Moved`), or as it was (`Known`).
   */
  hear(sighting: Sighting): "New" | "Elsewhere" | "Moved" | "Known" {
    const address = this.#at(sighting.endpoint)
    if (address === undefined) {
      const elsewhere = this.#isElsewhere(sighting)
      this.#add(sighting)
      return elsewhere ? "Elsewhere" : "New"
    }
    const { asks, source } = sighting
    // A question may have been kept, and be sent again from anywhere.
    if (asks === true && address.source !== undefined) return "Known"
    if (address.source !== undefined && sameEndpoint(address.source, source)) return "Known"
    address.source = source
    return "Moved"
  }

  /** The key proved itself at an address, which is first from now on. */
  prove(endpoint: Endpoint): void {
    const known = this.#at(endpoint)
    const address = known ?? { endpoint, source: undefined, host: endpoint.host, proved: true, failed: false }
    address.proved = true
    address.failed = false
    this.#all = [address, ...this.#all.filter((other) => other !== address)]
    let room = Math.max(1, this.#capacity - 1)
    for (const other of this.#all) if (other.proved && --room < 0) other.proved = false
    this.#trim(address)
  }

  /** Whoever is at an address did not prove the key: it is last from now on. Says whether it is known. */
  fail(endpoint: Endpoint): boolean {
    const address = this.#at(endpoint)
    if (address === undefined) return false
    address.failed = true
    this.#all = [...this.#all.filter((other) => other !== address), address]
    return true
  }

  /**
   * A host says that the peer leaves, which anybody can say of anybody. So it takes back what it has said itself: `Some` addresses or
   * `None`; or `All`, which drops none, where that was all there is of the peer, or its key has proved itself there.
   */
  withdraw(host: string): "All" | "Some" | "None" {
    const others = this.#all.filter((address) => address.host !== host && address.endpoint.host !== host)
    const taken = this.#all.filter((address) => !others.includes(address))
    if (others.length === 0 || taken.some(({ proved }) => proved)) return "All"
    if (taken.length === 0) return "None"
    this.#all = others
    return "Some"
  }

  /** A node listens at one port for each of its ways. */
  #isElsewhere({ endpoint, source }: Sighting): boolean {
    const rank = this.#rank
    return this.#all.some((other) =>
      other.endpoint.host === endpoint.host && (other.host === source.host || other.proved) &&
      (rank === undefined || rank(other.endpoint) === rank(endpoint))
    )
  }

  #at(endpoint: Endpoint): Address | undefined {
    for (const address of this.#all) if (sameEndpoint(address.endpoint, endpoint)) return address
    return undefined
  }

  /** Enters an address from an advert, which may be made up: behind those that were proved. */
  #add({ endpoint, source }: Sighting): void {
    const addresses = this.#all
    const added = { endpoint, source, host: source.host, proved: false, failed: false }
    const behind = addresses.findIndex(({ failed, proved }) => !proved || failed)
    const at = behind < 0 ? addresses.length : behind
    this.#all = addresses.length === 0 ? [added] : [...addresses.slice(0, at), added, ...addresses.slice(at)]
    this.#trim(added)
  }

  /**
   * Makes room for an address that was added. What one host says pushes out what it has said itself, so that whoever makes
   * adverts up leaves the address that the peer says of itself where it is.
   */
  #trim(added: Address): void {
    const addresses = this.#all
    if (addresses.length <= this.#capacity) return
    const share = new Map<string, number>()
    for (const { host, proved } of addresses) if (!proved) share.set(host, (share.get(host) ?? 0) + 1)
    // Those that were proved stay, unless nobody proves anything there any more and there is no other.
    const cost = ({ failed, host, proved }: Address) =>
      proved ? failed ? 0 : -1 : 2 * share.get(host)! + (failed ? 1 : 0)
    let [least, most] = [added, -1]
    for (const address of addresses) {
      if (address === added || cost(address) < Math.max(0, most)) continue
      least = address
      most = cost(address)
    }
    this.#all = addresses.filter((address) => address !== least)
  }
}
