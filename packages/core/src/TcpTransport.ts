/**
 * Byte connections between nodes by TCP, written once over the `Network` seam.
 *
 * @since 0.2.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Socket from "effect/socket/Socket"
import * as DerivedHost from "./DerivedHost.ts"
import { type Endpoint, Network } from "./Network.ts"
import { NodeConfig } from "./NodeOptions.ts"
import { DialError, fromServer, fromSocket, type Listening, Transport } from "./Transport.ts"

const codeOf = (cause: unknown): unknown =>
  typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined

const dialError = (endpoint: Endpoint, error: Socket.SocketError): DialError => {
  const { reason } = error
  const cause = "cause" in reason ? reason.cause : reason
  const code = codeOf(cause)
  const kind = code === "ECONNREFUSED" || code === "ECONNRESET"
    ? "Refused"
    : code === "ETIMEDOUT"
    ? "Timeout"
    : code === "EHOSTUNREACH" || code === "ENETUNREACH" || code === "EHOSTDOWN" || code === "ENETDOWN" ||
        code === "EADDRNOTAVAIL"
    ? "Unreachable"
    : "Unknown"
  return new DialError({ kind, host: endpoint.host, port: endpoint.port, cause })
}

/** A derived address stands for something that is no IP address: whoever answered there would be somebody else. */
const dials = ({ host }: Endpoint) => !DerivedHost.is(host)

const taking = { takesBytes: true }

/**
 * TCP over a `Network`, with the address and port to listen on.
 *
 * @category constructors
 * @since 0.2.0
 */
export const make = (
  network: Network["Service"],
  options: { readonly bindIp: string; readonly serverPort: number; readonly dialTimeout: Duration.Input }
): Listening => ({
  listen: Effect.map(
    network.listen({ host: options.bindIp, port: options.serverPort }),
    (server) => {
      const port = server.address._tag === "UnixPathAddress" ? 0 : server.address.port
      return fromServer(server, { host: options.bindIp, port }, taking)
    }
  ),
  dials,
  dial: (endpoint) =>
    !dials(endpoint)
      ? Effect.fail(new DialError({ kind: "Unreachable", host: endpoint.host, port: endpoint.port }))
      : Effect.flatMap(network.dial(endpoint), (socket) => fromSocket(socket, endpoint, taking)).pipe(
        Effect.mapError((error) => dialError(endpoint, error)),
        Effect.timeoutOrElse({
          duration: options.dialTimeout,
          orElse: () => Effect.fail(new DialError({ kind: "Timeout", host: endpoint.host, port: endpoint.port }))
        })
      )
})

/**
 * TCP over the `Network` seam. Listens on the `bindIp` and `serverPort` of the options and gives up dialling after
 * `limits.dialTimeout`.
 *
 * @category layers
 * @since 0.2.0
 */
export const layer: Layer.Layer<Transport, never, Network | NodeConfig> = Layer.effect(
  Transport,
  Effect.gen(function*() {
    const network = yield* Network
    const { bindIp, limits, serverPort } = yield* NodeConfig
    return make(network, { bindIp, serverPort, dialTimeout: limits.dialTimeout })
  })
)
