/** Whoever sends a server a message of a WebSocket byte by byte, each of which takes hundreds to be kept until it is whole. */
import type * as Effect from "effect/Effect"
import { byteByByte, closeCode, upgraded } from "./upgrade.ts"

// More than a server may keep. Server and client have the turns of the event loop in common, so that each byte comes by itself.
const turns = 10_000

/** The code that the server ends the connection with, before so much has come that nobody would keep it; 0 where it keeps all of that. */
export const trickling = (
  port: number,
  path: string,
  headers: Readonly<Record<string, string>> = {}
): Effect.Effect<number> =>
  upgraded(port, path, headers, (socket, done) => {
    socket.once("data", (data: Buffer) => done(closeCode(data) ?? -1))
    // Binary, of 65,536 bytes, masked with zeros.
    socket.write(
      Uint8Array.of(0x82, 0x80 | 127, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0),
      () => byteByByte(socket, turns, () => done(0))
    )
  })
