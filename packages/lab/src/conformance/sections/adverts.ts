/** Section 7: adverts, by TCP and by UDP. */
import { Clock, Effect } from "effect"
import { type Air, air } from "../air.ts"
import { checksOf } from "../check.ts"
import type { Kit } from "../kit.ts"
import { concat, shown, textOf, utf8 } from "../speech/bytes.ts"
import { NotThere } from "../subject.ts"
import type { Came } from "../wire.ts"

const check = checksOf("raw")
const aloud = checksOf("raw", "a LAN")

const form = /^([^|@\p{Cc}]{1,64})@((?:\d{1,3}\.){3}\d{1,3}|\[[0-9a-f:.]+\]):(0|[1-9]\d{0,4})$/u

/** The advert of the peer that came. */
const advertOf = (kit: Kit, came: Came) =>
  Effect.gen(function*() {
    const text = textOf(yield* kit.content(came, "adv"))
    const [, name, host, port] = form.exec(text) ?? []
    if (name === undefined) return yield* kit.mismatch("an advert name@host:port", text)
    return { name, host: host!, port: Number(port) }
  })

/** Somebody new, whom the peer answers; and its answer. */
const met = (kit: Kit, on: Air) =>
  Effect.gen(function*() {
    // A node answers 10 in a second, of which others on the LAN may have had theirs.
    for (let i = 0;; i++) {
      const other = kit.another(`${kit.name}-${i}`)
      yield* on.tell(yield* other.packet("adv", other.advert(4_001)), "an advert of a new key")
      const answer = yield* on.hear(1_100)
      if (answer._tag !== "Silence" || i === 7) return { other, ...(yield* advertOf(kit, answer)) }
    }
  })

/** That nothing is said to a datagram, and something to one that is right. */
const unheard = (kit: Kit, say: (air: Air) => Effect.Effect<void>) =>
  Effect.gen(function*() {
    const on = yield* air(kit, { alone: true })
    yield* say(on)
    const came = yield* on.hear(800)
    yield* kit.holds(came._tag === "Silence", "no answer", came)
    yield* met(kit, on)
  })

export const adverts = [
  check(
    "advert-by-tcp",
    "an advert is answered with the peer's own, and the connection goes on",
    (kit) =>
      Effect.gen(function*() {
        const wire = yield* kit.dial
        yield* wire.write(yield* kit.packet("adv", kit.advert(4000)), "an advert")
        yield* advertOf(kit, yield* wire.packet())
        const { payload } = yield* kit.exchange(wire, "behind it")
        yield* kit.holds(textOf(payload) === "behind it", "the echo of \"behind it\"", shown(payload))
      })
  ),

  check("advert-by-tcp", "it is answered whatever its port and host are", (kit) =>
    Effect.gen(function*() {
      for (const content of [kit.advert(0), kit.advert(65_535, "0.0.0.0"), kit.advert(1, "2001:db8::1")]) {
        const wire = yield* kit.dial
        yield* wire.write(yield* kit.packet("adv", content), textOf(content))
        yield* advertOf(kit, yield* wire.packet())
      }
    })),

  check("advert-by-tcp-once", "a second advert on a connection is refused", (kit) =>
    Effect.gen(function*() {
      const wire = yield* kit.dial
      yield* wire.write(yield* kit.packet("adv", kit.advert(4000)), "an advert")
      yield* advertOf(kit, yield* wire.packet())
      yield* wire.write(yield* kit.packet("adv", kit.advert(4000)), "another")
      yield* kit.err(wire, "ERR_PACKET_TYPE")
    })),

  check("advert-name", "the name in an advert is the one in answers", (kit) =>
    Effect.gen(function*() {
      const wire = yield* kit.dial
      yield* wire.write(yield* kit.packet("adv", kit.advert(4000)), "an advert")
      const { name } = yield* advertOf(kit, yield* wire.packet())
      const answer = yield* kit.exchange(wire, "who?")
      yield* kit.holds(answer.name === name, `the name ${name}`, answer.name)
    })),

  check("advert-text", "what is no advert is refused", (kit) =>
    Effect.gen(function*() {
      for (
        const content of [
          "",
          "a",
          "a@b",
          `${kit.name}@10.0.0.1`,
          `${kit.name}@10.0.0.1:80:80`,
          "a@b@10.0.0.1:80",
          `${kit.name}@10.0.0.1:80@b`
        ]
      ) {
        yield* kit.refused("ERR_ADV_FORMAT", kit.packet("adv", content), content)
      }
    })),

  check("advert-host", "a host that is no address in its form is refused", (kit) =>
    Effect.gen(function*() {
      for (const host of ["example.org", "10.0.0.01", "10.0.0.256", "10.0.0", "[10.0.0.1]", "::1", "[fe80::1%eth0]"]) {
        yield* kit.refused("ERR_ADV_FORMAT", kit.packet("adv", `${kit.name}@${host}:80`), host)
      }
    })),

  check("advert-port", "a port that is no decimal up to 65535 is refused", (kit) =>
    Effect.gen(function*() {
      for (const port of ["", "080", "65536", "-1", "+80", "8e1", " 80"]) {
        yield* kit.refused("ERR_ADV_FORMAT", kit.packet("adv", `${kit.name}@10.0.0.1:${port}`), port)
      }
    })),

  aloud(
    "udp-answer",
    "an advert of a new key is answered with the peer's own, and only once",
    (kit) =>
      Effect.gen(function*() {
        const on = yield* air(kit, { alone: true })
        const { other, port } = yield* met(kit, on)
        yield* kit.holds(port === kit.subject.endpoint.port, `the port ${kit.subject.endpoint.port}`, String(port))
        yield* Effect.sleep("1200 millis")
        yield* on.tell(yield* other.packet("adv", other.advert(4_001)), "the same again")
        const came = yield* on.hear(800)
        yield* kit.holds(came._tag === "Silence", "no answer to what is known", came)
        yield* on.tell(yield* other.packet("adv", other.advert(0)), "\"leaving\"")
      }),
    { seconds: 3 }
  ),

  aloud(
    "udp-answer-never",
    "\"leaving\" is not answered",
    (kit) => unheard(kit, (on) => Effect.flatMap(kit.packet("adv", kit.advert(0)), (bytes) => on.tell(bytes, "port 0")))
  ),

  aloud(
    "udp-source",
    "an advert of another host than it came from is dropped",
    (kit) =>
      unheard(
        kit,
        (on) =>
          Effect.flatMap(kit.packet("adv", kit.advert(4000, "10.9.9.9")), (bytes) => on.tell(bytes, "another host"))
      )
  ),

  aloud(
    "packet-datagram",
    "two packets in one datagram are none",
    (kit) =>
      unheard(
        kit,
        (on) =>
          Effect.flatMap(kit.packet("adv", kit.advert(4000)), (bytes) => on.tell(concat(bytes, bytes), "two adverts"))
      )
  ),

  aloud(
    "packet-line-feed",
    "a datagram without its LF is none",
    (kit) =>
      unheard(
        kit,
        (on) => Effect.flatMap(kit.packet("adv", kit.advert(4000)), (bytes) => on.tell(bytes.subarray(0, -1), "no LF"))
      )
  ),

  aloud(
    "packet-datagram-bad",
    "a datagram that is no advert is never answered",
    (kit) =>
      unheard(kit, (on) =>
        Effect.gen(function*() {
          yield* on.tell(utf8("nothing"))
          yield* on.tell(yield* kit.request("a request"), "a request")
          yield* on.tell(yield* kit.packet("adv", kit.advert(4000), { networkId: "elsewhere!" }), "another network")
          yield* on.tell(yield* kit.packet("adv", "nothing"), "no advert")
        }))
  ),

  aloud(
    "token-required",
    "an advert in clear is dropped on a network with a key",
    (kit) =>
      unheard(
        kit,
        (on) =>
          Effect.flatMap(kit.packet("adv", kit.advert(4000), { clear: true }), (bytes) => on.tell(bytes, "in clear"))
      ),
    {
      needs: ["a network key"]
    }
  ),

  aloud(
    "crowd-malformed",
    "a who or an ask that is none is never answered",
    (kit) =>
      unheard(kit, (on) =>
        Effect.gen(function*() {
          for (const content of ["", kit.advert(4000), ",nobody", `AQEAAAAA/w==,${textOf(kit.advert(4000))}`]) {
            yield* on.tell(yield* kit.packet("who", content), `who: ${content}`)
          }
          yield* on.tell(yield* kit.packet("ask", `${kit.subject.key},`), "an ask with a comma at its end")
        }))
  ),

  aloud(
    "crowd-who-answer",
    "a who is answered with the peer's advert, each time",
    (kit) =>
      Effect.gen(function*() {
        const on = yield* air(kit, { alone: true })
        const ask = Effect.gen(function*() {
          yield* on.tell(yield* kit.packet("who", `,${textOf(kit.advert(4000))}`), "who")
          return yield* on.hear(800)
        })
        let first = yield* ask
        // Others may have had the answers of a second.
        for (let i = 0; i < 4 && first._tag === "Silence"; i++) first = yield* Effect.delay(ask, 600)
        // It need not know of who, and drops then what it does not know.
        if (first._tag === "Silence") {
          return yield* new NotThere({
            why:
              "the peer answers no who, so that it is no part of crowds, and is asked by connections where it is not heard"
          })
        }
        for (const came of [first, yield* ask]) {
          const { port } = yield* advertOf(kit, came)
          yield* kit.holds(port === kit.subject.endpoint.port, `the port ${kit.subject.endpoint.port}`, String(port))
        }
      })
  ),

  aloud("udp-when", "adverts come every 2.5 s, within a tenth", (kit) =>
    Effect.gen(function*() {
      const on = yield* air(kit, { shared: true })
      const times: Array<number> = []
      while (times.length < 3) {
        const came = yield* on.hear(6_000)
        const { port } = yield* advertOf(kit, came)
        yield* kit.holds(port === kit.subject.endpoint.port, `the port ${kit.subject.endpoint.port}`, String(port))
        times.push(yield* Clock.currentTimeMillis)
      }
      const waits = times.slice(1).map((at, i) => at - times[i]!)
      yield* kit.holds(waits.every((wait) => wait > 2_150 && wait < 2_850), "waits of 2.25 to 2.75 s", waits.join(", "))
    }), { seconds: 10 })
]
