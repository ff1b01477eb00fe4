/** What a server of Effect's HTTP has a request from: of Node's it is the socket, and others do not say. */
import type { HttpServerRequest } from "effect/http/HttpServerRequest"

export interface ServerConnection {
  readonly remotePort?: unknown
  readonly writableLength?: unknown
  readonly once?: (event: "finish", listener: () => void) => unknown
  readonly destroy?: () => unknown
}

/** What a server says of the connection that a request came on, where it does. */
export const connectionOf = (request: HttpServerRequest): ServerConnection | undefined => {
  const { source } = request as { readonly source?: { readonly socket?: ServerConnection } }
  return source?.socket
}

/** Lets go of the connection of who asks for another protocol as soon as this side has ended it: Node's server keeps it for as long as he does. */
export const releasedWhenEnded = (request: HttpServerRequest): void => {
  if (request.headers["upgrade"] === undefined) return
  const connection = connectionOf(request)
  connection?.once?.("finish", () => connection.destroy?.())
}
