/** Requests as anybody on this machine may send them, with whatever headers. */
import { closeCode, upgrade as asking, upgraded } from "@pnet/lab/web/upgrade"
import { Effect } from "effect"
import { request } from "node:http"
import { connect } from "node:net"

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly body: string
}

export interface Ask {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** Asks for a path. */
export const ask = (port: number, path: string, { body, headers, method = "GET" }: Ask = {}): Effect.Effect<Answer> =>
  Effect.callback((resume) => {
    const sent = request({ host: "127.0.0.1", port, path, method, headers: { ...headers }, agent: false }, (answer) => {
      let text = ""
      answer.setEncoding("utf8")
      answer.on("data", (piece: string) => text += piece)
      answer.on(
        "end",
        () => resume(Effect.succeed({ status: answer.statusCode!, headers: answer.headers, body: text }))
      )
    })
    sent.on("error", (error) => resume(Effect.die(error)))
    sent.end(body)
  })

/** Asks for a WebSocket: the status of the answer, 101 where there is one; it stays open until the scope closes. */
export const upgrade = (port: number, path: string, headers: Readonly<Record<string, string>> = {}) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ readonly status: number; readonly close: () => void }>((resume) => {
        const socket = connect({ host: "127.0.0.1", port }, () => {
          const lines = Object.entries({
            Host: `127.0.0.1:${port}`,
            ...asking,
            ...headers
          }).map(([name, value]) => `${name}: ${value}\r\n`)
          socket.write(`GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`)
        })
        socket.on("error", () => {})
        socket.once("data", (data) =>
          resume(Effect.succeed({
            status: Number(/^HTTP\/1.1 (\d+)/.exec(data.toString())?.[1]),
            close: () => socket.destroy()
          })))
        socket.once("close", () => resume(Effect.succeed({ status: 0, close: () => {} })))
      }),
      ({ close }) => Effect.sync(close)
    ),
    ({ status }) => status
  )

/** Asks for a WebSocket and sends a text over it in so many pieces: the code that it is ended with, 0 where something is said first. */
export const inPieces = (
  port: number,
  path: string,
  { headers, pieces, text }: {
    readonly headers: Readonly<Record<string, string>>
    readonly pieces: number
    readonly text: string
  }
): Effect.Effect<number> =>
  upgraded(port, path, headers, (socket, done) => {
    // Masked with zeros, and the first holds all of the text.
    const piece = (first: number, of: string) =>
      Buffer.concat([Buffer.from([first, 0x80 | of.length, 0, 0, 0, 0]), Buffer.from(of)])
    for (let i = 0; i < pieces; i++) {
      const last = i === pieces - 1 ? 0x80 : 0
      socket.write(piece(last | (i === 0 ? 1 : 0), i === 0 ? text : " "))
    }
    socket.once("data", (data: Buffer) => done(closeCode(data) ?? 0))
  })

/** Sends what may be no request at all: the status of the answer. */
export const raw = (port: number, text: string): Effect.Effect<number> =>
  Effect.callback((resume) => {
    const socket = connect({ host: "127.0.0.1", port }, () => socket.write(text))
    socket.on("error", () => {})
    socket.once("data", (data) => {
      resume(Effect.succeed(Number(/^HTTP\/1.1 (\d+)/.exec(data.toString())?.[1])))
      socket.destroy()
    })
    socket.once("close", () => resume(Effect.succeed(0)))
  })

/** Sends what may be no request at all, or a part of one: all that is answered until the server ends the connection. */
export const untilEnd = (port: number, text: string): Effect.Effect<string> =>
  Effect.callback((resume) => {
    let answered = ""
    const socket = connect({ host: "127.0.0.1", port }, () => socket.write(text))
    socket.on("error", () => {})
    socket.on("data", (data) => answered += data.toString())
    socket.once("close", () => resume(Effect.succeed(answered)))
    return Effect.sync(() => socket.destroy())
  })

/** Asks, and reads nothing until the scope closes. */
export const unread = (port: number, text: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const socket = connect({ host: "127.0.0.1", port }, () => socket.write(text))
      socket.pause()
      socket.on("error", () => {})
      return socket
    }),
    (socket) => Effect.sync(() => void socket.destroy())
  )

/** The cookie of a link, as a browser would send it. */
export const cookieOf = (answer: Answer): string => String([answer.headers["set-cookie"]].flat()[0]).split(";", 1)[0]!
