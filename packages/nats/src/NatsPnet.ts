/**
 * NATS as the way to reach peers, in Node: beside the LAN, or in its place.
 *
 * ```ts
 * import { CommandNode, LanReach, Reach } from "@pnet/core"
 * import { NatsPnet } from "@pnet/nats"
 * import { NodePnet } from "@pnet/node"
 * import { Layer } from "effect"
 *
 * // The LAN first, and the broker where that fails.
 * const Alice = CommandNode.layer({ name: "alice", networkId: "home" }).pipe(
 *   Layer.provide(Reach.merge(LanReach.layer, NatsPnet.layer({ servers: "nats.example.com" }))),
 *   Layer.provide(NodePnet.layer)
 * )
 * ```
 *
 * What bites: everything is encrypted to its receiver, and the server sees who talks to whom, when and how much. Without permissions of
 * users (`Subjects.permissions`) each of them can call itself any node, which the keys find out and the limits by address do not.
 *
 * @since 0.2.0
 */
import { connect } from "@nats-io/transport-node"
import type { OptionsError } from "@pnet/core/NodeOptions"
import type { Reach } from "@pnet/core/Reach"
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Way from "./internal/way.ts"
import * as NatsOptions from "./NatsOptions.ts"

/**
 * Peers over NATS servers, by TCP, TLS or WebSocket. What goes wrong when a node connects is the `cause` of a `ReachError`, a `NatsError`.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: NatsOptions.Input = {}): Layer.Layer<Reach, OptionsError> => Way.layer(options, connect)

/**
 * `layer` with options from Effect `Config`: `PNET_NATS_SERVERS`, `PNET_NATS_CREDS` and so on, as `NatsOptions.config` reads them.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerConfig: Layer.Layer<Reach, OptionsError | Config.ConfigError> = Layer.unwrap(
  Effect.map(NatsOptions.config, layer)
)
