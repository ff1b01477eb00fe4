/**
 * What the option `peers` lists, as it is at the time: a host name stands for the addresses it has now. And what is said of a place that the
 * operator listed: it is an obstacle until it is over.
 */
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { formatEndpoint } from "../../Advert.ts"
import type { Endpoint, Network } from "../../Network.ts"
import type { NodeConfig } from "../../NodeOptions.ts"
import type { Obstacle } from "../../Obstacle.ts"
import { isNamed } from "../values/hostName.ts"
import * as Mismatch from "../wire/mismatch.ts"

// A resolver may try for half a minute before it says that nobody answers it.
const resolvesFor = "3 seconds"

/** What is asked because one entry of the list says so. */
export interface Listed {
  readonly text: string
  /** As they are written. */
  endpoints: ReadonlyMap<string, Endpoint>
}

const written = (endpoints: ReadonlyArray<Endpoint>): ReadonlyMap<string, Endpoint> =>
  new Map(endpoints.map((endpoint) => [formatEndpoint(endpoint), endpoint]))

export const listedOf = (endpoint: Endpoint): Listed => ({
  text: formatEndpoint(endpoint),
  endpoints: written(isNamed(endpoint) ? [] : [endpoint])
})

/** The obstacles of listed places. */
export class Notes {
  readonly #config: NodeConfig["Service"]
  readonly #clock: Clock.Clock

  constructor(config: NodeConfig["Service"], clock: Clock.Clock) {
    this.#config = config
    this.#clock = clock
  }

  met(key: string, obstacle: Obstacle, level: "Info" | "Warn" = "Warn"): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { obstacles } = this.#config
      obstacles.over(`first ${key}`)
      return obstacles.met(`listed ${key}`, this.#now(), () => obstacle, { listed: true, level }) ?? Effect.void
    })
  }

  /** What may be over in a moment: it is in the way, and not worth a line of the log yet. */
  first(key: string, obstacle: Obstacle): void {
    this.#config.obstacles.note(`first ${key}`, this.#now(), obstacle)
  }

  over(key: string, again?: "at once" | "later"): void {
    this.#config.obstacles.over(`first ${key}`)
    this.#config.obstacles.over(`listed ${key}`, again)
  }

  #now(): number {
    return Number(this.#clock.monotonicTimeNanosUnsafe() / 1_000_000n)
  }
}

const order = (a: string, b: string) =>
  Number(a.includes(":")) - Number(b.includes(":")) || (a < b ? -1 : a > b ? 1 : 0)

/** The endpoints of a name now, at most `bound`; `undefined` where it does not resolve. */
export const resolve = (
  network: Network["Service"],
  notes: Notes,
  bound: number,
  { host, port }: Endpoint,
  { endpoints, text }: Listed
): Effect.Effect<ReadonlyMap<string, Endpoint> | undefined> =>
  Effect.gen(function*() {
    const still = endpoints.size === 0 ? "" : "; the addresses that it had are asked on"
    const slow = Effect.andThen(
      Effect.sleep(resolvesFor),
      notes.met(`slow ${text}`, {
        kind: "HostName",
        where: text,
        what:
          `the host name ${host}, which peers lists, is still being resolved: no name server has answered yet${still}`,
        remedy: Mismatch.nameRemedy
      })
    )
    const found = yield* Effect.raceFirst(
      Effect.result(network.resolve(host)),
      Effect.andThen(slow, Effect.never)
    )
    notes.over(`slow ${text}`, "later")
    if (Result.isFailure(found)) {
      yield* notes.met(`name ${text}`, {
        kind: "HostName",
        where: text,
        what: `${found.failure.message}, which peers lists${still}`,
        remedy: Mismatch.nameRemedy
      })
      return undefined
    }
    notes.over(`name ${text}`)
    const all = [...new Set(found.success)].sort(order)
    if (all.length > bound) {
      yield* notes.met(`addresses ${text}`, {
        kind: "Limit",
        where: text,
        what: `${text}, which peers lists, has ${all.length} addresses, and the first ${bound} are asked`,
        remedy: "raise limits.addressesPerName"
      })
    }
    return written(all.slice(0, bound).map((host) => ({ host, port })))
  })
