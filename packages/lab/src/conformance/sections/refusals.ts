/** Section 1.2: refusals. */
import { Effect } from "effect"
import { checksOf } from "../check.ts"
import type { Kit } from "../kit.ts"
import { concat, textOf, utf8 } from "../speech/bytes.ts"
import { packet } from "../speech/packets.ts"

const check = checksOf("raw")

/** That a packet ends the connection without a word. */
const unanswered = (kit: Kit, bytes: Uint8Array, millis = 2_000) =>
  Effect.gen(function*() {
    const wire = yield* kit.dial
    yield* wire.write(bytes)
    const came = yield* wire.packet(millis)
    yield* kit.holds(came._tag === "Ended", "the end, without a word", came)
    yield* kit.alive
  }).pipe(Effect.scoped)

export const refusals = [
  check("err-last", "an err is the last packet, and its sender ends its side", (kit) =>
    Effect.gen(function*() {
      const wire = yield* kit.dial
      const good = yield* kit.request("behind it")
      yield* wire.write(concat(yield* kit.packet("msg", "~"), good), "no command, and a request behind it")
      yield* kit.err(wire, "ERR_HANDSHAKE")
      const last = yield* wire.packet()
      yield* kit.holds(last._tag === "Ended" && last.clean && last.rest.length === 0, "the end, in order", last)
    })),

  check("err-drain", "what still comes is read, so that the err is not lost", (kit) =>
    Effect.gen(function*() {
      const wire = yield* kit.dial
      yield* wire.write(yield* kit.packet("msg", "~"))
      for (let i = 0; i < 8; i++) yield* wire.write(new Uint8Array(65_536).fill(0x78), "512 KiB more")
      yield* kit.err(wire, "ERR_HANDSHAKE")
      const last = yield* wire.packet()
      yield* kit.holds(last._tag === "Ended" && last.clean, "the end, in order", last)
    })),

  check("err-network", "an err carries its sender's network id", (kit) =>
    Effect.gen(function*() {
      const { networkId } = yield* kit.refused("ERR_NETWORK_INCORRECT", kit.request("x", { networkId: "elsewhere!" }))
      yield* kit.holds(networkId === kit.subject.networkId, kit.subject.networkId, networkId)
    })),

  check("err-key", "what failed one of the checks 1 to 8 is refused without a key", (kit) =>
    Effect.gen(function*() {
      const cases = [
        ["ERR_SECTION_COUNT", Effect.succeed(utf8("x\n"))],
        ["ERR_PACKET_INCOMPLETE", kit.request("x", { tail: "EMD\n" })],
        ["ERR_NETWORK_INCORRECT", kit.request("x", { networkId: "elsewhere!" })],
        ["ERR_PACKET_TYPE", kit.packet("ask", "x")],
        ["ERR_PUBLIC_KEY", kit.request("x", { key: kit.subject.key })]
      ] as const
      for (const [code, bytes] of cases) {
        const { key } = yield* kit.refused(code, bytes)
        yield* kit.holds(key === "", `an empty key in ${code}`, key)
      }
    })),

  check("err-key", "what failed a later check is refused with the sender's key", (kit) =>
    Effect.gen(function*() {
      const cases = [
        ["ERR_HANDSHAKE", kit.packet("msg", "~")],
        ["ERR_ADV_FORMAT", kit.packet("adv", "nothing")],
        ["ERR_NODE_DECRYPTION_FAILED", kit.request("x", { version: 2 })],
        ["ERR_REPLAY", kit.request("x", { stampAhead: -3_600_000_000n })]
      ] as const
      for (const [code, bytes] of cases) {
        const { key } = yield* kit.refused(code, bytes)
        yield* kit.holds(key === kit.subject.key, `the key ${kit.subject.key} in ${code}`, key)
      }
    })),

  check(
    "err-unanswered",
    "an err ends the connection without a word",
    (kit) => Effect.flatMap(kit.packet("err", "ERR_BUSY"), (bytes) => unanswered(kit, bytes))
  ),

  check(
    "err-unanswered",
    "so does one without a key, of another network, or of an unknown code",
    (kit) =>
      Effect.gen(function*() {
        yield* unanswered(kit, yield* kit.packet("err", "ERR_BUSY", { key: "" }))
        yield* unanswered(kit, yield* kit.packet("err", "ERR_BUSY", { networkId: "elsewhere!" }))
        yield* unanswered(kit, yield* kit.packet("err", "ERR_OF_ANOTHER_DAY"))
      })
  ),

  check(
    "err-unanswered",
    "so does what is an err by its second section, whatever else is wrong with it",
    (kit) =>
      Effect.gen(function*() {
        yield* unanswered(kit, utf8(`${kit.subject.networkId}|err|and no more\n`))
        yield* unanswered(kit, packet("?", "err", "a|b|c", "no key", "EMD\n"))
      })
  ),

  check(
    "err-unanswered",
    "what is no packet yet is no err either: it is refused as others are",
    (kit) =>
      Effect.gen(function*() {
        const begins = utf8(`${kit.subject.networkId}|err|ERR_BUSY|`)
        const wire = yield* kit.dial
        yield* wire.write(concat(begins, utf8("|END")), "an err without its LF")
        yield* wire.end
        yield* kit.err(wire, "ERR_PACKET_INCOMPLETE")
        const long = concat(begins, new Uint8Array(131_073 - begins.length).fill(0x78))
        yield* kit.refused("ERR_PACKET_TOO_LARGE", Effect.succeed(long), "an err that is too long")
      })
  ),

  check(
    "err-busy",
    "of 16 connections of one address that have proved nothing none is refused, and one more at once, with an empty key",
    (kit) =>
      Effect.gen(function*() {
        // What came before is gone by then.
        yield* Effect.sleep("1500 millis")
        yield* Effect.scoped(Effect.gen(function*() {
          const wires = yield* Effect.all(Array.from({ length: 16 }, () => kit.dial))
          const early = yield* Effect.forEach(wires, (wire) => wire.quiet(200), { concurrency: 16 })
          const spoke = early.find(({ _tag }) => _tag !== "Silence")
          if (spoke !== undefined) return yield* kit.mismatch("16 connections that stay", spoke)
          kit.note("16 connections that say nothing, and one more")
          const { key } = yield* kit.err(yield* kit.dial, "ERR_BUSY")
          yield* kit.holds(key === "", "an empty key", key)
          // Who proves something makes room.
          yield* kit.exchange(wires[0]!, "proof")
          yield* kit.another().exchange(yield* kit.dial, "in its place")
        }))
      }),
    { seconds: 2, alone: true }
  ),

  check(
    "err-unanswered",
    "an err behind a request that was answered is not answered either",
    (kit) =>
      Effect.gen(function*() {
        const wire = yield* kit.dial
        yield* kit.exchange(wire, "first")
        yield* wire.write(yield* kit.packet("err", "ERR_INTERNAL"))
        const came = yield* wire.packet(2_000)
        yield* kit.holds(came._tag === "Ended", "the end, without a word", came)
      })
  ),

  check("err-proves-nothing", "an err changes nothing for the key that it names", (kit) =>
    Effect.gen(function*() {
      const wire = yield* kit.dial
      yield* wire.write(yield* kit.packet("err", "ERR_UNTRUSTED"))
      yield* wire.ended(2_000)
      const { payload } = yield* kit.exchange(yield* kit.dial, "after it")
      yield* kit.holds(textOf(payload) === "after it", "an answer as before", textOf(payload))
    }))
]
