/**
 * Discovery at known addresses (protocol section 7): the name and key behind an address are learned by an exchange of
 * adverts over TCP, again every interval, which is also how the node there stays heard.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import { formatEndpoint } from "../Advert.ts"
import { Crypto } from "../Crypto.ts"
import type { Discovery, Sighting } from "../Discovery.ts"
import type { Endpoint } from "../Network.ts"
import { NodeConfig } from "../NodeOptions.ts"
import { Transport } from "../Transport.ts"
import * as AdvertExchange from "./advertExchange.ts"
import { selfOf } from "./self.ts"

export const make = (
  addresses: ReadonlyArray<Endpoint>
): Effect.Effect<Discovery["Service"], never, Transport | Crypto | NodeConfig> =>
  Effect.gen(function*() {
    const transport = yield* Transport
    const clock = yield* Clock.Clock
    const config = yield* NodeConfig
    const self = selfOf(yield* Crypto, clock, config)
    const { broadcastInterval, limits } = config
    // As many as there are addresses: a later answer from one takes the place of nothing but an older one.
    const sightings = yield* Queue.sliding<Sighting>(Math.max(16, addresses.length * 2))

    const ask = (to: Endpoint, port: number) =>
      AdvertExchange.exchange(transport, self, { host: config.bindIp, port }, to, {
        clock,
        timeout: limits.firstPacketTimeout
      }).pipe(
        Effect.matchEffect({
          // Most often the node is not there yet; it is asked again.
          onFailure: (error) => Effect.logDebug(`no node found at ${formatEndpoint(to)} yet: ${error.message}`),
          onSuccess: ({ advert, publicKey }) =>
            publicKey === self.identity.publicKey
              ? Effect.void
              : Queue.offer(sightings, {
                name: advert.name,
                publicKey,
                endpoint: to,
                source: to,
                via: "static",
                answer: Effect.void
              })
        })
      )

    const pause = Effect.flatMap(
      Random.next,
      (random) => Effect.sleep(Duration.times(broadcastInterval, 0.9 + random * 0.2))
    )

    return {
      advertise: ({ port }) =>
        Effect.forEach(
          addresses,
          (to) => Effect.forkScoped(Effect.forever(Effect.andThen(ask(to, port), pause))),
          { discard: true }
        ),
      sightings: Stream.fromQueue(sightings)
    }
  })
