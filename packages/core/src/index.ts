/**
 * Programs that find each other on a network and talk, encrypted, as Effect layers.
 *
 * @since 0.1.0
 */
export * as Crypto from "./Crypto.ts"
export * as Identity from "./Identity.ts"
export * as Network from "./Network.ts"
export * as NetworkKey from "./NetworkKey.ts"
export * as PublicKey from "./PublicKey.ts"
export * as SharedKeys from "./SharedKeys.ts"
