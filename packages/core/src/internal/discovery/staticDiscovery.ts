/**
 * Discovery at known addresses (protocol section 7): the name and key behind an address are learned by an exchange of
 * adverts over TCP, again every interval, which is also how the node there stays heard. A host name stands for the addresses it
 * has at the time.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberMap from "effect/FiberMap"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { formatEndpoint } from "../../Advert.ts"
import { Crypto } from "../../Crypto.ts"
import type { Discovery, Sighting } from "../../Discovery.ts"
import { type Endpoint, Network } from "../../Network.ts"
import { NodeConfig } from "../../NodeOptions.ts"
import type { Obstacle } from "../../Obstacle.ts"
import type * as ProtocolError from "../../ProtocolError.ts"
import { type ConnectionClosedError, type DialError, Transport } from "../../Transport.ts"
import { quote } from "../base/quote.ts"
import { isNamed } from "../values/hostName.ts"
import * as AdvertExchange from "../wire/advertExchange.ts"
import * as Mismatch from "../wire/mismatch.ts"
import { selfOf } from "../wire/self.ts"

// In intervals: a name that resolves is resolved again this often.
const resolveEvery = 4
// A node that starts is asked before it listens; only that it goes on is worth a word.
const failuresNoted = 2
// A resolver may try for half a minute before it says that nobody answers it.
const resolvesFor = "3 seconds"

/** What is asked because one entry of the list says so. */
interface Listed {
  readonly text: string
  /** As they are written. */
  endpoints: ReadonlyMap<string, Endpoint>
}

const written = (endpoints: ReadonlyArray<Endpoint>): ReadonlyMap<string, Endpoint> =>
  new Map(endpoints.map((endpoint) => [formatEndpoint(endpoint), endpoint]))

const order = (a: string, b: string) =>
  Number(a.includes(":")) - Number(b.includes(":")) || (a < b ? -1 : a > b ? 1 : 0)

export const make = (
  addresses: ReadonlyArray<Endpoint>
): Effect.Effect<Discovery["Service"], never, Network | Transport | Crypto | NodeConfig> =>
  Effect.gen(function*() {
    const network = yield* Network
    const transport = yield* Transport
    const clock = yield* Clock.Clock
    const config = yield* NodeConfig
    const self = selfOf(yield* Crypto, clock, config)
    const { broadcastInterval, limits, obstacles } = config
    const names = addresses.filter(isNamed).length
    // As many as there are addresses: a later answer from one takes the place of nothing but an older one.
    const places = addresses.length - names + names * limits.addressesPerName
    const sightings = yield* Queue.sliding<Sighting>(Math.max(16, places * 2))

    const monotonicMillis = () => Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)

    const met = (key: string, obstacle: Obstacle, level: "Info" | "Warn" = "Warn") =>
      Effect.suspend(() =>
        obstacles.met(`listed ${key}`, monotonicMillis(), () => obstacle, { listed: true, level }) ?? Effect.void
      )

    // --- asking -------------------------------------------------------------------------------------------------------

    const listed = addresses.map((endpoint): Listed => ({
      text: formatEndpoint(endpoint),
      endpoints: written(isNamed(endpoint) ? [] : [endpoint])
    }))
    /** How often in a row nobody answered at an address. */
    const failures = new Map<string, number>()

    const answered = (place: string) => {
      failures.delete(place)
      obstacles.over(`listed ${place}`)
      for (const one of listed) {
        if (one.endpoints.has(place)) obstacles.over(`listed ${one.text}`)
      }
    }

    /** Nobody answers at an address; of a name it is worth a word only where nobody does at any. */
    const noAnswer = (place: string, error: DialError | ConnectionClosedError | ProtocolError.ProtocolError) => {
      failures.set(place, (failures.get(place) ?? 0) + 1)
      const isSilent = (one: string) => (failures.get(one) ?? 0) >= failuresNoted
      const silent = listed.filter(({ endpoints }) => endpoints.has(place) && [...endpoints.keys()].every(isSilent))
      return Effect.forEach(silent, ({ text }) =>
        met(text, {
          kind: "NoAnswer",
          where: text,
          what: `no node answers at ${text}, which peers lists: ${error.message}`,
          remedy: error._tag === "DialError"
            ? Mismatch.dialRemedy(error.kind)
            : "see what listens there: it is no node, or one that is closing"
        }, error._tag === "ProtocolError" ? "Warn" : "Info"), { discard: true })
    }

    /** A node answered that this one cannot talk to. */
    const refused = (place: string, { code }: ProtocolError.ProtocolError) => {
      failures.delete(place)
      return met(
        place,
        code === "ERR_NETWORK_INCORRECT"
          ? {
            kind: "NetworkId",
            where: place,
            what: `the node at ${place}, which peers lists, belongs to another network than ${quote(self.networkId)}`,
            remedy: Mismatch.sameIdRemedy
          }
          : {
            kind: "NetworkKey",
            where: place,
            what:
              `the node at ${place}, which peers lists, and this one cannot read each other: the network keys differ, or only one of them has one, or the clocks differ by over a minute`,
            remedy: `${Mismatch.sameKeyRemedy}; and ${Mismatch.clockRemedy}`
          }
      )
    }

    const ask = (to: Endpoint, from: Endpoint) => {
      const place = formatEndpoint(to)
      return AdvertExchange.exchange(transport, self, from, to, {
        clock,
        timeout: limits.firstPacketTimeout
      }).pipe(
        Effect.matchEffect({
          onFailure: (error) => {
            const said = error._tag !== "ProtocolError"
              ? noAnswer(place, error)
              : error.code === "ERR_NETWORK_INCORRECT" || error.code === "ERR_NET_DECRYPTION_FAILED"
              ? refused(place, error)
              : error.code === "ERR_BUSY"
              ? Effect.void
              : noAnswer(place, error)
            return Effect.andThen(Effect.logDebug(`no node found at ${place} yet: ${error.message}`), said)
          },
          onSuccess: ({ advert, publicKey }) => {
            answered(place)
            return publicKey === self.identity.publicKey
              ? Effect.void
              : Queue.offer(sightings, {
                name: advert.name,
                publicKey,
                endpoint: to,
                source: to,
                via: "static",
                answer: Effect.void
              })
          }
        })
      )
    }

    const pause = (intervals: number) =>
      Effect.flatMap(
        Random.next,
        (random) => Effect.sleep(Duration.times(broadcastInterval, intervals * (0.9 + random * 0.2)))
      )

    // --- names --------------------------------------------------------------------------------------------------------

    /** The endpoints of a name now; `undefined` where it does not resolve. */
    const resolve = ({ host, port }: Endpoint, { endpoints, text }: Listed) =>
      Effect.gen(function*() {
        const still = endpoints.size === 0 ? "" : "; the addresses that it had are asked on"
        const slow = Effect.andThen(
          Effect.sleep(resolvesFor),
          met(`slow ${text}`, {
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
        obstacles.over(`listed slow ${text}`, "later")
        if (Result.isFailure(found)) {
          yield* met(`name ${text}`, {
            kind: "HostName",
            where: text,
            what: `${found.failure.message}, which peers lists${still}`,
            remedy: Mismatch.nameRemedy
          })
          return undefined
        }
        obstacles.over(`listed name ${text}`)
        const all = [...new Set(found.success)].sort(order)
        if (all.length > limits.addressesPerName) {
          yield* met(`addresses ${text}`, {
            kind: "Limit",
            where: text,
            what:
              `${text}, which peers lists, has ${all.length} addresses, and the first ${limits.addressesPerName} are asked`,
            remedy: "raise limits.addressesPerName"
          })
        }
        return written(all.slice(0, limits.addressesPerName).map((host) => ({ host, port })))
      })

    return {
      // Who listens nowhere says port 0, which is nobody's.
      advertise: (from = { host: config.bindIp, port: 0 }) =>
        Effect.gen(function*() {
          const asking = yield* FiberMap.make<string>()

          /** Asks at every address that is listed now, and at no other. */
          const follow = Effect.suspend(() => {
            const wanted = new Map(listed.flatMap(({ endpoints }) => [...endpoints]))
            for (const place of failures.keys()) if (!wanted.has(place)) failures.delete(place)
            return Effect.gen(function*() {
              for (const [place] of asking) {
                if (wanted.has(place)) continue
                obstacles.over(`listed ${place}`)
                yield* FiberMap.remove(asking, place)
              }
              for (const [place, to] of wanted) {
                const loop = Effect.forever(Effect.andThen(ask(to, from), pause(1)))
                yield* FiberMap.run(asking, place, loop, { onlyIfMissing: true })
              }
            })
          })

          yield* follow
          for (const [i, endpoint] of addresses.entries()) {
            if (!isNamed(endpoint)) continue
            const one = listed[i]!
            yield* Effect.forkScoped(Effect.forever(Effect.gen(function*() {
              const endpoints = yield* resolve(endpoint, one)
              if (endpoints !== undefined) {
                one.endpoints = endpoints
                yield* follow
              }
              yield* pause(endpoints === undefined ? 1 : resolveEvery)
            })))
          }
          if (addresses.length === 0) {
            const nothing: Obstacle = {
              kind: "NothingListed",
              where: config.bindIp,
              what:
                `this node is bound to ${config.bindIp}, where nothing is broadcast, and peers is empty: it finds nobody, and is found by those that list it`,
              remedy:
                "list the addresses of other nodes in peers, or bind to an IPv4 address, on which nodes find each other"
            }
            yield* met("nothing", nothing)
            yield* Effect.forkScoped(Effect.forever(Effect.andThen(pause(1), met("nothing", nothing))))
          }
        }),
      sightings: Stream.fromQueue(sightings)
    }
  })
