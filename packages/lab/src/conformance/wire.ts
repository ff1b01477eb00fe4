/** A connection to or from the peer: what is written to it, and what comes, cut into packets and records. */
import type { Transport } from "@pnet/core"
import { Cause, Effect, Option } from "effect"
import { type Bytes, concat, number, numberAt, shown } from "./speech/bytes.ts"
import { type Packet, parse } from "./speech/packets.ts"

/** What came of waiting. */
export type Came =
  | { readonly _tag: "Packet"; readonly packet: Packet }
  | { readonly _tag: "Record"; readonly bytes: Bytes }
  /** What is neither. */
  | { readonly _tag: "Garbage"; readonly why: string; readonly bytes: Bytes }
  | { readonly _tag: "Ended"; readonly clean: boolean; readonly rest: Bytes }
  | { readonly _tag: "Silence"; readonly millis: number }

export const describe = (came: Came): string => {
  switch (came._tag) {
    case "Packet": {
      const { content, key, networkId, type } = came.packet
      return `${networkId}|${type}|${shown(content)}|${key}`
    }
    case "Record":
      return `a record of ${came.bytes.length} bytes`
    case "Garbage":
      return `${came.why}: ${shown(came.bytes)}`
    case "Ended":
      return came.rest.length > 0
        ? `the end, after ${shown(came.rest)}`
        : came.clean
        ? "the end of the connection"
        : "a connection that was broken off"
    case "Silence":
      return `nothing in ${came.millis / 1_000} s`
  }
}

const nothing = new Uint8Array(0)

export class Wire {
  readonly connection: Transport.Connection
  /** Told of all that is written. */
  readonly #note: (what: string) => void
  #buffer: Bytes = nothing
  #ended: boolean | undefined

  constructor(connection: Transport.Connection, note: (what: string) => void) {
    this.connection = connection
    this.#note = note
  }

  /** Writes bytes; where the connection has ended, they are lost. */
  write(bytes: Bytes, what = shown(bytes)): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.#note(what)
      // What is not taken any more must not keep the check.
      return Effect.ignore(Effect.timeoutOption(this.connection.write(bytes), "20 seconds"))
    })
  }

  /** Says that no more bytes will be written. */
  get end(): Effect.Effect<void> {
    return Effect.andThen(Effect.sync(() => this.#note("the end of its side")), this.connection.end)
  }

  /** What the buffer has at its beginning, or why it never will; read until it has. */
  #until(found: (buffer: Bytes) => Came | undefined, millis: number): Effect.Effect<Came> {
    const next: Effect.Effect<Came> = Effect.suspend(() => {
      const came = found(this.#buffer)
      if (came !== undefined) return Effect.succeed(came)
      if (this.#ended !== undefined) {
        return Effect.succeed<Came>({ _tag: "Ended", clean: this.#ended, rest: this.#buffer })
      }
      return Effect.matchCauseEffect(this.connection.pull, {
        onSuccess: (more) => {
          this.#buffer = concat(this.#buffer, ...more)
          return next
        },
        onFailure: (cause) => {
          const error = Cause.findErrorOption(cause)
          if (Option.isNone(error)) return Effect.failCause(cause as Cause.Cause<never>)
          this.#ended = error.value.clean
          return next
        }
      })
    })
    return Effect.map(
      Effect.timeoutOption(next, millis),
      Option.getOrElse((): Came => ({ _tag: "Silence", millis }))
    )
  }

  #take(length: number): Bytes {
    const bytes = this.#buffer.slice(0, length)
    this.#buffer = this.#buffer.slice(length)
    return bytes
  }

  /** The next packet. */
  packet(millis = 4_000): Effect.Effect<Came> {
    return this.#until((buffer) => {
      const feed = buffer.indexOf(0x0a)
      if (feed < 0) {
        return buffer.length > 131_072
          ? { _tag: "Garbage", why: "no LF in 131,072 bytes", bytes: buffer }
          : undefined
      }
      const line = this.#take(feed + 1)
      const packet = parse(line)
      return typeof packet === "string"
        ? { _tag: "Garbage", why: packet, bytes: line }
        : { _tag: "Packet", packet }
    }, millis)
  }

  /** The next record of a session. */
  record(millis = 4_000): Effect.Effect<Came> {
    return this.#until((buffer) => {
      if (buffer.length < 4) return undefined
      const length = Number(numberAt(buffer, 0, 4))
      if (length === 0 || length > 131_072) {
        return { _tag: "Garbage", why: `a record of the length ${length}`, bytes: this.#take(buffer.length) }
      }
      if (buffer.length < 4 + length) return undefined
      return { _tag: "Record", bytes: this.#take(4 + length).slice(4) }
    }, millis)
  }

  /** The end of the connection, whatever comes before it; or silence. */
  ended(millis = 4_000): Effect.Effect<Came> {
    return this.#until(() => {
      this.#buffer = nothing
      return undefined
    }, millis)
  }

  /** Nothing, and no end, for so long. */
  quiet(millis: number): Effect.Effect<Came> {
    return this.#until(
      (buffer) => buffer.length === 0 ? undefined : { _tag: "Garbage", why: "more than was asked for", bytes: buffer },
      millis
    )
  }
}

/** A record around a command. */
export const recordOf = (command: Bytes): Bytes => concat(number(command.length, 4), command)
