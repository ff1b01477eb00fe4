/**
 * Discovery by UDP broadcast (protocol section 7): `Hearing` reads the shared socket and the private ones of the `Interfaces`, `Telling`
 * broadcasts from the latter, and `Answers` tells those that were heard.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { Crypto } from "../../Crypto.ts"
import * as Deadline from "../../Deadline.ts"
import { type Discovery, DiscoveryError, Outlet } from "../../Discovery.ts"
import { Network } from "../../Network.ts"
import { NodeConfig } from "../../NodeOptions.ts"
import * as Why from "../../Why.ts"
import * as Metrics from "../base/metrics.ts"
import { selfOf } from "../wire/self.ts"
import { Answers } from "./answers.ts"
import { Crowd } from "./crowd.ts"
import { Hearing } from "./hearing.ts"
import { Interfaces, type Target } from "./interfaces.ts"
import { Newcomer } from "./newcomer.ts"
import { openError, openShared, Sockets } from "./sockets.ts"
import { Telling } from "./telling.ts"

type Found = Target & { readonly broadcasts: boolean }

/** The interface of `bindIp`, where it is one. */
const findBound = (interfaces: Interfaces, { advertisePort, bindIp }: NodeConfig["Service"]) =>
  Effect.gen(function*() {
    if (bindIp === "0.0.0.0") return undefined
    const [found] = yield* interfaces.read(() => [])
    // Where they cannot be read, which has been said, whether there is one of this address shows when the node listens.
    if (found === undefined && !interfaces.unreadable) {
      return yield* new DiscoveryError({ kind: "AddressNotAvailable", address: bindIp, port: advertisePort })
    }
    return found
  })

/** Nothing is to be heard there, and the node is found by who lists it, and finds what it lists. */
const warnOfTunnel = ({ prefixLength }: Found, { bindIp, peers }: NodeConfig["Service"]) =>
  Effect.logWarning(
    Why.see(
      `${bindIp} is on a network of one or two addresses (/${prefixLength}), as tunnels are, which carries no broadcasts: ${
        peers.length === 0
          ? "this node finds nobody itself (list addresses in peers)"
          : "this node finds its peers alone"
      }, and is found by those that list it in theirs`,
      "no-broadcasts"
    )
  )

export const make = (): Effect.Effect<
  Discovery["Service"],
  DiscoveryError,
  Network | Crypto | NodeConfig | Scope.Scope
> =>
  Effect.gen(function*() {
    const network = yield* Network
    const clock = yield* Clock.Clock
    const config = yield* NodeConfig
    const scope = yield* Effect.scope
    const context = yield* Effect.context<never>()
    const random = yield* Random.Random
    const crypto = yield* Crypto
    const self = selfOf(crypto, clock, config)
    const { advertisePort, bindIp, limits } = config
    const now = () => Deadline.nowUnsafe(clock)
    const fork = Effect.runForkWith(context)
    const runIn = (effect: Effect.Effect<void>, scope: Scope.Scope) => void Fiber.runIn(fork(effect), scope)
    const run = (effect: Effect.Effect<void>) => runIn(effect, scope)

    const interfaces = new Interfaces(network, bindIp)
    const found = yield* findBound(interfaces, config)
    const isTunnel = found !== undefined && !found.broadcasts
    const outlet = yield* Outlet.make(limits.sightings)
    const sockets = new Sockets({
      network,
      config,
      self,
      interfaces,
      scope,
      runIn,
      hearer: (via) => hearing.hearer(hearing.earOf(via, undefined)),
      came: () => newcomer.came(),
      sent: (outcome) => Metrics.advertsSent(outcome, context),
      now
    }, isTunnel)
    const crowd = new Crowd({ config, self, sockets, random, clock, now, run })
    const telling = new Telling(config, sockets, crowd, self.cipher.encrypted)
    crowd.telling = telling
    const newcomer = new Newcomer({ self, sockets, crowd, telling, clock })
    const answers = new Answers({ context, sockets, telling, crowd, random, clock, now, run })
    const hearing = new Hearing({
      config,
      self,
      crypto,
      clock,
      context: Metrics.contextOf(context),
      sockets,
      answers,
      crowd,
      newcomer,
      outlet,
      now,
      run
    })

    if (isTunnel) yield* warnOfTunnel(found, config)
    else if (bindIp === "0.0.0.0" || found !== undefined) {
      const { hear, reader } = yield* Effect.mapError(
        openShared(network, {
          target: found,
          port: advertisePort,
          capacity: limits.datagrams,
          hearer: (subnet) => hearing.hearer(hearing.earOf(undefined, subnet))
        }),
        (cause) => openError(found?.broadcast ?? "0.0.0.0", advertisePort, cause)
      )
      yield* Effect.forkScoped(Effect.ignore(hear(reader)))
    }

    return {
      // Who listens nowhere has nothing to say, and hears.
      advertise: (listening) =>
        listening === undefined
          ? Effect.void
          : Effect.andThen(telling.advertise(listening.port), Effect.forkScoped(newcomer.learn)),
      sightings: outlet.stream,
      forEach: (take) => outlet.forEach(take),
      crowd: crowd.service
    }
  })
