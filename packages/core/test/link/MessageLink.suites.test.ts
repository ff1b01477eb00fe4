/** The compliance suite of transports over message links, whose channels are in the process. */
import { DerivedHost } from "@pnet/core"
import type { MessageLink } from "@pnet/core"
import type * as Channels from "@pnet/lab/worlds/channels"
import * as Hub from "@pnet/lab/worlds/hub"
import { SimWorld } from "@pnet/testing"
import { transportSuite, type TransportWorld } from "@pnet/testing/TransportSuite"
import { Effect } from "effect"

const addressOf = (name: string) => DerivedHost.ofUrl("hub", name)

const world = (options: Channels.Options & Omit<MessageLink.Options, "remote">) =>
  Effect.map(Hub.ofLinks(options), (hub): TransportWorld => ({
    server: (port) => Hub.transport(hub, { host: addressOf("server"), port }),
    client: Hub.transport(hub, { host: addressOf("client"), port: 0 }),
    address: addressOf("server"),
    clientAddress: addressOf("client"),
    breaking: Hub.breaking(hub, { host: addressOf("broken"), port: 0 }),
    openSockets: Effect.sync(() => hub.open)
  }))

const setup = { run: SimWorld.passing(), live: false, held: 1_048_576 } as const

transportSuite("message links", { ...setup, world: world({}) })
transportSuite("message links with small windows over slow channels of short messages and little room", {
  ...setup,
  run: SimWorld.passing({ step: "10 millis" }),
  world: world({ latency: "5 millis", maxMessage: 5_000, room: 8, window: 65_536 })
})
