/** Section 4: the handshake, as the client, and what the server refuses. */
import { Effect } from "effect"
import { checksOf } from "../check.ts"
import type { Greeted, Kit } from "../kit.ts"
import { type Bytes, equal, flipped, shown, unbase64, utf8 } from "../speech/bytes.ts"
import * as Curve from "../speech/curve.ts"

const check = checksOf("sessions")
const handshake = "ERR_HANDSHAKE"

const pair = (kit: Kit) => Curve.pairOf(kit.crypto.generateKeyPair())

/** That HELLOs which break one thing each are refused. */
const hellosRefused = (kit: Kit, cases: Readonly<Record<string, Curve.HelloOptions>>) =>
  Effect.forEach(
    Object.entries(cases),
    ([what, options]) =>
      kit.refused(
        handshake,
        kit.command("msg", Curve.hello(kit.crypto, pair(kit), kit.server, options)),
        `HELLO, ${what}`
      ),
    {
      discard: true
    }
  )

/** That INITIATEs which break one thing each are refused. */
const initiatesRefused = (
  kit: Kit,
  code: string,
  cases: Readonly<Record<string, (greeted: Greeted) => Curve.InitiateOptions>>
) =>
  Effect.forEach(Object.entries(cases), ([what, options]) =>
    Effect.scoped(Effect.gen(function*() {
      const greeted = yield* kit.greeted()
      yield* greeted.wire.write(
        yield* kit.command("msg", kit.initiate(greeted, options(greeted))),
        `INITIATE, ${what}`
      )
      yield* kit.err(greeted.wire, code)
    })), { discard: true })

/** That metadata is refused. */
const metadataRefused = (
  kit: Kit,
  code: string,
  cases: Readonly<Record<string, ReadonlyArray<Curve.Property> | Bytes>>
) =>
  initiatesRefused(
    kit,
    code,
    Object.fromEntries(
      Object.entries(cases).map(([what, said]) => [
        what,
        () => ({ metadata: said instanceof Uint8Array ? said : Curve.metadata(said) })
      ])
    )
  )

/** That a session is made with other metadata, and works. */
const accepted = (kit: Kit, metadata: ReadonlyArray<Curve.Property>, binary = true) =>
  Effect.gen(function*() {
    const session = yield* kit.session({ metadata, binary })
    yield* session.call(1, "echo", "works")
    yield* session.answered(1, "works")
    return session
  })

/** The properties, with some in the place of others. */
const but = (kit: Kit, ...changes: ReadonlyArray<Curve.Property>): ReadonlyArray<Curve.Property> =>
  kit.properties().map(([name, value]) => changes.find(([changed]) => changed === name) ?? [name, value])

const hello = [
  check(
    "handshake-welcome",
    "HELLO is answered with WELCOME, of which all is fresh each time",
    (kit) =>
      Effect.gen(function*() {
        const [one, two] = [yield* kit.greeted(), yield* kit.greeted()]
        yield* kit.holds(!equal(one.welcome.server, two.welcome.server), "another S'", shown(two.welcome.server))
        yield* kit.holds(!equal(one.welcome.cookie, two.welcome.cookie), "another cookie", shown(two.welcome.cookie))
        yield* kit.holds(one.welcome.cookie.length === 96, "a cookie of 96 bytes", shown(one.welcome.cookie))
      })
  ),

  check(
    "handshake-hello-checks",
    "a HELLO of another version, padding or nonce is refused",
    (kit) =>
      hellosRefused(kit, {
        "version 1.1": { version: Uint8Array.of(1, 1) },
        "version 2.0": { version: Uint8Array.of(2, 0) },
        "padding that is not zeros": { padding: flipped(new Uint8Array(72), 71) },
        "nonce 0": { nonce: 0 },
        "nonce 2": { nonce: 2 },
        "a nonce that is not the box's": { claimedNonce: 2 }
      })
  ),

  check("handshake-hello-checks", "a HELLO of another length is refused", (kit) =>
    hellosRefused(kit, {
      "199 bytes": { padding: new Uint8Array(71) },
      "201 bytes": { damage: (box) => new Uint8Array([...box, 0]) },
      "nothing but its name": { damage: () => new Uint8Array(0), padding: new Uint8Array(0) }
    })),

  check(
    "handshake-hello-checks",
    "a HELLO whose box does not open, or holds no zeros, is refused",
    (kit) =>
      Effect.gen(function*() {
        yield* hellosRefused(kit, {
          "a box that was changed": { damage: (box) => flipped(box, 40) },
          "a box that holds a one": { plain: flipped(new Uint8Array(64), 63) },
          "the key of another": { claimed: pair(kit).public }
        })
        const elsewhere = Curve.hello(kit.crypto, pair(kit), pair(kit).public)
        yield* kit.refused(handshake, kit.command("msg", elsewhere), "HELLO to another server")
      })
  ),

  check("key-valid", "a HELLO with a key that is none is refused", (kit) =>
    hellosRefused(
      kit,
      Object.fromEntries([
        "00".repeat(32),
        "01" + "00".repeat(31),
        "ec" + "ff".repeat(30) + "7f",
        "ed" + "ff".repeat(30) + "7f",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "00".repeat(31) + "80"
      ].map((hex) => [`the key ${hex}`, { claimed: new Uint8Array(Buffer.from(hex, "hex")) }]))
    )),

  check(
    "handshake-fresh",
    "on a network with a key a C' that came already is refused",
    (kit) =>
      Effect.gen(function*() {
        const command = Curve.hello(kit.crypto, pair(kit), kit.server)
        const wire = yield* kit.dial
        yield* wire.write(yield* kit.command("msg", command), "HELLO")
        yield* kit.commandOf(yield* wire.packet(), "rsp")
        yield* kit.refused(handshake, kit.command("msg", command), "the same HELLO")
      }),
    { needs: ["a network key"] }
  ),

  check("handshake-step", "another command than HELLO is refused at the beginning", (kit) =>
    Effect.gen(function*() {
      const greeted = yield* kit.greeted()
      const { shared } = greeted
      const commands = {
        WELCOME: Curve.welcome(kit.crypto, greeted.short, kit.identity, kit.server, new Uint8Array(96)),
        INITIATE: kit.initiate(greeted),
        READY: Curve.ready(kit.crypto, shared, kit.properties()),
        MESSAGE: Curve.message(kit.crypto, shared, "client", 3, 0, new Uint8Array(9))
      }
      for (const [name, command] of Object.entries(commands)) {
        yield* kit.refused(handshake, kit.command("msg", command), name)
      }
    })),

  check("handshake-step", "another command than INITIATE is refused after WELCOME", (kit) =>
    Effect.gen(function*() {
      const commands: Record<string, (greeted: Greeted) => Effect.Effect<Bytes>> = {
        "RAW": () => Effect.map(kit.raw("x"), ({ command }) => command),
        "READY": ({ shared }) => Effect.succeed(Curve.ready(kit.crypto, shared, kit.properties())),
        "MESSAGE": ({ shared }) => Effect.succeed(Curve.message(kit.crypto, shared, "client", 2, 0, new Uint8Array(9)))
      }
      for (const [name, command] of Object.entries(commands)) {
        const greeted = yield* kit.greeted()
        yield* greeted.wire.write(yield* kit.command("msg", yield* command(greeted)), name)
        yield* kit.err(greeted.wire, handshake)
      }
    })),

  check("handshake-once", "a second HELLO is refused", (kit) =>
    Effect.gen(function*() {
      const { wire } = yield* kit.greeted()
      yield* wire.write(yield* kit.command("msg", Curve.hello(kit.crypto, pair(kit), kit.server)), "another HELLO")
      yield* kit.err(wire, handshake)
    })),

  check("handshake-time", "who says nothing after WELCOME is refused after 5 s", (kit) =>
    Effect.gen(function*() {
      const { wire } = yield* kit.greeted()
      const early = yield* wire.quiet(3_500)
      yield* kit.holds(early._tag === "Silence", "nothing for 3.5 s", early)
      const { key } = yield* kit.err(wire, "ERR_PACKET_INCOMPLETE", 4_000)
      yield* kit.holds(key === "", "an empty key", key)
    }), { seconds: 7 })
]

const initiate = [
  check(
    "handshake-initiate-key",
    "an INITIATE in a packet of another key than HELLO's is refused",
    (kit) =>
      Effect.gen(function*() {
        const greeted = yield* kit.greeted()
        const other = kit.another()
        yield* greeted.wire.write(
          yield* other.command("msg", kit.initiate(greeted)),
          "INITIATE in a packet of another key"
        )
        yield* kit.err(greeted.wire, "ERR_PUBLIC_KEY")
      })
  ),

  check(
    "handshake-initiate-opens",
    "an INITIATE with another cookie, nonce or box is refused",
    (kit) =>
      initiatesRefused(kit, handshake, {
        "a cookie that was changed": ({ welcome }) => ({ cookie: flipped(welcome.cookie, 50) }),
        "a cookie of zeros": () => ({ cookie: new Uint8Array(96) }),
        "nonce 1": () => ({ nonce: 1 }),
        "nonce 3": () => ({ nonce: 3 }),
        "a nonce that is not the box's": () => ({ damage: (command) => flipped(command, 112) }),
        "a box that was changed": () => ({ damage: (command) => flipped(command, 130) }),
        "a tag that was changed": () => ({ damage: (command) => flipped(command, 113) }),
        "cut short": () => ({ damage: (command) => command.subarray(0, 200) })
      })
  ),

  check(
    "handshake-cookie-key",
    "a cookie of another connection is refused, and a handshake that is played back",
    (kit) =>
      Effect.gen(function*() {
        const one = yield* kit.greeted()
        const recorded = yield* kit.command("msg", kit.initiate(one))
        const two = yield* kit.greeted()
        yield* two.wire.write(
          yield* kit.command("msg", kit.initiate(two, { cookie: one.welcome.cookie })),
          "INITIATE with the cookie of another connection"
        )
        yield* kit.err(two.wire, handshake)
        const three = yield* kit.greeted()
        yield* three.wire.write(recorded, "INITIATE of another connection")
        yield* kit.err(three.wire, handshake)
      })
  ),

  check(
    "handshake-initiate-long-term",
    "an INITIATE that proves another key than its packet's is refused",
    (kit) =>
      initiatesRefused(kit, "ERR_PUBLIC_KEY", {
        "C of another": () => {
          const other = pair(kit)
          return { claimed: other.public, vouching: other }
        }
      })
  ),

  check(
    "handshake-initiate-vouch",
    "a vouch that is not for this C' and S, or not by C, is refused",
    (kit) =>
      initiatesRefused(kit, handshake, {
        "a vouch for another C'": () => ({ vouchClient: pair(kit).public }),
        "a vouch for another S": () => ({ vouchServer: pair(kit).public }),
        "a vouch by another": () => ({ vouching: pair(kit) })
      })
  ),

  check(
    "handshake-err-key",
    "an INITIATE of another key or network is refused with an empty key",
    (kit) =>
      Effect.gen(function*() {
        const other = pair(kit)
        const { key } = yield* kit.initiateRefused("ERR_PUBLIC_KEY", { claimed: other.public, vouching: other })
        yield* kit.holds(key === "", "an empty key", key)
        const metadata = Curve.metadata(but(kit, ["Network", "elsewhere!"]))
        const network = yield* kit.initiateRefused("ERR_NETWORK_INCORRECT", { metadata })
        yield* kit.holds(network.key === "", "an empty key", network.key)
      })
  ),

  check("handshake-initiate-trust", "a name that is pinned to another key is refused", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session()
      yield* session.call(1, "echo", "first")
      yield* session.answer(1)
      const impostor = kit.another(kit.name)
      yield* impostor.initiateRefused("ERR_UNTRUSTED", {})
      yield* impostor.refused("ERR_UNTRUSTED", impostor.request("x"), "a RAW request under the name")
    }), { needs: ["pins"] }),

  check("handshake-for-good", "a RAW command in a session ends it", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session({ binary: false })
      const { command } = yield* kit.raw("x")
      yield* session.wire.write(session.carry(0, command), "a RAW command")
      yield* session.goaway("protocol")
    }))
]

const metadata = [
  check("handshake-ready", "READY says Pnet, Node and Network, and the session works", (kit) =>
    Effect.gen(function*() {
      const session = yield* accepted(kit, kit.properties())
      const { properties } = session.agreed
      const said = JSON.stringify([...properties])
      yield* kit.holds(properties.get("pnet") === "1", "Pnet = 1", said)
      yield* kit.holds(properties.get("network") === kit.subject.networkId, "the network id", said)
      const { name } = yield* kit.exchange(yield* kit.dial, "who?")
      yield* kit.holds(properties.get("node") === name, `the name ${name}`, said)
    })),

  check("metadata-required", "metadata without one of the three is refused", (kit) =>
    metadataRefused(
      kit,
      handshake,
      Object.fromEntries(
        ["Pnet", "Node", "Network"].map((left) => [`no ${left}`, kit.properties().filter(([name]) => name !== left)])
      )
    )),

  check("metadata-pnet", "another Pnet is refused", (kit) =>
    metadataRefused(kit, handshake, {
      "Pnet 2": but(kit, ["Pnet", "2"]),
      "Pnet of nothing": but(kit, ["Pnet", ""]),
      "Pnet 01": but(kit, ["Pnet", "01"])
    })),

  check("metadata-node", "a Node that is no name is refused", (kit) =>
    metadataRefused(kit, handshake, {
      "Node *": but(kit, ["Node", "*"]),
      "Node with an @": but(kit, ["Node", "a@b"]),
      "Node of nothing": but(kit, ["Node", ""]),
      "Node of 65 bytes": but(kit, ["Node", "n".repeat(65)]),
      "Node that is no UTF-8": but(kit, ["Node", Uint8Array.of(0xc0, 0xaf)])
    })),

  check(
    "metadata-network",
    "another Network is refused as that",
    (kit) => metadataRefused(kit, "ERR_NETWORK_INCORRECT", { "another network": but(kit, ["Network", "elsewhere!"]) })
  ),

  check(
    "metadata-order",
    "another Network beside another Pnet is refused for that",
    (kit) => metadataRefused(kit, handshake, { "both wrong": but(kit, ["Network", "elsewhere!"], ["Pnet", "2"]) })
  ),

  check("metadata-layout", "metadata that is cut short is refused", (kit) =>
    metadataRefused(kit, handshake, {
      "cut in a value": Curve.metadata(kit.properties()).subarray(0, -1),
      "cut in a name": new Uint8Array([...Curve.metadata(kit.properties()), 9, 0x61]),
      "a value that is too long": new Uint8Array([...Curve.metadata(kit.properties()), 1, 0x61, 0xff, 0xff, 0xff, 0xff])
    })),

  check(
    "metadata-twice",
    "a property that comes twice is refused, in whatever case, also one that is not known",
    (kit) =>
      metadataRefused(kit, handshake, {
        "Node twice": [...kit.properties(), ["Node", kit.name]],
        "nODE as well": [...kit.properties(), ["nODE", kit.name]],
        "X twice": [...kit.properties(), ["X", "1"], ["x", "2"]]
      })
  ),

  check("metadata-twice", "the order of properties is free", (kit) => accepted(kit, [...kit.properties()].reverse())),

  check(
    "metadata-case",
    "names of properties are compared without case",
    (kit) =>
      accepted(
        kit,
        kit.properties().map(([name, value], i) => [
          i % 2 === 0 ? String(name).toUpperCase() : String(name).toLowerCase(),
          value
        ])
      )
  ),

  check(
    "metadata-unknown",
    "properties that are not known are ignored",
    (kit) => accepted(kit, [["X-Colour", "red"], ...kit.properties(), ["Socket-Type", "DEALER"]])
  ),

  check(
    "metadata-names",
    "a name of a property may be any bytes, and none",
    (kit) => accepted(kit, [...kit.properties(), ["", "nothing"], [Uint8Array.of(0xff, 0x00), "bytes"]])
  ),

  check(
    "metadata-framing",
    "another Framing is no offer: the session is text",
    (kit) => accepted(kit, but(kit, ["Framing", "carrier-pigeon"]), false)
  ),

  check(
    "metadata-features",
    "features that are not known are no hindrance, and neither is a value that is no list of names",
    (kit) =>
      Effect.forEach(
        ["later,headers", "", ",,", Uint8Array.of(0xff)],
        (value) => Effect.scoped(accepted(kit, [...kit.properties(), ["Features", value]])),
        { discard: true }
      )
  ),

  check(
    "handshake-carried",
    "the commands of the handshake are inside tokens where there is a key",
    (kit) =>
      Effect.gen(function*() {
        const command = Curve.hello(kit.crypto, pair(kit), kit.server)
        yield* kit.refused("ERR_NET_DECRYPTION_FAILED", kit.command("msg", command, { clear: true }), "HELLO in clear")
      }),
    { needs: ["a network key"] }
  ),

  check("token-outside-sessions", "inside a session nothing is put into tokens", (kit) =>
    Effect.gen(function*() {
      const session = yield* kit.session({ binary: false })
      yield* session.call(1, "echo", "plain")
      const came = yield* session.wire.packet()
      yield* kit.holds(
        came._tag === "Packet" && unbase64(Buffer.from(came.packet.content).toString())?.[0] === utf8("\u0007")[0],
        "a MESSAGE as the content",
        came
      )
    }), { needs: ["a network key"] })
]

export const handshakes = [...hello, ...initiate, ...metadata]
