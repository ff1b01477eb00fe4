/** A session with the peer, as either side of it: frames in, frames out, each message counted. */
import type { Crypto } from "@pnet/core"
import { Clock, Effect } from "effect"
import { type Bytes, bytesOf, concat, numberAt, textOf, unbase64 } from "./speech/bytes.ts"
import * as Curve from "./speech/curve.ts"
import * as Frames from "./speech/frames.ts"
import * as Packets from "./speech/packets.ts"
import type { Mismatch, Subject } from "./subject.ts"
import { type Came, describe, recordOf, type Wire } from "./wire.ts"

export interface SessionOptions {
  readonly binary?: boolean
  readonly metadata?: ReadonlyArray<Curve.Property>
}

/** Whose session it is. */
interface Owner {
  readonly crypto: Crypto.Crypto["Service"]
  readonly subject: Subject
  readonly key: string
  readonly note: (what: string) => void
  readonly mismatch: (expected: string, came: Came | string) => Effect.Effect<never, Mismatch>
}

/** What a side of a session has when the handshake is done. */
export interface Agreed {
  readonly role: Curve.Role
  readonly shared: Crypto.SharedKey
  readonly binary: boolean
  /** What the peer says of itself. */
  readonly properties: ReadonlyMap<string, string>
}

/** How a stream came to its end. */
export type Ended =
  | { readonly _tag: "End"; readonly bytes: Bytes }
  | { readonly _tag: "Reset"; readonly bytes: Bytes; readonly code: string; readonly json: any; readonly type: number }

/** A DATA of so many bytes fits into a message, also as text and beside OPEN and END. */
const cut = 65_536

export class Session {
  readonly wire: Wire
  readonly agreed: Agreed
  readonly #owner: Owner
  #sending: number
  #expected: number
  readonly #frames: Array<Frames.Frame> = []
  /** Whether PINGs are answered and kept to itself. */
  ponging = true

  constructor(owner: Owner, wire: Wire, agreed: Agreed) {
    this.#owner = owner
    this.wire = wire
    this.agreed = agreed
    // The client's handshake has two commands, the server's one.
    this.#sending = agreed.role === "client" ? 3 : 2
    this.#expected = agreed.role === "client" ? 2 : 3
  }

  /** A command as it goes over the connection. */
  carry(type: number, command: Bytes): Bytes {
    return this.agreed.binary
      ? recordOf(command)
      : Packets.packet(
        this.#owner.subject.networkId,
        Frames.types[type] ?? "msg",
        Packets.commandText(command),
        this.#owner.key
      )
  }

  /** A MESSAGE. Its nonce is the next, or so far from it. */
  seal(type: number, payload: Bytes, skip = 0): Bytes {
    const { role, shared } = this.agreed
    this.#sending += skip
    return Curve.message(this.#owner.crypto, shared, role, this.#sending++, type, payload)
  }

  /** Sends frames in one MESSAGE. */
  send(type: number, ...frames: ReadonlyArray<Bytes>): Effect.Effect<void> {
    return Effect.suspend(() => {
      const payload = concat(...frames)
      const parsed = Frames.parse(type, payload)
      return this.wire.write(
        this.carry(type, this.seal(type, payload)),
        typeof parsed === "string" ? `${Frames.types[type] ?? type} ${parsed}` : parsed.map(Frames.describe).join(", ")
      )
    })
  }

  /** Sends a call of a function: its question and END. What is longer than a message is cut, and sent as there is credit for it. */
  call(
    stream: number,
    name: string,
    question: string | Bytes,
    more: Record<string, unknown> = {}
  ): Effect.Effect<void, Mismatch> {
    const { data, end } = Frames.Kind
    const opening = Frames.openFrame(stream, name, more)
    const bytes = bytesOf(question)
    if (bytes.length <= cut) {
      const asked = bytes.length > 0 ? [Frames.frame(data, stream, bytes)] : []
      return this.send(Frames.msg, opening, ...asked, Frames.frame(end, stream))
    }
    return Effect.gen({ self: this }, function*() {
      yield* this.send(Frames.msg, opening)
      let credit = Frames.initialCredit
      for (let at = 0; at < bytes.length;) {
        if (credit === 0) {
          const more = yield* this.#credit(stream)
          // The answer is whole without it.
          if (more === 0) return
          credit += more
        }
        const part = bytes.subarray(at, at + Math.min(cut, credit))
        yield* this.send(Frames.msg, Frames.frame(data, stream, part))
        at += part.length
        credit -= part.length
      }
      yield* this.send(Frames.msg, Frames.frame(end, stream))
    })
  }

  /** The next CREDIT for a stream; 0, where its END or RESET comes. Other frames wait for whoever asks for them. */
  #credit(stream: number): Effect.Effect<number, Mismatch> {
    return Effect.gen({ self: this }, function*() {
      const { credit, end, reset } = Frames.Kind
      const others: Array<Frames.Frame> = []
      while (true) {
        const came = yield* this.next()
        if ("_tag" in came) return yield* this.#owner.mismatch(`CREDIT for stream ${stream}`, came)
        if (came.stream === stream && came.kind === credit) {
          this.#frames.unshift(...others)
          return Number(numberAt(came.payload, 0, 4))
        }
        others.push(came)
        if (came.stream === stream && (came.kind === end || came.kind === reset)) {
          this.#frames.unshift(...others)
          return 0
        }
      }
    })
  }

  /** The next command, as it came; of the frames in it nobody hears any more. */
  get command(): Effect.Effect<Bytes, Mismatch> {
    return Effect.gen({ self: this }, function*() {
      const came = yield* this.agreed.binary ? this.wire.record() : this.wire.packet()
      if (came._tag === "Record") return came.bytes
      const command = came._tag === "Packet" ? unbase64(textOf(came.packet.content)) : undefined
      return command ?? (yield* this.#owner.mismatch("a command", came))
    })
  }

  /** The next frame; or what came in its place. */
  next(millis = 4_000): Effect.Effect<Frames.Frame | Came, Mismatch> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => this.#before(now + millis))
  }

  /** The next frame before a time. What the session does by itself meanwhile gives it no more. */
  #before(time: number): Effect.Effect<Frames.Frame | Came, Mismatch> {
    return Effect.flatMap(Clock.currentTimeMillis, (now): Effect.Effect<Frames.Frame | Came, Mismatch> => {
      const frame = this.#frames.shift()
      if (frame !== undefined) {
        if (!this.ponging || frame.kind !== Frames.Kind.ping) return Effect.succeed(frame)
        return Effect.andThen(this.#pong(frame.payload), this.#before(time))
      }
      const millis = Math.max(0, time - now)
      return Effect.flatMap(
        this.agreed.binary ? this.wire.record(millis) : this.wire.packet(millis),
        (came): Effect.Effect<Frames.Frame | Came, Mismatch> => {
          if (came._tag === "Record") return this.#open(came.bytes, undefined, time)
          if (came._tag !== "Packet" || came.packet.type === "adv") return Effect.succeed(came)
          const { content, key, networkId, type } = came.packet
          const command = unbase64(textOf(content))
          if (command === undefined || key !== this.#owner.subject.key || networkId !== this.#owner.subject.networkId) {
            return this.#owner.mismatch("a MESSAGE as the content of a packet of the peer's", came)
          }
          return this.#open(command, type, time)
        }
      )
    })
  }

  #pong(payload: Bytes): Effect.Effect<void> {
    return this.wire.write(
      this.carry(Frames.rsp, this.seal(Frames.rsp, Frames.frame(Frames.Kind.pong, 0, payload))),
      "PONG"
    )
  }

  #open(command: Bytes, type: string | undefined, time: number): Effect.Effect<Frames.Frame | Came, Mismatch> {
    const { role, shared } = this.agreed
    const other = role === "client" ? "server" : "client"
    const opened = Curve.openMessage(this.#owner.crypto, shared, other, this.#expected++, command)
    if (typeof opened === "string") return this.#owner.mismatch("the next MESSAGE", opened)
    if (opened.flags > 2 || type !== undefined && Frames.types[opened.flags] !== type) {
      return this.#owner.mismatch("flags that are the packet's type", `flags ${opened.flags} in ${type ?? "a record"}`)
    }
    const frames = Frames.parse(opened.flags, opened.payload)
    if (typeof frames === "string") return this.#owner.mismatch("whole frames", frames)
    this.#frames.push(...frames)
    return this.#before(time)
  }

  /** Frames until one is as is wanted; others are passed over. */
  until(
    expected: string,
    wanted: (frame: Frames.Frame) => boolean,
    millis = 4_000
  ): Effect.Effect<Frames.Frame, Mismatch> {
    return Effect.flatMap(this.next(millis), (came) =>
      "_tag" in came
        ? this.#owner.mismatch(expected, came)
        : wanted(came)
        ? Effect.succeed(came)
        : this.until(expected, wanted, millis))
  }

  /** The frames and the end that come within so long, or until the end. */
  gather(
    millis: number
  ): Effect.Effect<{ readonly frames: ReadonlyArray<Frames.Frame>; readonly last: Came }, Mismatch> {
    const frames: Array<Frames.Frame> = []
    const more: Effect.Effect<{ readonly frames: ReadonlyArray<Frames.Frame>; readonly last: Came }, Mismatch> = Effect
      .flatMap(this.next(millis), (came) => {
        if ("_tag" in came) return Effect.succeed({ frames, last: came })
        frames.push(came)
        return more
      })
    return more
  }

  /** The DATA of a stream, until so many bytes have come, and whatever comes then at once: more than that, or less, is a fault. */
  data(stream: number, bytes: number): Effect.Effect<Bytes, Mismatch> {
    return Effect.gen({ self: this }, function*() {
      const parts: Array<Bytes> = []
      const isData = (frame: Frames.Frame) => frame.stream === stream && frame.kind === Frames.Kind.data
      for (let sum = 0; sum < bytes;) {
        const { payload } = yield* this.until(`${bytes} bytes of stream ${stream}, ${sum} of them so far`, isData)
        parts.push(payload)
        sum += payload.length
      }
      const { frames } = yield* this.gather(300)
      return concat(...parts, ...frames.filter(isData).map(({ payload }) => payload))
    })
  }

  /** The answer of a stream that this side opened, with credit for all of it. */
  answer(stream: number, millis = 4_000, grant = true): Effect.Effect<Ended, Mismatch> {
    const parts: Array<Bytes> = []
    const more: Effect.Effect<Ended, Mismatch> = Effect.flatMap(
      this.until(
        `the answer of stream ${stream}`,
        (frame) => frame.stream === stream && frame.type !== Frames.msg && frame.kind !== Frames.Kind.credit,
        millis
      ),
      (frame): Effect.Effect<Ended, Mismatch> => {
        switch (frame.kind) {
          case Frames.Kind.data:
            parts.push(frame.payload)
            return grant
              ? Effect.andThen(this.send(Frames.msg, Frames.credit(stream, Math.max(1, frame.payload.length))), more)
              : more
          case Frames.Kind.end:
            return Effect.succeed({ _tag: "End", bytes: concat(...parts) })
          case Frames.Kind.reset: {
            const json = parseJson(frame.payload)
            return typeof json?.code === "string"
              ? Effect.succeed({ _tag: "Reset", bytes: concat(...parts), code: json.code, json, type: frame.type })
              : this.#owner.mismatch("RESET with a code", Frames.describe(frame))
          }
          default:
            return this.#owner.mismatch("DATA, END or RESET", Frames.describe(frame))
        }
      }
    )
    return more
  }

  /** That a stream is reset with a code, in an `err`. */
  reset(stream: number, code: string, millis?: number): Effect.Effect<Ended, Mismatch> {
    return Effect.flatMap(
      this.answer(stream, millis),
      (ended) =>
        ended._tag === "Reset" && ended.code === code && ended.type === Frames.err
          ? Effect.succeed(ended)
          : this.#owner.mismatch(`err RESET ${stream} with the code ${code}`, describeEnded(ended))
    )
  }

  /** That a stream is answered with these bytes. */
  answered(stream: number, bytes: string): Effect.Effect<void, Mismatch> {
    return Effect.flatMap(this.answer(stream), (ended) =>
      ended._tag === "End" && textOf(ended.bytes) === bytes
        ? Effect.void
        : this.#owner.mismatch(`the answer ${JSON.stringify(bytes)} and END`, describeEnded(ended)))
  }

  /** That the peer ends the session with a GOAWAY of a code, and closes. */
  goaway(code: string, millis = 4_000): Effect.Effect<any, Mismatch> {
    return Effect.gen({ self: this }, function*() {
      const expected = `GOAWAY ${code}, and the end`
      const frame = yield* this.until(expected, ({ kind }) => kind === Frames.Kind.goaway, millis)
      const json = parseJson(frame.payload)
      if (
        frame.type !== Frames.msg || frame.stream !== 0 || json?.code !== code || typeof json.message !== "string"
      ) return yield* this.#owner.mismatch(expected, Frames.describe(frame))
      const { frames, last } = yield* this.gather(millis)
      if (frames.length > 0) {
        return yield* this.#owner.mismatch("nothing behind it", frames.map(Frames.describe).join(", "))
      }
      if (last._tag !== "Ended") return yield* this.#owner.mismatch(expected, describe(last))
      return json
    })
  }
}

export const parseJson = (bytes: Bytes): any => {
  try {
    return JSON.parse(textOf(bytes))
  } catch {
    return undefined
  }
}

export const describeEnded = (ended: Ended): string =>
  ended._tag === "End"
    ? `${ended.bytes.length} bytes (${JSON.stringify(textOf(ended.bytes.subarray(0, 80)))}) and END`
    : `${Frames.types[ended.type]} RESET ${JSON.stringify(ended.json)}`
