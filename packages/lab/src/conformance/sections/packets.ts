/** Sections 1 and 1.1: packets, and the order in which they are checked. What the vectors hold is in `vectors.ts`. */
import { Effect } from "effect"
import { checksOf } from "../check.ts"
import { base64, concat, equal, utf8 } from "../speech/bytes.ts"

const check = checksOf("raw")

export const packets = [
  check("packet-stream", "packets follow each other without anything in between", (kit) =>
    Effect.gen(function*() {
      const wire = yield* kit.dial
      yield* wire.write(concat(yield* kit.request("one"), yield* kit.request("two")), "two requests in one write")
      for (const text of ["one", "two"]) {
        const { payload } = yield* kit.answer(yield* wire.packet())
        yield* kit.holds(equal(payload, utf8(text)), `the echo of ${text}`, `${payload.length} other bytes`)
      }
    })),

  check("packet-stream", "a packet may be cut anywhere", (kit) =>
    Effect.gen(function*() {
      const wire = yield* kit.dial
      const request = yield* kit.request("cut")
      for (const [from, to] of [[0, 1], [1, 5], [5, 60], [60, request.length - 1], [request.length - 1, undefined]]) {
        yield* wire.write(request.subarray(from, to))
        yield* Effect.sleep("20 millis")
      }
      yield* kit.answer(yield* wire.packet())
    })),

  check(
    "packet-length",
    "131,073 bytes without an LF are refused",
    (kit) => kit.refused("ERR_PACKET_TOO_LARGE", Effect.succeed(new Uint8Array(131_073).fill(0x78)))
  ),

  check(
    "packet-no-line-feed",
    "131,072 bytes without an LF are too many already",
    (kit) => kit.refused("ERR_PACKET_TOO_LARGE", Effect.succeed(new Uint8Array(131_072).fill(0x78)))
  ),

  check("packet-length-least", "131,071 bytes without an LF are not too many", (kit) =>
    Effect.gen(function*() {
      const wire = yield* kit.dial
      yield* wire.write(new Uint8Array(131_071).fill(0x78))
      const came = yield* wire.quiet(800)
      yield* kit.holds(came._tag === "Silence", "nothing yet", came)
      yield* wire.write(utf8("\n"))
      yield* kit.err(wire, "ERR_SECTION_COUNT")
    })),

  check(
    "packet-length-closes",
    "what is too long is refused and closed, however much follows",
    (kit) =>
      Effect.gen(function*() {
        const wire = yield* kit.dial
        yield* wire.write(new Uint8Array(140_000).fill(0x78))
        yield* wire.write(concat(utf8("\n"), yield* kit.request("behind it")), "and a request behind it")
        yield* kit.err(wire, "ERR_PACKET_TOO_LARGE")
        const last = yield* wire.packet()
        yield* kit.holds(last._tag === "Ended", "the end of the connection", last)
      })
  ),

  check("order-line-feed", "a stream that ends inside a packet is refused", (kit) =>
    Effect.gen(function*() {
      const wire = yield* kit.dial
      yield* wire.write((yield* kit.request("cut short")).subarray(0, -1), "a request without its LF")
      yield* wire.end
      yield* kit.err(wire, "ERR_PACKET_INCOMPLETE")
    })),

  check("raw-time", "a packet that stalls is refused after 5 s", (kit) =>
    Effect.gen(function*() {
      const wire = yield* kit.dial
      yield* wire.write((yield* kit.request("stalls")).subarray(0, 50))
      const early = yield* wire.quiet(3_500)
      yield* kit.holds(early._tag === "Silence", "nothing for 3.5 s", early)
      yield* kit.err(wire, "ERR_PACKET_INCOMPLETE", 4_000)
    }), { seconds: 7 }),

  check(
    "raw-time",
    "a connection on which nothing comes is refused after 5 s",
    (kit) => Effect.flatMap(kit.dial, (wire) => kit.err(wire, "ERR_PACKET_INCOMPLETE", 7_500)),
    { seconds: 7 }
  ),

  check("order-end", "the last section is END, and nothing else", (kit) =>
    Effect.gen(function*() {
      for (const tail of ["\n", "EN\n", "XND\n", "EXD\n", "ENX\n", "end\n", "ENDS\n", " END\n", "END\r\n"]) {
        yield* kit.refused("ERR_PACKET_INCOMPLETE", kit.request("x", { tail }))
      }
    })),

  check(
    "packet-base64url",
    "a command whose text has unused bits that are not zero is none",
    (kit) =>
      Effect.gen(function*() {
        const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        let seen = 0
        for (const payload of ["", "x", "xx"]) {
          const { command } = yield* kit.raw(payload)
          const text = base64(command)
          const at = text.indexOf("=") - 1
          if (at < 0) continue
          seen++
          const changed = `${text.slice(0, at)}${letters[letters.indexOf(text[at]!) + 1]}${text.slice(at + 1)}`
          yield* kit.refused("ERR_HANDSHAKE", kit.packet("msg", changed), "one bit more")
        }
        yield* kit.holds(seen === 2, "two texts with padding", String(seen))
      })
  ),

  check(
    "order-network",
    "another network is refused before anything else of the packet is looked at",
    (kit) =>
      kit.refused(
        "ERR_NETWORK_INCORRECT",
        kit.packet("xyz", "~", { networkId: `${kit.subject.networkId}2`, key: "no" })
      )
  ),

  check("label-compared", "a network id in other case is another network", (kit) =>
    Effect.gen(function*() {
      const { networkId } = kit.subject
      const other = networkId === networkId.toUpperCase() ? networkId.toLowerCase() : networkId.toUpperCase()
      if (other !== networkId) yield* kit.refused("ERR_NETWORK_INCORRECT", kit.request("x", { networkId: other }))
    })),

  check(
    "order-type",
    "a type that is unknown is refused, and before the key",
    (kit) => kit.refused("ERR_PACKET_TYPE", kit.packet("ask", "x", { key: "no key" }))
  ),

  check(
    "order-expected",
    "an answer that nobody asked for is refused",
    (kit) =>
      Effect.flatMap(
        kit.raw("x", { kind: 1 }),
        ({ command }) => kit.refused("ERR_PACKET_TYPE", kit.command("rsp", command))
      )
  ),

  check("order-expected", "an advert behind a message is refused", (kit) =>
    Effect.gen(function*() {
      const wire = yield* kit.dial
      yield* kit.exchange(wire, "first")
      yield* wire.write(yield* kit.packet("adv", kit.advert(4000)))
      yield* kit.err(wire, "ERR_PACKET_TYPE")
    })),

  check("order-key", "an empty key is refused", (kit) => kit.refused("ERR_PUBLIC_KEY", kit.request("x", { key: "" }))),

  check(
    "order-key-sender",
    "the receiver's own key is refused",
    (kit) => kit.refused("ERR_PUBLIC_KEY", kit.request("x", { key: kit.subject.key }))
  ),

  check("order-key-sender", "another key than the connection's before is refused", (kit) =>
    Effect.gen(function*() {
      const wire = yield* kit.dial
      yield* kit.exchange(wire, "first")
      const other = kit.another()
      yield* wire.write(yield* other.request("second"), "a request of another key")
      yield* kit.err(wire, "ERR_PUBLIC_KEY")
    })),

  check(
    "order-command",
    "a content that is no base64url in its one form is no command",
    (kit) =>
      Effect.gen(function*() {
        const { command } = yield* kit.raw("canonical")
        const text = Buffer.from(command).toString("base64")
        for (const content of [`${text.replace(/=*$/, "")} `, `${text}=`, "A", "~~~~", "", "AR=="]) {
          yield* kit.refused("ERR_HANDSHAKE", kit.packet("msg", content), `content ${content.slice(0, 20)}`)
        }
      })
  ),

  check(
    "order-command",
    "a command that is not served is refused",
    (kit) => kit.refused("ERR_HANDSHAKE", kit.command("msg", utf8("\u0003RAVand more")))
  ),

  check(
    "order-token",
    "a token that does not open is refused before its command is looked at",
    (kit) => kit.refused("ERR_NET_DECRYPTION_FAILED", kit.packet("msg", "~", { damage: () => utf8("~") })),
    {
      needs: ["a network key"]
    }
  )
]
