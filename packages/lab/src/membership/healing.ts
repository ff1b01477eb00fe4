/** A LAN of many that was in two halves, each of which knows itself alone, and is one again: what that costs, and how long it takes. */
import { Effect } from "effect"
import { alone, knownTo, open, type Scenario, watch } from "./crowd.ts"

/** What was sent in a second, and to the one node that was sent most. */
export interface Second {
  readonly broadcasts: number
  readonly unicasts: number
  readonly connections: number
  readonly unicastsToOne: number
  readonly connectionsToOne: number
  /** Of all pairs, those who did not know the other at its end. */
  readonly unknown: number
}

export interface Healed {
  readonly seconds: ReadonlyArray<Second>
  readonly falseLosses: ReadonlyArray<string>
}

const hostOf = (place: string) => place.slice(0, place.lastIndexOf(":"))

const most = (counts: ReadonlyMap<string, number>) => Math.max(0, ...counts.values())

export const heal = (scenario: Scenario & { readonly seconds: number }): Effect.Effect<Healed> =>
  alone(Effect.gen(function*() {
    const { log = () => {}, nodes: count, seconds: length, settle = 23 } = scenario
    const { clear, network, nodes, sent } = yield* open({ ...scenario, halves: true })
    const unicasts = new Map<string, number>()
    const connections = new Map<string, number>()
    // Of a connection the first packet: who dials speaks first.
    yield* network.intercept(({ from, payload, protocol, to }) => {
      if (to.endsWith(".255:3334")) return "pass"
      const counts = protocol === "udp" ? unicasts : connections
      const isAdvertOf = protocol === "udp" || opens(payload, from)
      if (isAdvertOf) counts.set(hostOf(to), (counts.get(hostOf(to)) ?? 0) + 1)
      return "pass"
    })
    const listening = new Set(nodes.map(({ host, node }) => `${host.address}:${node.endpoint.port}`))
    const opens = (payload: Uint8Array, from: string) =>
      !listening.has(from) && payload.length > 9 && payload[5] === 0x61 && payload[6] === 0x64 && payload[7] === 0x76
    const falseLosses: Array<string> = []
    yield* watch(nodes, (by, event) => {
      if (event._tag === "Lost") falseLosses.push(`${by.node.name} lost ${event.peer.name}: ${event.reason}`)
    })
    yield* Effect.sleep(settle * 1_000)
    clear()
    unicasts.clear()
    connections.clear()
    yield* Effect.sleep("1 second")
    log(
      `apart: ${sent.broadcasts} broadcasts, ${sent.unicasts} unicasts, ${sent.connections} adverts by TCP in a second`
    )
    yield* network.heal()
    const seconds: Array<Second> = []
    for (let second = 0; second < length; second++) {
      clear()
      unicasts.clear()
      connections.clear()
      yield* Effect.sleep("1 second")
      let unknown = 0
      for (const one of nodes) unknown += count - 1 - (yield* knownTo(one))
      const one = {
        broadcasts: sent.broadcasts,
        unicasts: sent.unicasts,
        connections: [...connections.values()].reduce((sum, each) => sum + each, 0),
        unicastsToOne: most(unicasts),
        connectionsToOne: most(connections),
        unknown
      }
      seconds.push(one)
      log(
        `${
          second + 1
        } s: ${one.broadcasts} broadcasts, ${one.unicasts} unicasts (${one.unicastsToOne} to one), ${one.connections} connections (${one.connectionsToOne} to one), ${unknown} of ${
          count * (count - 1)
        } not known`
      )
    }
    return { seconds, falseLosses }
  }))
