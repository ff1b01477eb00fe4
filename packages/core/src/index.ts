/**
 * Programs that find each other on a network and talk, encrypted, as Effect layers.
 *
 * @since 0.1.0
 */
export * as AdvancedNode from "./AdvancedNode.ts"
export * as Advert from "./Advert.ts"
export * as BasicNode from "./BasicNode.ts"
export * as Crypto from "./Crypto.ts"
export * as Diagnose from "./Diagnose.ts"
export * as Discovery from "./Discovery.ts"
export * as Frame from "./Frame.ts"
export * as Framer from "./Framer.ts"
export * as Handshake from "./Handshake.ts"
export * as Identity from "./Identity.ts"
export * as Network from "./Network.ts"
export * as NetworkKey from "./NetworkKey.ts"
export * as NetworkKeys from "./NetworkKeys.ts"
export * as NodeOptions from "./NodeOptions.ts"
export * as Packet from "./Packet.ts"
export * as Peers from "./Peers.ts"
export * as PeerSocket from "./PeerSocket.ts"
export * as ProtocolError from "./ProtocolError.ts"
export * as PublicKey from "./PublicKey.ts"
export * as Raw from "./Raw.ts"
export * as Sessions from "./Sessions.ts"
export * as SharedKeys from "./SharedKeys.ts"
export * as Transport from "./Transport.ts"
export * as Trust from "./Trust.ts"
