/** Whoever asks for a WebSocket and is no browser, and sends over a connection what he likes. */
import * as Effect from "effect/Effect"
import { request } from "node:http"
import type { Duplex } from "node:stream"

/** What a request has to say that asks for a WebSocket. */
export const upgrade = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA=="
}

/** Asks for a WebSocket, and has its connection used until that is `done`, which ends it. */
export const upgraded = <A>(
  port: number,
  path: string,
  headers: Readonly<Record<string, string>>,
  use: (socket: Duplex, done: (value: A) => void) => void
): Effect.Effect<A> =>
  Effect.callback((resume) => {
    const asked = request({ host: "127.0.0.1", port, path, headers: { ...upgrade, ...headers } })
    asked.setNoDelay(true)
    asked.on("error", (error) => resume(Effect.die(error)))
    asked.on("upgrade", (_, socket) => {
      socket.on("error", () => {})
      use(socket, (value) => {
        socket.destroy()
        resume(Effect.succeed(value))
      })
    })
    asked.end()
    return Effect.sync(() => asked.destroy())
  })

/** The code with which a server ends a WebSocket, of the frame that says so; `undefined` of another. */
export const closeCode = (frame: Buffer): number | undefined => frame[0] === 0x88 ? frame.readUInt16BE(2) : undefined

/** Sends so many bytes, each in a turn of the event loop of its own, and calls a function where the connection has taken them all. */
export const byteByByte = (socket: Duplex, bytes: number, all: () => void): void => {
  let sent = 0
  const sendOn = () => {
    if (++sent > bytes) return all()
    socket.write(Uint8Array.of(0), (error) => error == null && !socket.destroyed && setImmediate(sendOn))
  }
  sendOn()
}
