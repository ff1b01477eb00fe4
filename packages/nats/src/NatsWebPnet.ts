/**
 * NATS as the way to reach peers where there is no TCP: in browsers, and wherever else there are WebSockets. Nothing that this module imports
 * needs Node.
 *
 * ```ts
 * import { CommandNode } from "@pnet/core"
 * import * as NatsWebPnet from "@pnet/nats/NatsWebPnet"
 * import { Layer } from "effect"
 *
 * const Page = CommandNode.layer({ name: "page", networkId: "home" }).pipe(
 *   Layer.provide(NatsWebPnet.layer({ servers: "wss://nats.example.com" }))
 * )
 * ```
 *
 * What bites: the server has to have its `websocket` on, and to allow the page's origin.
 *
 * @since 0.2.0
 */
import type { OptionsError } from "@pnet/core/NodeOptions"
import type { Reach } from "@pnet/core/Reach"
import type * as Layer from "effect/Layer"
import * as Way from "./internal/way.ts"
import type * as NatsOptions from "./NatsOptions.ts"

/**
 * Peers over NATS servers by WebSocket: `servers` are `wss://` or, on one's own machine, `ws://`.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (options: NatsOptions.Input): Layer.Layer<Reach, OptionsError> => Way.layer(options, undefined)
