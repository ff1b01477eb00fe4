/** Raw sockets on loopback, plain or with TLS. */
import * as net from "node:net"
import * as tls from "node:tls"

/** A certificate of 127.0.0.1 and its key, both as PEM. */
export interface Certificate {
  readonly certificate: string
  readonly key: string
}

/** A server that does not listen yet. */
export const serve = (
  certificate: Certificate | undefined,
  onSocket: (socket: net.Socket) => void
): net.Server =>
  certificate === undefined
    ? net.createServer({ noDelay: true, allowHalfOpen: true }, onSocket)
    : tls.createServer(
      { cert: certificate.certificate, key: certificate.key, noDelay: true, allowHalfOpen: true },
      onSocket
    )

/** A socket that says when it is connected. */
export const connect = (port: number, certificate: Certificate | undefined, onConnect: () => void): net.Socket => {
  const socket = certificate === undefined
    ? net.connect({ host: "127.0.0.1", port, noDelay: true }, onConnect)
    : tls.connect({ host: "127.0.0.1", port, ca: certificate.certificate }, onConnect)
  return socket.setNoDelay(true)
}
