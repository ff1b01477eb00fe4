/**
 * pnet on Node: sockets, crypto, key files.
 *
 * @since 0.1.0
 */
export * as NodeCrypto from "./NodeCrypto.ts"
export * as NodeIdentity from "./NodeIdentity.ts"
export * as NodeNetwork from "./NodeNetwork.ts"
export * as NodePnet from "./NodePnet.ts"
export * as NodeTrust from "./NodeTrust.ts"
