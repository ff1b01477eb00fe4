/** What a node says about itself in every packet, from its options. */
import type * as Clock from "effect/Clock"
import type { Crypto } from "../../Crypto.ts"
import type { NodeConfig } from "../../NodeOptions.ts"
import type { Self } from "./advertExchange.ts"
import * as NetworkCipher from "./networkCipher.ts"

export const selfOf = (crypto: Crypto["Service"], clock: Clock.Clock, config: NodeConfig["Service"]): Self => ({
  networkId: config.networkId,
  name: config.name,
  identity: config.identity,
  cipher: NetworkCipher.make({ crypto, clock, networkId: config.networkId, keys: config.keyRing.bytesUnsafe })
})
