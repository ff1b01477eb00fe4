/** Whoever sends a server a message of a WebSocket byte by byte, each of which takes hundreds to be kept until it is whole. */
import * as Effect from "effect/Effect"
import { request } from "node:http"
import { upgrade } from "./upgrade.ts"

// More than a server may keep. Server and client have the turns of the event loop in common, so that each byte comes by itself.
const turns = 10_000

/** The code that the server ends the connection with, before so much has come that nobody would keep it; 0 where it keeps all of that. */
export const trickling = (
  port: number,
  path: string,
  headers: Readonly<Record<string, string>> = {}
): Effect.Effect<number> =>
  Effect.callback((resume) => {
    const asked = request({
      host: "127.0.0.1",
      port,
      path,
      headers: { ...upgrade, ...headers }
    })
    asked.on("error", (error) => resume(Effect.die(error)))
    asked.on("upgrade", (_, socket) => {
      let sent = 0
      const done = (code: number) => {
        sent = turns
        socket.destroy()
        resume(Effect.succeed(code))
      }
      const sendOn = () => {
        if (++sent > turns) return done(0)
        socket.write(Uint8Array.of(0), (error) => error == null && setImmediate(sendOn))
      }
      socket.on("error", () => {})
      socket.once("data", (data: Buffer) => done(data[0] === 0x88 ? data.readUInt16BE(2) : -1))
      asked.setNoDelay(true)
      // Binary, of 65,536 bytes, masked with zeros.
      socket.write(Uint8Array.of(0x82, 0x80 | 127, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0), sendOn)
    })
    asked.end()
    return Effect.sync(() => asked.destroy())
  })
