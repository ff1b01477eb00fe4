/** URLs as peers are listed by them: `wss://name/path`, with the key of the node there behind `#`, where it is known. */
import type { Endpoint } from "@pnet/core/Network"
import * as PublicKey from "@pnet/core/PublicKey"
import { endpointOf } from "../WebSocketTransport.ts"
import { parseUrl } from "./platform.ts"

export interface ListedUrl {
  /** As it is dialled, without its fragment. */
  readonly url: string
  readonly endpoint: Endpoint
  /** The key that the node there has to have. */
  readonly publicKey: PublicKey.PublicKey | undefined
}

/** What a text lists, or what is wrong with it. */
export const parse = (text: string): ListedUrl | string => {
  const url = parseUrl(text)
  if (url === undefined) return "it is no URL"
  if (url.protocol !== "wss:" && url.protocol !== "ws:") return "it begins with neither wss: nor ws:"
  // A browser refuses those, and a server's log would have them.
  if (url.username !== "" || url.password !== "") return "it has a name or a password in it"
  const publicKey = url.hash === "" ? undefined : PublicKey.fromText(url.hash.slice(1))
  if (url.hash !== "" && publicKey === undefined) return "what is behind # is no public key"
  const href = url.href.split("#", 1)[0]!
  return { url: href, endpoint: endpointOf({ href, port: url.port, protocol: url.protocol }), publicKey }
}
