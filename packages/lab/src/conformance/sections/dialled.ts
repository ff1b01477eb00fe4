/** Sections 4 and 5, as the side that is dialled. */
import { Effect } from "effect"
import { checksOf } from "../check.ts"
import * as Door from "../door.ts"
import type { Kit } from "../kit.ts"
import { parseJson, type Session } from "../session.ts"
import { type Bytes, equal, flipped, textOf } from "../speech/bytes.ts"
import * as Curve from "../speech/curve.ts"
import { credit, describe, err, type Frame, frame, json, Kind, msg, rsp } from "../speech/frames.ts"
import { failed, told } from "./asked.ts"

const check = checksOf("sessions", "orders", "a LAN")
const { credit: creditKind, data, end, goaway, open, ping, pong, reset } = Kind

/** A call of a function, and the session that it came over. */
const called = (kit: Kit, order: { readonly payload?: string; readonly timeoutMillis?: number } = {}, binary = true) =>
  Effect.gen(function*() {
    const door = yield* Door.open(kit)
    const calling = yield* door.order({ how: "function", name: "work", payload: "question", ...order })
    const session = yield* door.session({ binary })
    const opened = yield* session.until("OPEN", ({ kind }) => kind === open)
    return { door, calling, session, opened, stream: opened.stream }
  })

/** Answers a stream. */
const answer = (session: Session, stream: number, bytes: string) =>
  session.send(rsp, frame(data, stream, bytes), frame(end, stream))

/** That a step of the handshake that is wrong is no step for the peer: its call fails, and it closes without an err. */
const wrong = (
  kit: Kit,
  code: string | undefined,
  steps: Readonly<Record<string, (door: Door.Door, greeting: Door.Greeting, kit: Kit) => Effect.Effect<unknown, any>>>
) =>
  Effect.forEach(Object.entries(steps), ([what, step], i) =>
    Effect.scoped(Effect.gen(function*() {
      const own = kit.another(`${kit.name}-${i}`)
      const door = yield* Door.open(own)
      const calling = yield* door.order({ how: "function", name: "work", payload: "question" })
      const greeting = yield* door.hello()
      yield* step(door, greeting, own)
      own.note(what)
      const last = yield* greeting.wire.packet()
      yield* own.holds(last._tag === "Ended", "the end, without an err", last)
      yield* failed(own, calling, code)
    })), { discard: true })

/** A READY that is not as it should be. */
const ready =
  (metadata: (kit: Kit) => ReadonlyArray<Curve.Property>, nonce = 1, damage = (bytes: Bytes) => bytes) =>
  (door: Door.Door, greeting: Door.Greeting, kit: Kit) =>
    Effect.gen(function*() {
      yield* door.initiated(greeting)
      const shared = Curve.between(kit.crypto, greeting.client, greeting.mine.secret)!
      const command = damage(Curve.ready(kit.crypto, shared, metadata(kit), nonce))
      yield* greeting.wire.write(yield* kit.command("rsp", command), "READY")
    })

const handshakes = [
  check(
    "handshake-hello",
    "HELLO has its 200 bytes, and INITIATE the cookie, C, the vouch and the metadata",
    (kit) =>
      Effect.gen(function*() {
        const door = yield* Door.open(kit)
        yield* door.order({ how: "function", name: "work", payload: "question" })
        const { said } = yield* door.initiated(yield* door.hello())
        const text = JSON.stringify([...said])
        yield* kit.holds(said.get("pnet") === "1", "Pnet 1", text)
        yield* kit.holds(said.get("network") === kit.subject.networkId, "the network id", text)
        yield* kit.holds((said.get("node") ?? "").length > 0, "a name", text)
      })
  ),

  check(
    "handshake-client-opens",
    "a WELCOME that does not open, or has another length or key, is none",
    (kit) =>
      wrong(kit, "ERR_HANDSHAKE", {
        "a box that was changed": (door, greeting, own) =>
          Effect.flatMap(
            own.command("rsp", door.welcome(greeting, { damage: (command) => flipped(command, 60) })),
            (bytes) => greeting.wire.write(bytes, "WELCOME")
          ),
        "one byte more": (door, greeting, own) =>
          Effect.flatMap(
            own.command("rsp", door.welcome(greeting, { damage: (command) => new Uint8Array([...command, 0]) })),
            (bytes) => greeting.wire.write(bytes, "WELCOME")
          ),
        "S' of low order": (door, greeting, own) =>
          Effect.flatMap(
            own.command("rsp", door.welcome(greeting, { claimed: new Uint8Array(32) })),
            (bytes) => greeting.wire.write(bytes, "WELCOME")
          ),
        "no base64url": (_door, greeting, own) =>
          Effect.flatMap(own.packet("rsp", "~"), (bytes) => greeting.wire.write(bytes))
      })
  ),

  check(
    "handshake-client-opens",
    "a READY with another nonce, box or metadata is none",
    (kit) =>
      wrong(kit, "ERR_HANDSHAKE", {
        "nonce 2": ready((own) => own.properties(), 2),
        "a nonce that is not the box's": ready((own) => own.properties(), 1, (command) => flipped(command, 13)),
        "a box that was changed": ready((own) => own.properties(), 1, (command) => flipped(command, -1)),
        "no Node": ready((own) => own.properties().filter(([name]) => name !== "Node")),
        "Pnet 2": ready((own) => own.properties().map(([name, value]) => [name, name === "Pnet" ? "2" : value])),
        "Node twice": ready((own) => [...own.properties(), ["node", own.name]])
      })
  ),

  check(
    "metadata-network",
    "a READY of another network is refused as that",
    (kit) =>
      wrong(kit, "ERR_NETWORK_INCORRECT", {
        "another network": ready((own) =>
          own.properties().map(([name, value]) => [name, name === "Network" ? "elsewhere!" : value])
        )
      })
  ),

  check(
    "handshake-client-key",
    "a WELCOME or READY in a packet of another key is none",
    (kit) =>
      wrong(kit, "ERR_PUBLIC_KEY", {
        WELCOME: (door, greeting, own) =>
          Effect.flatMap(
            own.command("rsp", door.welcome(greeting), { key: own.another().key }),
            (bytes) => greeting.wire.write(bytes, "WELCOME")
          )
      })
  ),

  check(
    "handshake-client-silent",
    "an err in the place of WELCOME fails the call, and is not answered",
    (kit) =>
      wrong(kit, "ERR_UNTRUSTED", {
        "ERR_UNTRUSTED": (_door, greeting, own) =>
          Effect.flatMap(own.packet("err", "ERR_UNTRUSTED"), (bytes) => greeting.wire.write(bytes))
      })
  ),

  check(
    "handshake-client-trust",
    "a name that is not the one that was dialled is told GOAWAY untrusted",
    (kit) =>
      Effect.gen(function*() {
        const door = yield* Door.open(kit)
        const calling = yield* door.order({ how: "function", name: "work", payload: "secret" })
        const metadata = kit.properties().map(([name, value]) =>
          [name, name === "Node" ? "somebody-else" : value] as const
        )
        const session = yield* door.session({ metadata })
        const { frames, last } = yield* session.gather(4_000)
        yield* kit.holds(frames.every(({ kind }) => kind !== open), "no OPEN", frames.map(describe).join())
        const code = parseJson(frames.find(({ kind }) => kind === goaway)?.payload ?? new Uint8Array(0))?.code
        yield* kit.holds(code === "untrusted" && last._tag === "Ended", "GOAWAY untrusted, and the end", last)
        yield* failed(kit, calling)
      })
  ),

  check(
    "record-framing",
    "without an offer of binary records the session is text, both ways",
    (kit) =>
      Effect.gen(function*() {
        const { calling, session, stream } = yield* called(kit, {}, false)
        yield* answer(session, stream, "as text")
        const result = yield* calling.called
        yield* kit.holds(
          result._tag === "Answered" && textOf(result.bytes) === "as text",
          "the answer, given on",
          told(result)
        )
      })
  )
]

/** The question of a stream: its bytes until END. */
const question = (session: Session, stream: number, first: ReadonlyArray<Frame> = []) =>
  Effect.gen(function*() {
    let text = first.map(({ payload }) => textOf(payload)).join("")
    while (true) {
      const one = yield* session.until("DATA and END", (each) => each.stream === stream && each.kind !== creditKind)
      if (one.kind === end) return text
      text += textOf(one.payload)
    }
  })

const streams = [
  check(
    "frame-open",
    "OPEN says the protocol and the name, and the question follows, with END",
    (kit) =>
      Effect.gen(function*() {
        const { calling, opened, session, stream } = yield* called(kit)
        const said = parseJson(opened.payload)
        yield* kit.holds(
          opened.type === msg && stream > 0 && said?.protocol === "command" && said?.name === "work",
          "msg OPEN of the protocol command, named work",
          describe(opened)
        )
        yield* kit.holds((yield* question(session, stream)) === "question", "the question", "another")
        yield* answer(session, stream, "answer")
        const result = yield* calling.called
        yield* kit.holds(
          result._tag === "Answered" && textOf(result.bytes) === "answer",
          "the answer, given on",
          told(result)
        )
      })
  ),

  check("stream-numbers", "numbers go upwards, and no number is used twice", (kit) =>
    Effect.gen(function*() {
      const { door, session, stream } = yield* called(kit)
      yield* answer(session, stream, "one")
      yield* door.order({ how: "function", name: "work", payload: "two" })
      const second = yield* session.until("OPEN", ({ kind }) => kind === open)
      yield* kit.holds(second.stream > stream, `a number above ${stream}`, String(second.stream))
    })),

  check(
    "deadline-opener",
    "a call with a time says so, and is RESET deadline when it is up",
    (kit) =>
      Effect.gen(function*() {
        const { calling, opened, session, stream } = yield* called(kit, { timeoutMillis: 1_000 })
        const { deadline } = parseJson(opened.payload) ?? {}
        yield* kit.holds(
          Number.isInteger(deadline) && deadline > 0 && deadline <= 1_000,
          "a deadline of 1,000 ms at the most",
          describe(opened)
        )
        const one = yield* session.until("RESET", ({ kind }) => kind === reset)
        yield* kit.holds(
          one.type === msg && one.stream === stream && parseJson(one.payload)?.code === "deadline",
          "msg RESET deadline",
          describe(one)
        )
        yield* failed(kit, calling)
      })
  ),

  check(
    "credit-initial",
    "262,144 bytes of a question come without CREDIT, and no more",
    (kit) =>
      Effect.gen(function*() {
        const { calling, session, stream } = yield* called(kit, { payload: "q".repeat(300_000) })
        const before = yield* session.data(stream, 262_144)
        yield* kit.holds(before.length === 262_144, "262,144 bytes", String(before.length))
        yield* session.send(rsp, credit(stream, 1_000))
        const more = yield* session.data(stream, 1_000)
        yield* kit.holds(more.length === 1_000, "1,000 more for a CREDIT of 1,000", String(more.length))
        yield* answer(session, stream, "enough")
        const result = yield* calling.called
        yield* kit.holds(result._tag === "Answered", "the answer, given on", told(result))
      })
  ),

  check(
    "stream-answered",
    "when the acceptor has sent END, the opener sends no more than END",
    (kit) =>
      Effect.gen(function*() {
        const { session, stream } = yield* called(kit, { payload: "q".repeat(300_000) })
        yield* session.data(stream, 262_144)
        yield* answer(session, stream, "enough")
        yield* session.send(rsp, credit(stream, 100_000))
        const one = yield* session.until("END", (each) => each.stream === stream && each.kind !== creditKind)
        yield* kit.holds(one.kind === end, "END", describe(one))
        const { frames } = yield* session.gather(300)
        const more = frames.filter((each) => each.stream === stream && each.kind !== creditKind)
        yield* kit.holds(more.length === 0, "nothing more", more.map(describe).join())
      })
  ),

  check(
    "stream-types",
    "the acceptor's frames in a message of another type end the session",
    (kit) =>
      Effect.gen(function*() {
        const cases = (stream: number): Record<string, readonly [number, Bytes]> => ({
          "RESET in rsp": [rsp, frame(reset, stream, json({ code: "internal", message: "" }))],
          "DATA in err": [err, frame(data, stream, "x")],
          "DATA of the acceptor's in msg": [msg, frame(data, stream, "x")]
        })
        for (const [i, what] of Object.keys(cases(1)).entries()) {
          yield* Effect.scoped(Effect.gen(function*() {
            const own = kit.another(`${kit.name}-${i}`)
            const { session, stream } = yield* called(own)
            const [type, bytes] = cases(stream)[what]!
            yield* session.send(type, bytes)
            own.note(what)
            yield* session.goaway("protocol")
          }))
        }
      })
  ),

  check(
    "stream-number-ahead",
    "an answer of a stream that was never opened ends the session",
    (kit) =>
      Effect.gen(function*() {
        const { session, stream } = yield* called(kit)
        yield* session.send(rsp, frame(data, stream + 1, "x"))
        yield* session.goaway("protocol")
      })
  ),

  check("frame-data", "an empty DATA of the acceptor's is ignored", (kit) =>
    Effect.gen(function*() {
      const { calling, session, stream } = yield* called(kit)
      yield* session.send(rsp, frame(data, stream), frame(data, stream, "x"), frame(data, stream), frame(end, stream))
      const result = yield* calling.called
      yield* kit.holds(result._tag === "Answered" && textOf(result.bytes) === "x", "the answer x", told(result))
    })),

  check(
    "stream-after-end",
    "DATA behind the acceptor's END ends the session, before the opener has sent its own",
    (kit) =>
      Effect.gen(function*() {
        const { session, stream } = yield* called(kit, { payload: "q".repeat(300_000) })
        yield* session.send(rsp, frame(end, stream), frame(data, stream, "more"))
        // The stream may be closed by then, and what comes for it is dropped.
        const { frames } = yield* session.gather(500)
        const last = frames.find(({ kind }) => kind === goaway)
        yield* kit.holds(
          last === undefined || parseJson(last.payload)?.code === "protocol",
          "nothing, or GOAWAY protocol",
          frames.map(describe).join()
        )
      })
  ),

  check("session-lost", "a connection that ends without END fails the call", (kit) =>
    Effect.gen(function*() {
      const { calling, session, stream } = yield* called(kit)
      yield* session.send(rsp, frame(data, stream, "half"))
      yield* session.wire.end
      yield* failed(kit, calling)
    })),

  check(
    "stream-numbers",
    "each side numbers the streams that it opens: the acceptor of the connection opens 1, too",
    (kit) =>
      Effect.gen(function*() {
        const { session } = yield* called(kit)
        yield* session.call(1, "echo", "the other way round")
        yield* session.answered(1, "the other way round")
      })
  ),

  check("frame-pong", "who dialled answers a PING, too", (kit) =>
    Effect.gen(function*() {
      const { session } = yield* called(kit)
      yield* session.send(msg, frame(ping, 0, new Uint8Array(8).fill(7)))
      const one = yield* session.until("PONG", ({ kind }) => kind === pong)
      yield* kit.holds(one.type === rsp && equal(one.payload, new Uint8Array(8).fill(7)), "rsp PONG", describe(one))
    }))
]

const endings = [
  check(
    "reset-refused",
    "a stream that was RESET refused was not run, and is opened again",
    (kit) =>
      Effect.gen(function*() {
        const { calling, session, stream } = yield* called(kit)
        yield* session.send(err, frame(reset, stream, json({ code: "refused", message: "no room" })))
        const again = yield* session.until("OPEN again", ({ kind }) => kind === open)
        yield* answer(session, again.stream, "at last")
        const result = yield* calling.called
        yield* kit.holds(
          result._tag === "Answered" && textOf(result.bytes) === "at last",
          "the answer, given on",
          told(result)
        )
      })
  ),

  check(
    "reset-internal",
    "a RESET of a code that is not known fails the call, and is not made again",
    (kit) =>
      Effect.gen(function*() {
        const { calling, session, stream } = yield* called(kit)
        yield* session.send(err, frame(reset, stream, json({ code: "bored", message: "\u001b[31mred" })))
        yield* failed(kit, calling)
        const { frames } = yield* session.gather(300)
        yield* kit.holds(frames.every(({ kind }) => kind !== open), "no OPEN", frames.map(describe).join())
      })
  ),

  check(
    "goaway-receiver",
    "who was told GOAWAY shutdown opens no more there, and makes another session",
    (kit) =>
      Effect.gen(function*() {
        const { door, session, stream } = yield* called(kit)
        yield* answer(session, stream, "the last")
        yield* session.send(
          msg,
          frame(goaway, 0, json({ code: "shutdown", message: "" })),
          frame(ping, 0, new Uint8Array(8))
        )
        yield* session.until("PONG", ({ kind }) => kind === pong)
        const next = yield* door.order({ how: "function", name: "work", payload: "elsewhere" })
        const other = yield* door.session()
        const opened = yield* other.until("OPEN", ({ kind }) => kind === open)
        yield* answer(other, opened.stream, "here")
        const result = yield* next.called
        yield* kit.holds(result._tag === "Answered" && textOf(result.bytes) === "here", "the answer here", told(result))
      })
  ),

  check(
    "goaway-last",
    "a call above `last` was not run, and is made again in another session",
    (kit) =>
      Effect.gen(function*() {
        const { calling, door, session } = yield* called(kit)
        yield* session.send(msg, frame(goaway, 0, json({ code: "protocol", message: "", last: 0 })))
        yield* session.wire.end
        const other = yield* door.session()
        const opened = yield* other.until("OPEN", ({ kind }) => kind === open)
        yield* answer(other, opened.stream, "again")
        const result = yield* calling.called
        yield* kit.holds(
          result._tag === "Answered" && textOf(result.bytes) === "again",
          "the answer again",
          told(result)
        )
      })
  ),

  check(
    "session-silence",
    "who dialled asks after 5 s of silence, and gives up after 5 s more",
    (kit) =>
      Effect.gen(function*() {
        const { calling, session } = yield* called(kit)
        session.ponging = false
        yield* session.until("PING", ({ kind, type }) => kind === ping && type === msg, 8_000)
        const { last } = yield* session.gather(8_000)
        yield* kit.holds(last._tag === "Ended", "the end of the session", last)
        yield* failed(kit, calling)
      }),
    { seconds: 15 }
  ),

  check(
    "session-idle",
    "an idle session is closed by its opener, with GOAWAY shutdown, after 5 minutes",
    (kit) =>
      Effect.gen(function*() {
        const { session, stream } = yield* called(kit)
        yield* answer(session, stream, "the only one")
        yield* question(session, stream)
        const goodbye = yield* session.until("GOAWAY", ({ kind }) => kind === goaway, 310_000)
        yield* kit.holds(parseJson(goodbye.payload)?.code === "shutdown", "the code shutdown", describe(goodbye))
      }),
    { seconds: 320 }
  )
]

export const dialled = [...handshakes, ...streams, ...endings]
