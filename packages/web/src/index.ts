/**
 * pnet nodes in browsers, and over WebSockets.
 *
 * @since 0.2.0
 */
export * as WasmCrypto from "./WasmCrypto.ts"
export * as WebIdentity from "./WebIdentity.ts"
export * as WebPnet from "./WebPnet.ts"
export * as WebReach from "./WebReach.ts"
export * as WebSocketListener from "./WebSocketListener.ts"
export * as WebSocketTransport from "./WebSocketTransport.ts"
export * as WebStorage from "./WebStorage.ts"
export * as WebTrust from "./WebTrust.ts"
