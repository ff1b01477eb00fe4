/**
 * Everything a pnet node needs of a browser, composed: WebSockets as the way to reach peers, cryptography that needs no platform, and an identity and known
 * peers that the site keeps.
 *
 * ```ts
 * import { CommandNode } from "@pnet/core"
 * import { WebPnet } from "@pnet/web"
 * import { Layer } from "effect"
 *
 * const Page = CommandNode.layer({ name: "page", networkId: "home" }).pipe(
 *   Layer.provide(WebPnet.layer({ peers: ["wss://example.org/pnet"] }))
 * )
 * ```
 *
 * The node calls, serves, is called back and is a peer with presence, as any other. `layerServer` is for the nodes that it connects to.
 *
 * What bites: a second tab of the page is a node of its own, called `page-2`: see `WebIdentity`.
 *
 * @since 0.2.0
 */
import type { Crypto } from "@pnet/core/Crypto"
import type { IdentityStore } from "@pnet/core/Identity"
import * as LanReach from "@pnet/core/LanReach"
import type { Network } from "@pnet/core/Network"
import type { OptionsError } from "@pnet/core/NodeOptions"
import * as Reach from "@pnet/core/Reach"
import type { Trust } from "@pnet/core/Trust"
import type { HttpRouter } from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import type { KeyValueStore, KeyValueStoreError } from "effect/persistence/KeyValueStore"
import * as WasmCrypto from "./WasmCrypto.ts"
import * as WebIdentity from "./WebIdentity.ts"
import * as WebReach from "./WebReach.ts"
import * as WebStorage from "./WebStorage.ts"
import * as WebTrust from "./WebTrust.ts"

/**
 * What a page says.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options extends WebReach.Options, WebIdentity.Options {
  /** Where the site keeps the identity and the known peers. Default: `WebStorage.layerIndexedDb()`. */
  readonly storage?: Layer.Layer<KeyValueStore, KeyValueStoreError> | undefined
}

/**
 * What this supplies to nodes in a page.
 *
 * @category models
 * @since 0.2.0
 */
export type Platform = Reach.Reach | Crypto | IdentityStore

const platform = (options: Options) =>
  Layer.mergeAll(WebReach.layer(options), WebIdentity.layer(options)).pipe(Layer.provideMerge(WasmCrypto.layer()))

/**
 * WebSockets to the URLs of `peers`, cryptography, an identity for each node by its name, and trust on first use.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer = (
  options: Options
): Layer.Layer<Platform | Trust, OptionsError | WebTrust.WebTrustError | KeyValueStoreError> =>
  Layer.merge(platform(options), WebTrust.layer()).pipe(Layer.provide(options.storage ?? WebStorage.layerIndexedDb()))

/**
 * `layer` with a trust policy of your own, which may need the `KeyValueStore`.
 *
 * @category layers
 * @since 0.2.0
 */
export const layerWithTrust = <E, R>(
  options: Options,
  trust: Layer.Layer<Trust, E, R>
): Layer.Layer<Platform | Trust, OptionsError | KeyValueStoreError | E, Exclude<R, Platform | KeyValueStore>> =>
  Layer.provideMerge(trust, platform(options)).pipe(
    Layer.provide(options.storage ?? WebStorage.layerIndexedDb())
  ) as Layer.Layer<any, any, any>

/**
 * The ways of a node that pages connect to: the LAN, and WebSockets at a path of the `HttpRouter`. It is given to a node in the place of its `Reach`:
 *
 * ```ts
 * const Node = CommandNode.layer({ name: "server", networkId: "home", bindIp: "0.0.0.0" }).pipe(
 *   Layer.provide(WebPnet.layerServer({ path: "/pnet" })),
 *   Layer.provide(NodePnet.layer)
 * )
 * const Server = HttpRouter.serve(Node).pipe(
 *   Layer.provide(NodeHttpServer.layer(createServer, { port: 8080, websocket: WebSocketListener.serverOptions }))
 * )
 * ```
 *
 * @category layers
 * @since 0.2.0
 */
export const layerServer = (
  options?: WebReach.ServerOptions
): Layer.Layer<Reach.Reach, OptionsError, Network | HttpRouter> =>
  Reach.merge(LanReach.layer, WebReach.layerServer(options))
