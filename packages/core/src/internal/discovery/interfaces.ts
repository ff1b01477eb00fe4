/** The interfaces that adverts go out from: which `bindIp` means, and what is known of their networks. */
import * as Effect from "effect/Effect"
import type { Network, NetworkInterface } from "../../Network.ts"

/** An interface address that adverts go out from. */
export interface Target {
  readonly address: string
  readonly broadcast: string
  readonly prefixLength: number
}

/** Networks of one or two addresses, as tunnels have them, have no broadcast address. */
export const hasBroadcast = (one: NetworkInterface): boolean => one.family === "IPv4" && one.prefixLength < 31

export const isLoopback = (bindIp: string): boolean => bindIp.startsWith("127.")

/** Whether programs of this machine reach each other over IPv4. */
export const hasLoopback = (all: ReadonlyArray<NetworkInterface>): boolean =>
  all.some((one) => one.family === "IPv4" && one.loopback)

/** The addresses that other machines may reach. */
export const addresses = (all: ReadonlyArray<NetworkInterface>): ReadonlyArray<string> =>
  all.filter((one) => one.family === "IPv4" && !one.loopback).map(({ address }) => address)

/** The interfaces that `bindIp` means, with or without a broadcast address. */
export const selected = (bindIp: string, all: ReadonlyArray<NetworkInterface>): ReadonlyArray<NetworkInterface> =>
  all.filter((one) => one.family === "IPv4" && !one.loopback && (bindIp === "0.0.0.0" || one.address === bindIp))

/** What adverts to this machine alone go out from. */
export const loopbackTarget = (bindIp: string): Target => ({
  address: bindIp,
  broadcast: "127.255.255.255",
  prefixLength: 8
})

const ipv4Number = (address: string): number => address.split(".").reduce((word, part) => word * 256 + Number(part), 0)

export const sameSubnet = (a: string, b: string, prefixLength: number): boolean => {
  if (a.includes(":") || b.includes(":")) return false
  const size = 2 ** (32 - prefixLength)
  return Math.floor(ipv4Number(a) / size) === Math.floor(ipv4Number(b) / size)
}

/** Reads them again each round, so that one that comes, goes or changes its address is noticed. */
export class Interfaces {
  readonly #network: Network["Service"]
  readonly #bindIp: string
  #unreadable = false

  constructor(network: Network["Service"], bindIp: string) {
    this.#network = network
    this.#bindIp = bindIp
  }

  /** Whether the system did not tell them when they were read last. */
  get unreadable(): boolean {
    return this.#unreadable
  }

  /** Whether the system says that no loopback is up. */
  get loopbackIsDown(): Effect.Effect<boolean> {
    return this.#network.interfaces.pipe(
      Effect.map((all) => !hasLoopback(all)),
      Effect.orElseSucceed(() => false)
    )
  }

  /** Those that `bindIp` means; where they cannot be read, the ones that are `known`: nothing has changed, as far as anybody knows. */
  read(known: () => ReadonlyArray<Target>): Effect.Effect<ReadonlyArray<Target & { readonly broadcasts: boolean }>> {
    if (isLoopback(this.#bindIp)) return Effect.succeed([{ ...loopbackTarget(this.#bindIp), broadcasts: true }])
    return this.#network.interfaces.pipe(
      Effect.map((all) => {
        this.#unreadable = false
        return selected(this.#bindIp, all).map((one) => ({ ...one, broadcasts: hasBroadcast(one) }))
      }),
      Effect.catch((cause) =>
        Effect.suspend(() => {
          const all = known().map((one) => ({ ...one, broadcasts: true }))
          if (this.#unreadable) return Effect.succeed(all)
          this.#unreadable = true
          return Effect.as(Effect.logWarning(cause.message), all)
        })
      )
    )
  }
}
