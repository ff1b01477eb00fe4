/** What two sessions of one peer do with each other, and what a peer keeps of whom it has met: sections 4 and 7. */
import { Effect } from "effect"
import { air } from "../air.ts"
import { checksOf } from "../check.ts"
import * as Door from "../door.ts"
import type { Kit } from "../kit.ts"
import { parseJson } from "../session.ts"
import { type Bytes, textOf, utf8 } from "../speech/bytes.ts"
import * as Curve from "../speech/curve.ts"
import { describe, frame, Kind, msg, rsp } from "../speech/frames.ts"
import { told } from "./asked.ts"

const raw = checksOf("raw")
const aloud = checksOf("raw", "a LAN")
const check = checksOf("sessions")
const dialled = checksOf("sessions", "orders", "a LAN")

const isSmaller = (a: Bytes, b: Bytes) => Buffer.compare(a, b) < 0

/** A peer whose key is smaller than that of whom it looks at, or larger. */
const withKey = (kit: Kit, smaller: boolean): Kit => {
  while (true) {
    const pair = Curve.pairOf(kit.crypto.generateKeyPair())
    if (isSmaller(pair.public, kit.server) === smaller) return kit.another(`${kit.name}-key`, pair)
  }
}

/** Two sessions in opposite directions, both in use. */
const crossed = (kit: Kit) =>
  Effect.gen(function*() {
    const door = yield* Door.open(kit)
    const calling = yield* door.order({ how: "function", name: "work", payload: "question" })
    const theirs = yield* door.session()
    const opened = yield* theirs.until("OPEN", ({ kind }) => kind === Kind.open)
    const ours = yield* kit.session()
    yield* ours.call(1, "echo", "ours")
    yield* ours.answered(1, "ours")
    return { calling, theirs, ours, stream: opened.stream }
  })

export const crossing = [
  dialled(
    "session-crossed",
    "of two that cross, the opener of the larger key drains its own with GOAWAY duplicate",
    (kit) =>
      Effect.gen(function*() {
        const { calling, stream, theirs } = yield* crossed(withKey(kit, true))
        const goaway = yield* theirs.until("GOAWAY", ({ kind }) => kind === Kind.goaway)
        yield* kit.holds(parseJson(goaway.payload)?.code === "duplicate", "the code duplicate", describe(goaway))
        // What is open there goes on.
        yield* theirs.send(rsp, frame(Kind.data, stream, "answer"), frame(Kind.end, stream))
        const called = yield* calling.called
        yield* kit.holds(called._tag === "Answered", "the answer, given on", told(called))
      })
  ),

  dialled("session-crossed", "the opener of the smaller key keeps its own", (kit) =>
    Effect.gen(function*() {
      const { theirs } = yield* crossed(withKey(kit, false))
      const { frames, last } = yield* theirs.gather(1_000)
      yield* kit.holds(
        last._tag === "Silence" && frames.every(({ kind }) => kind !== Kind.goaway),
        "a session that stays",
        frames.map(describe).join() || last._tag
      )
    })),

  check(
    "session-ghost",
    "who accepts a session beside an older one of that key asks the older for a sign of life",
    (kit) =>
      Effect.gen(function*() {
        const older = yield* kit.session()
        older.ponging = false
        yield* older.call(1, "echo", "older")
        yield* older.answered(1, "older")
        yield* kit.session()
        yield* older.until("PING", ({ kind, type }) => kind === Kind.ping && type === msg, 2_000)
      })
  ),

  dialled(
    "session-renewal",
    "the opener of a session makes a new one at 90 % of an hour, and drains the old",
    (kit) =>
      Effect.gen(function*() {
        const door = yield* Door.open(kit)
        const calling = yield* door.order({ how: "function", name: "work", payload: "question" })
        const session = yield* door.session()
        const opened = yield* session.until("OPEN", ({ kind }) => kind === Kind.open)
        const [goaway] = yield* Effect.all([
          session.until("GOAWAY renew", ({ kind }) => kind === Kind.goaway, 3_300_000),
          door.session({ millis: 3_300_000 })
        ], { concurrency: 2 })
        yield* kit.holds(parseJson(goaway.payload)?.code === "renew", "the code renew", describe(goaway))
        yield* session.send(rsp, frame(Kind.data, opened.stream, "late"), frame(Kind.end, opened.stream))
        const called = yield* calling.called
        yield* kit.holds(
          called._tag === "Answered" && textOf(called.bytes) === "late",
          "the answer of the old session",
          told(called)
        )
      }),
    { seconds: 3_350 }
  ),

  raw(
    "raw-trust",
    "a RAW request under a name that is pinned to another key is refused",
    (kit) =>
      Effect.gen(function*() {
        const door = yield* Door.open(kit)
        const calling = yield* door.order({ how: "message", payload: "question" })
        const { came, wire } = yield* door.next()
        // An answer that opens is what pins.
        yield* wire.write(yield* door.answer(yield* door.request(came), utf8("an answer")), "an answer")
        yield* calling.called
        const impostor = kit.another(kit.name)
        yield* impostor.refused("ERR_UNTRUSTED", impostor.request("x"), "a request under the name")
      }),
    { needs: ["pins", "orders", "a LAN"] }
  ),

  raw("table-pin", "a RAW request pins nothing", (kit) =>
    Effect.gen(function*() {
      yield* kit.exchange(yield* kit.dial, "first")
      const other = kit.another(kit.name)
      const { payload } = yield* other.exchange(yield* other.dial, "second")
      yield* kit.holds(textOf(payload) === "second", "an answer to another key under the name", textOf(payload))
    }), { needs: ["pins"] }),

  aloud(
    "udp-answer-rate",
    "of many adverts from one source at most 5 in a second are answered",
    (kit) =>
      Effect.gen(function*() {
        const on = yield* air(kit, { alone: true })
        // What others were answered in the second before counts, too.
        yield* Effect.sleep("1100 millis")
        for (let i = 0; i < 12; i++) {
          const one = kit.another(`${kit.name}-${i}`)
          yield* on.tell(yield* one.packet("adv", one.advert(4_000 + i)), "an advert")
        }
        let answers = 0
        for (let came = yield* on.hear(700); came._tag === "Packet"; came = yield* on.hear(700)) answers++
        yield* kit.holds(answers > 0 && answers <= 5, "1 to 5 answers", `${answers}`)
      }),
    { seconds: 3 }
  ),

  aloud(
    "table-probe",
    "a peer that falls silent is asked by an exchange of adverts over TCP, with port 0",
    (kit) =>
      Effect.gen(function*() {
        const door = yield* Door.open(kit)
        const advert = yield* door.probed(14_000)
        yield* kit.holds(textOf(advert).endsWith(":0"), "an advert of port 0", textOf(advert))
      }),
    { seconds: 15 }
  )
]
