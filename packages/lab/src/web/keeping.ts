/** Whoever asks a server for another protocol, and keeps his connection whatever he is answered. */
import * as Effect from "effect/Effect"
import { connect } from "node:net"
import { byteByByte } from "./upgrade.ts"

// Turns of the event loop, which server and client have in common, behind the end of the answer.
const turns = 1_000

/**
 * The status of the answer, once the server has let go of the connection, as it says to whoever goes on to send something over it; 0 where it keeps the
 * connection that its answer has ended.
 */
export const keeping = (
  port: number,
  path: string,
  headers: Readonly<Record<string, string>>
): Effect.Effect<number> =>
  Effect.callback((resume) => {
    const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true })
    let answer = ""
    const done = (status: number) => {
      socket.destroy()
      resume(Effect.succeed(status))
    }
    socket.on("error", () => {})
    socket.on("data", (data) => answer += data.toString())
    socket.once("end", () => byteByByte(socket, turns, () => done(0)))
    socket.once("close", () => done(Number(/^HTTP\/1.1 (\d+)/.exec(answer)?.[1])))
    const lines = Object.entries({ host: "127.0.0.1", ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.write(`GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`)
    return Effect.sync(() => socket.destroy())
  })
