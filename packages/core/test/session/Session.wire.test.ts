/** Sessions against whoever sits on the wire, and against peers that break the rules. */
import { assert, describe, it } from "@effect/vitest"
import {
  AllowListTrust,
  Crypto,
  Frame,
  Handshake,
  Identity,
  NetworkKey,
  Packet,
  PortableCrypto,
  Raw,
  TofuTrust,
  Trust
} from "@pnet/core"
import {
  bytes,
  concat,
  echo,
  failureOf,
  frame,
  type Net,
  networkId,
  openFrame,
  quietly,
  seeded,
  start,
  text,
  two
} from "@pnet/lab/worlds/sessionWorld"
import { stranger } from "@pnet/lab/worlds/stranger"
import { SimNetwork } from "@pnet/testing"
import { Clock, Context, Effect, Fiber, Layer, Redacted, Result, Stream } from "effect"
import * as Metadata from "../../src/internal/session/metadata.ts"

const test = (
  title: string,
  body: Parameters<typeof quietly>[0],
  options?: Parameters<typeof quietly>[1],
  timeout?: number
) => it.effect(title, () => quietly(body, options), timeout)

const { Kind } = Frame
const framings = ["binary", "text"] as const
const coarse = { step: "100 millis" } as const

/** What a tampering hand does to the pieces of connections between two nodes: `sent` counts both directions, from 0. */
const tamper = (
  network: Net,
  hook: (piece: { readonly from: string; readonly n: number; readonly payload: Uint8Array }) => SimNetwork.Verdict
) => {
  let n = 0
  return network.intercept(({ host, payload, protocol }) =>
    protocol === "tcp" && payload.length > 0 ? hook({ from: host, n: n++, payload }) : "pass"
  )
}

const flipped = (payload: Uint8Array, at: number): Uint8Array => {
  const out = payload.slice()
  out[at]! ^= 1 << at % 8
  return out
}

const joined = { streams: { chunking: "joined" }, traceCapacity: 0 } as const

describe("tampering", () => {
  // HELLO, WELCOME, INITIATE and READY.
  for (const packet of [0, 1, 2, 3]) {
    test(
      `handshake packet ${packet + 1} of 4 is guarded, wherever a byte is changed`,
      Effect.gen(function*() {
        const network = yield* SimNetwork.make({ seed: packet, ...joined })
        let runs = 0
        // Adverts have no part in it, and would be most of the work.
        const { alice, bob } = yield* two(
          network,
          { broadcastInterval: "10 minutes" },
          { broadcastInterval: "10 minutes", functions: { count: () => Effect.sync(() => `${++runs}`) } }
        )
        let length = 1
        let target = -1
        let base = 0
        let seen = 0
        yield* tamper(network, ({ n, payload }) => {
          seen = n + 1
          if (n - base !== packet) return "pass"
          length = payload.length
          return target < 0 ? "pass" : { replace: flipped(payload, target) }
        })
        // Each byte is the handshake's own test; here every kind of place is looked at, on the wire.
        for (target = 0; target < length; target += target < 48 ? 1 : 7) {
          base = seen
          const error = yield* failureOf(alice.node.request("bob", "count", "x"))
          assert.include(["ProtocolError", "PeerLostError", "UntrustedPeerError"], error._tag, `byte ${target}`)
          assert.strictEqual((yield* alice.node.sessions.all).length, 0)
          // Until the other side has noticed, and the next dial may begin.
          yield* Effect.sleep("16 seconds")
        }
        assert.isAbove(length, 100)
        assert.strictEqual(runs, 0)
        target = -1
        assert.strictEqual(text(yield* alice.node.request("bob", "count", "x")), "1")
        assert.strictEqual((yield* bob.node.sessions.all).length, 1)
      }),
      { step: "4 seconds", limit: "10 hours" },
      60_000
    )
  }
})

for (const framing of framings) {
  describe(`a session on the wire, ${framing}`, () => {
    const pair = (network: Net, functions: Record<string, typeof echo> = {}) =>
      Effect.gen(function*() {
        const nodes = yield* two(network, { framing }, { framing, functions: { echo, ...functions } })
        // The session stands, and nothing of it is on its way.
        yield* nodes.alice.node.request("bob", "echo", "first")
        yield* Effect.sleep("200 millis")
        return nodes
      })

    /** One exchange of a function, which is not made again where it is known not to have run. */
    const once = (
      { node }: Effect.Success<ReturnType<typeof pair>>["alice"],
      name: string,
      payload: string | Uint8Array
    ) =>
      Effect.flatMap(node.peers.resolveOne("bob"), (peer) =>
        node.sessions.exchange(
          peer,
          { protocol: "command", name },
          typeof payload === "string" ? new TextEncoder().encode(payload) : payload
        ))

    /** How an exchange fails whose session has ended: unless its peer said that it never came, it may have run. */
    const assertEnded = (
      error: { readonly _tag: string; readonly code?: unknown; readonly remote?: unknown },
      title?: string
    ) => {
      if (error._tag === "StreamResetError") assert.deepInclude(error, { code: "refused", remote: true }, title)
      else assert.strictEqual(error._tag, "PeerLostError", title)
    }

    /** An exchange with something done to the pieces from its first on, and what became of it. */
    const during = (
      hook: (piece: { readonly from: string; readonly n: number; readonly payload: Uint8Array }) => SimNetwork.Verdict,
      payload: string | Uint8Array = "second"
    ) =>
      Effect.gen(function*() {
        const network = yield* SimNetwork.make({ seed: framing, ...joined })
        let runs = 0
        const { alice, bob } = yield* pair(network, {
          count: ({ bytes }) => {
            runs++
            return bytes
          }
        })
        const exit = yield* Effect.scoped(
          Effect.andThen(tamper(network, hook), Effect.exit(once(alice, "count", payload)))
        )
        yield* Effect.sleep("12 seconds")
        const left = [...yield* alice.node.sessions.all, ...yield* bob.node.sessions.all].length
        // Whatever it was, the next call is a session of its own.
        assert.strictEqual(text(yield* alice.node.request("bob", "echo", "after")), "after")
        return { exit, runs, left }
      })

    test(
      "no byte of it can be changed",
      Effect.gen(function*() {
        const network = yield* SimNetwork.make({ seed: 1, ...joined })
        const { alice } = yield* pair(network)
        const payload = Uint8Array.from({ length: 700 }, (_, i) => i * 7)
        let packet = 0
        let target = -1
        let length = 1
        let base = 0
        let seen = 0
        yield* tamper(network, ({ n, payload }) => {
          seen = n + 1
          if (n - base !== packet) return "pass"
          length = payload.length
          return target < 0 ? "pass" : { replace: flipped(payload, target) }
        })
        // What alice asks, and what bob answers.
        for (packet = 0; packet < 2; packet++) {
          for (let at = 0; at < length; at += at < 130 || at > length - 60 ? 5 : 61) {
            target = -1
            base = Infinity
            yield* alice.node.request("bob", "echo", "a session")
            yield* Effect.sleep("200 millis")
            base = seen
            target = at
            const exit = yield* Effect.exit(once(alice, "echo", payload))
            if (exit._tag === "Success") {
              // Behind the answer: END, or a CREDIT. The answer is right.
              assert.deepStrictEqual(exit.value, payload)
            } else {
              assertEnded(yield* failureOf(exit), `byte ${at} of ${packet}`)
            }
            yield* Effect.sleep("13 seconds")
            assert.strictEqual((yield* alice.node.sessions.all).length, 0, `byte ${at} of ${packet}`)
          }
        }
        target = -1
        base = Infinity
        assert.deepStrictEqual(yield* alice.node.request("bob", "echo", payload), payload)
      }),
      { step: "4 seconds", limit: "10 hours" },
      60_000
    )

    test(
      "a packet that comes twice ends it, and runs nothing twice",
      Effect.gen(function*() {
        const { exit, left, runs } = yield* during(({ from, n, payload }) =>
          from === "alice" && n === 0 ? { inject: [payload.slice()] } : "pass"
        )
        assert.strictEqual(runs, 1)
        assert.strictEqual(left, 0)
        if (exit._tag === "Failure") assertEnded(yield* failureOf(exit))
      }),
      coarse
    )

    test(
      "a packet left out, exchanged with the next, cut short, or sent back ends it",
      Effect.gen(function*() {
        let held: Uint8Array | undefined
        const large = new Uint8Array(300_000)
        const hooks: Record<string, Parameters<typeof during>[0]> = {
          "left out": ({ from, n }) => from === "alice" && n === 0 ? "drop" : "pass",
          exchanged: ({ from, payload }) => {
            if (from !== "alice") return "pass"
            const before = held
            held = held === undefined ? payload.slice() : new Uint8Array(0)
            return before === undefined ? "drop" : before.length === 0 ? "pass" : { replace: concat(payload, before) }
          },
          "cut short": ({ from, n, payload }) =>
            from === "alice" && n === 0 ? { replace: payload.slice(0, payload.length - 1) } : "pass",
          "without its end": ({ from, payload }) => {
            if (from !== "bob" || held !== undefined) return "pass"
            held = payload
            return { replace: payload.slice(0, payload.length >> 1) }
          }
        }
        for (const [title, hook] of Object.entries(hooks)) {
          held = undefined
          const { exit, left } = yield* during(hook, large)
          assert.strictEqual(left, 0, title)
          assertEnded(yield* failureOf(exit), title)
        }
        // Bob's own words in place of alice's.
        const network = yield* SimNetwork.make({ seed: 9, ...joined })
        const { alice, bob } = yield* pair(network)
        let said: Uint8Array | undefined
        yield* tamper(network, ({ from, payload }) => {
          if (from === "bob") said = payload.slice()
          return from === "alice" && said !== undefined && said.length > 0 ? { replace: said } : "pass"
        })
        yield* bob.node.request("alice", "echo", "bob's").pipe(Effect.exit)
        assertEnded(yield* failureOf(once(alice, "echo", "alice's")))
      }),
      coarse
    )

    test(
      "a recorded session runs nothing when it is played back",
      Effect.gen(function*() {
        const network = yield* SimNetwork.make({ seed: 3, ...joined })
        const recorded: Array<Uint8Array> = []
        yield* tamper(network, ({ from, payload }) => {
          if (from === "alice") recorded.push(payload.slice())
          return "pass"
        })
        let runs = 0
        const { alice, bob } = yield* two(network, { framing }, {
          framing,
          functions: { count: () => Effect.sync(() => `${++runs}`) }
        })
        yield* alice.node.request("bob", "count", "x")
        const host = yield* network.host("mallory")
        const mallory = yield* stranger(network, yield* seeded(), { host })
        // At alice's pace, and all at once.
        for (const all of [false, true]) {
          const connection = yield* mallory.dial(bob)
          const packets = mallory.reader(connection)
          const types: Array<string> = []
          yield* Effect.forkScoped(Effect.gen(function*() {
            for (let next = yield* packets.next; next !== undefined; next = yield* packets.next) {
              types.push(next.type === "err" ? text(next.content) : next.type)
            }
          }))
          for (const piece of recorded) {
            yield* Effect.ignore(connection.write(piece))
            if (!all) yield* Effect.sleep("100 millis")
          }
          yield* Effect.sleep("2 seconds")
          assert.deepStrictEqual(types, ["rsp", "ERR_HANDSHAKE"])
        }
        assert.strictEqual(runs, 1)
        assert.strictEqual((yield* bob.node.sessions.all).length, 1)
        assert.strictEqual(text(yield* alice.node.request("bob", "count", "x")), "2")
      }),
      coarse
    )

    test(
      "a peer that breaks a rule is told so, sealed, and what it had is over",
      Effect.gen(function*() {
        const network = yield* SimNetwork.make({ seed: 4, ...joined })
        const { alice, bob } = yield* two(network, { framing }, {
          framing,
          functions: { echo, stall: () => Effect.never }
        })
        const host = yield* network.host("mallory")
        const mallory = yield* stranger(network, yield* seeded(), { host, binary: framing === "binary" })
        const violations: Record<string, (peer: Effect.Success<ReturnType<typeof mallory.connect>>) => Uint8Array> = {
          "DATA for nothing": (peer) => peer.seal(0, frame(Kind.data, 7, "x")),
          "OPEN twice": (peer) => peer.seal(0, concat(openFrame(2), openFrame(2))),
          "OPEN as rsp": (peer) => peer.seal(1, openFrame(1)),
          "RESET as rsp": (peer) => peer.seal(1, frame(Kind.reset, 1, "{}")),
          "an unknown kind": (peer) => peer.seal(0, frame(9, 1)),
          "trailing bytes": (peer) => peer.seal(0, new Uint8Array(3)),
          "an empty message": (peer) => peer.seal(0, new Uint8Array(0)),
          "bad JSON": (peer) => peer.seal(0, frame(Kind.open, 1, "{\"protocol\":")),
          "too much DATA": (peer) =>
            concat(
              peer.seal(0, openFrame(1, "stall")),
              ...Array.from({ length: 5 }, () => peer.seal(0, frame(Kind.data, 1, new Uint8Array(60_000))))
            ),
          "a nonce left out": (peer) => {
            peer.seal(0, openFrame(1))
            return peer.seal(0, openFrame(2))
          },
          "a nonce twice": (peer) => {
            const one = peer.seal(0, openFrame(1))
            return concat(one, one)
          },
          "another command": () =>
            framing === "binary"
              ? concat(Uint8Array.of(0, 0, 0, 6), bytes("\u0005READY"))
              : mallory.command("msg", bytes("\u0005READY")),
          "an err in clear": (peer) =>
            framing === "binary"
              ? mallory.packet("err", bytes("ERR_INTERNAL"))
              : concat(mallory.packet("err", bytes("ERR_INTERNAL")), peer.seal(0, openFrame(1))),
          ...(framing === "binary"
            ? {
              "a record of length 0": () => new Uint8Array(4),
              "a record over the limit": () => Uint8Array.of(0, 2, 0, 1, 7)
            }
            : {
              "flags that differ from the packet's": (peer) => {
                const sealed = text(peer.seal(0, openFrame(1)))
                return bytes(sealed.replace("|msg|", "|rsp|"))
              },
              "another key": (peer) => {
                const sealed = text(peer.seal(0, openFrame(1)))
                return bytes(sealed.replace(mallory.identity.publicKey, alice.node.publicKey))
              },
              "another network": (peer) => bytes(text(peer.seal(0, openFrame(1))).replace(networkId, "elsewher")),
              "no base64": () => mallory.packet("msg", bytes("~~~~")),
              "a packet over the limit": () => new Uint8Array(140_000).fill(0x61)
            })
        }
        for (const [title, violate] of Object.entries(violations)) {
          yield* Effect.gen(function*() {
            const peer = yield* mallory.connect(bob)
            yield* peer.connection.write(violate(peer))
            const goodbye = yield* peer.expect(Kind.goaway)
            assert.strictEqual(goodbye.type, 0, title)
            const { code, message } = JSON.parse(text(goodbye.payload)) as Record<string, string>
            assert.strictEqual(code, "protocol", title)
            assert.isNotEmpty(message)
            assert.isUndefined(yield* peer.next, `${title}: closed behind it`)
          }).pipe(Effect.scoped)
          yield* Effect.sleep("1500 millis")
          assert.strictEqual((yield* bob.node.sessions.all).length, 0, title)
        }
        assert.strictEqual(text(yield* alice.node.request("bob", "echo", "unharmed")), "unharmed")
      }),
      coarse
    )
  })
}

describe("who may have a session", () => {
  test(
    "an untrusted peer that dials is refused before READY, one that was dialled is told after it",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 5, ...joined })
      const crypto = yield* seeded()
      const trust = AllowListTrust.layer([])
      const bob = yield* start(network, { name: "bob" }, { trust })
      const host = yield* network.host("mallory")
      const mallory = yield* stranger(network, crypto, { host })
      const connection = yield* mallory.dial(bob)
      const client = Handshake.client(mallory.handshakeOptions, bob.node.publicKey)
      const packets = mallory.reader(connection)
      yield* connection.write(mallory.command("msg", client.hello()))
      const welcome = yield* packets.next
      yield* connection.write(
        mallory.command("msg", Result.getOrThrow(client.welcome(Raw.fromText(welcome!.content)!)))
      )
      const refusal = yield* packets.next
      assert.deepStrictEqual([refusal?.type, text(refusal!.content)], ["err", "ERR_UNTRUSTED"])
      assert.strictEqual((yield* bob.node.sessions.all).length, 0)

      // Whoever calls itself by a name that is known, at its address, with its key, but proves another name.
      const server = yield* mallory.listen
      const alice = yield* start(network, { name: "alice", functions: { echo } })
      let goodbye: unknown
      let opened = 0
      yield* server.run((connection) =>
        Effect.gen(function*() {
          const peer = yield* server.accept(connection, { name: "somebody" as Packet.NodeName })
          // Right behind READY: nobody listens yet.
          yield* peer.send(0, openFrame(1))
          for (let next = yield* peer.next; next !== undefined; next = yield* peer.next) {
            if (next.kind === Kind.open) opened++
            if (next.kind === Kind.goaway) goodbye = JSON.parse(text(next.payload))
          }
        })
      )
      yield* server.advertise
      yield* alice.node.peers.awaitPeer("mallory")
      const error = yield* failureOf(alice.node.request("mallory", "echo", "secret"))
      assert.strictEqual(error._tag, "UntrustedPeerError")
      assert.strictEqual(error._tag === "UntrustedPeerError" && error.kind, "NameMismatch")
      yield* Effect.sleep("2 seconds")
      assert.deepInclude(goodbye as object, { code: "untrusted" })
      assert.strictEqual(opened, 0, "not even the name of what was wanted is told")
      assert.strictEqual((yield* alice.node.sessions.all).length, 0)
    }),
    coarse
  )

  test(
    "a peer that refuses this node, before READY or after it, is a typed error",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 6, ...joined })
      const bob = yield* start(network, { name: "bob" }, { trust: AllowListTrust.layer([]) })
      const alice = yield* start(network, { name: "alice", functions: { echo } })
      yield* alice.node.peers.awaitPeer("bob")
      const refused = yield* failureOf(alice.node.request("bob", "echo", "x"))
      assert.strictEqual(refused._tag === "ProtocolError" && refused.code, "ERR_UNTRUSTED")
      assert.strictEqual((yield* bob.node.sessions.all).length, 0)

      const host = yield* network.host("mallory")
      const mallory = yield* stranger(network, yield* seeded(), { host })
      const server = yield* mallory.listen
      yield* server.run((connection) =>
        Effect.gen(function*() {
          const peer = yield* server.accept(connection)
          yield* peer.expect(Kind.open)
          yield* peer.send(0, frame(Kind.goaway, 0, JSON.stringify({ code: "untrusted", message: "\u001b[31mno" })))
          yield* Effect.sleep("5 seconds")
        })
      )
      yield* server.advertise
      yield* alice.node.peers.awaitPeer("mallory")
      const error = yield* failureOf(alice.node.request("mallory", "echo", "x"))
      assert.strictEqual(error._tag, "PeerLostError")
    }),
    coarse
  )
})

describe("the secrets of sessions", () => {
  test(
    "are wiped when a session ends, and when a handshake fails at whichever step, on both sides",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 40, ...joined })
      const secrets: Array<Uint8Array> = []
      const crypto = yield* seeded()
      // Accepts a peer, and is interrupted while READY is made.
      let accepting: Fiber.Fiber<unknown, unknown> | undefined
      let keys = 0
      // Of everything that is drawn or derived from now on.
      let watching = false
      const keep = (secret: Redacted.Redacted<Uint8Array>) => {
        if (watching) secrets.push(Redacted.value(secret))
      }
      const spy = Layer.succeed(Crypto.Crypto, {
        ...crypto,
        generateKeyPair: () => {
          const pair = crypto.generateKeyPair()
          keep(pair.secretKey)
          return pair
        },
        sharedKey: (publicKey, secretKey) => {
          const key = crypto.sharedKey(publicKey, secretKey)
          keep(key)
          return key
        },
        seal: (key, nonce, message) => {
          if (accepting !== undefined && text(nonce).startsWith("CurveZMQREADY")) {
            accepting.interruptUnsafe()
            accepting = undefined
            keys++
          }
          return crypto.seal(key, nonce, message)
        },
        randomBytes: (length) => {
          const bytes = crypto.randomBytes(length)
          if (length === 32) keep(Redacted.make(bytes))
          return bytes
        }
      })
      const left = () => secrets.filter((secret) => secret.some((byte) => byte !== 0)).length
      const tofu = Context.get(yield* Layer.build(TofuTrust.layer()), Trust.Trust)
      const trust = Layer.succeed(Trust.Trust, {
        ...tofu,
        proved: (name, ...proof) =>
          Effect.withFiber((fiber) => {
            if (name === "late") accepting = fiber
            return tofu.proved(name, ...proof)
          })
      })
      const bob = yield* start(network, { name: "bob", functions: { echo, hang: () => Effect.never } }, {
        crypto: spy,
        trust
      })
      const alice = yield* start(network, { name: "alice" }, { crypto: spy })
      yield* alice.node.peers.awaitPeer("bob")
      const host = yield* network.host("mallory")
      const mallory = yield* stranger(network, yield* seeded(), { host })
      watching = true

      // A session, with both sides in this process: of its nine secrets two are the copies of its key.
      yield* alice.node.request("bob", "echo", "x")
      assert.strictEqual(secrets.length, 9)
      assert.strictEqual(left(), 2)
      yield* alice.node.sessions.closeAll
      yield* Effect.sleep("3 seconds")
      assert.strictEqual(left(), 0, "a session that was closed")

      // Its connection breaks, with a call running.
      yield* Effect.forkScoped(Effect.exit(alice.node.request("bob", "hang", "x")))
      yield* Effect.sleep("200 millis")
      assert.strictEqual(left(), 2)
      let cut = true
      yield* network.intercept(({ protocol }) => cut && protocol === "tcp" ? "drop" : "pass")
      yield* Effect.sleep("30 seconds")
      cut = false
      assert.strictEqual(left(), 0, "a session that died")

      // The client's side of a handshake that nobody answers.
      const hellos = secrets.length
      let mute = true
      yield* network.intercept(({ from, payload, protocol }) =>
        mute && protocol === "tcp" && payload.length > 0 && from === `${bob.host.address}:${bob.node.endpoint.port}`
          ? "drop"
          : "pass"
      )
      yield* Effect.timeoutOption(alice.node.request("bob", "echo", "x"), "10 seconds").pipe(Effect.exit)
      yield* Effect.sleep("20 seconds")
      mute = false
      assert.isAbove(secrets.length, hellos)
      assert.strictEqual(left(), 0, "a handshake without an answer")

      // The server's side of handshakes that come to nothing.
      const shake = (
        name: string,
        until: "hello" | "initiate",
        last: (connection: Effect.Success<ReturnType<typeof mallory.dial>>) => Effect.Effect<unknown, unknown>
      ) =>
        Effect.gen(function*() {
          const connection = yield* mallory.dial(bob)
          const client = Handshake.client(
            { ...mallory.handshakeOptions, name: name as Packet.NodeName },
            bob.node.publicKey
          )
          const packets = mallory.reader(connection)
          yield* connection.write(mallory.command("msg", client.hello()))
          const welcome = (yield* packets.next)!
          if (until === "initiate") {
            yield* connection.write(
              mallory.command("msg", Result.getOrThrow(client.welcome(Raw.fromText(welcome.content)!)))
            )
          }
          yield* Effect.ignore(last(connection))
        }).pipe(Effect.scoped)
      const before = secrets.length
      yield* shake("mallory", "hello", () => Effect.void)
      yield* shake("mallory", "hello", () => Effect.sleep("7 seconds"))
      yield* shake(
        "mallory",
        "hello",
        (connection) => connection.write(mallory.command("msg", bytes("\u0008INITIATE")))
      )
      yield* shake("alice", "initiate", () => Effect.sleep("2 seconds"))
      yield* shake("mallory", "initiate", () => Effect.void)
      yield* Effect.sleep("20 seconds")
      assert.isAtLeast(secrets.length, before + 5 * 3)
      assert.strictEqual(left(), 0, "handshakes that came to nothing")
      yield* shake("late", "initiate", () => Effect.sleep("2 seconds"))
      assert.strictEqual(keys, 1)
      assert.strictEqual(left(), 0, "a session that never began")

      // The client's, given up when the key was made and the policy was still asked.
      const slow = Layer.succeed(Trust.Trust, { ...tofu, proved: () => Effect.never })
      watching = false
      const carol = yield* start(network, { name: "carol" }, { crypto: spy, trust: slow })
      watching = true
      yield* carol.node.peers.awaitPeer("bob")
      yield* Effect.forkScoped(Effect.exit(carol.node.request("bob", "echo", "x")))
      yield* Effect.sleep("1 second")
      assert.strictEqual(left(), 2)
      yield* carol.process.stop
      yield* Effect.sleep("20 seconds")
      assert.strictEqual(left(), 0, "a handshake that was given up")
    }),
    coarse
  )
})

describe("the limits of handshakes", () => {
  const outcome = (
    mallory: Effect.Success<ReturnType<typeof stranger>>,
    connection: Parameters<typeof mallory.reader>[0]
  ) =>
    Effect.map(
      mallory.reader(connection).next,
      (one) => one === undefined ? "closed" : one.type === "err" ? text(one.content) : one.type
    )

  const world = (seed: number, options: Parameters<typeof start>[1]) =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed, ...joined })
      const bob = yield* start(network, options)
      const host = yield* network.host("mallory")
      const mallory = yield* stranger(network, yield* seeded(), { host })
      return { network, bob, host, mallory }
    })

  test(
    "five seconds for each packet, whole",
    Effect.gen(function*() {
      const { bob, mallory } = yield* world(20, { name: "bob" })
      const timed = (
        before: (connection: Effect.Success<ReturnType<typeof mallory.dial>>) => Effect.Effect<unknown, unknown>
      ) =>
        Effect.gen(function*() {
          const connection = yield* mallory.dial(bob)
          const packets = mallory.reader(connection)
          const reading = yield* Effect.forkScoped(packets.next)
          yield* Effect.forkScoped(Effect.ignore(before(connection)))
          const began = yield* Clock.currentTimeMillis
          let last = yield* Fiber.join(reading)
          let at = yield* Clock.currentTimeMillis
          if (last?.type === "rsp") {
            last = yield* packets.next
            at = yield* Clock.currentTimeMillis
          }
          return [last === undefined ? "closed" : text(last.content), at - began] as const
        }).pipe(Effect.scoped)
      const hello = () => mallory.command("msg", Handshake.client(mallory.handshakeOptions, bob.node.publicKey).hello())
      const drip = (connection: Effect.Success<ReturnType<typeof mallory.dial>>) =>
        Effect.forEach(
          hello(),
          (byte) => Effect.andThen(connection.write(Uint8Array.of(byte)), Effect.sleep("100 millis"))
        )
      for (
        const [title, [said, after]] of [
          ["nothing", yield* timed(() => Effect.void)],
          ["byte by byte", yield* timed(drip)],
          ["HELLO and nothing", yield* timed((connection) => connection.write(hello()))]
        ] as const
      ) {
        assert.strictEqual(said, "ERR_PACKET_INCOMPLETE", title)
        assert.closeTo(after, 5_000, 400, title)
      }
      // An err is never answered, be it another network's.
      const [said, after] = yield* timed((connection) =>
        Effect.gen(function*() {
          yield* connection.write(hello())
          yield* Effect.sleep("100 millis")
          yield* connection.write(
            Packet.encode(Packet.err(Packet.NetworkId.make("another"), "ERR_BUSY", mallory.identity.publicKey))
          )
        })
      )
      assert.strictEqual(said, "closed")
      assert.isBelow(after, 1_000)
    }),
    coarse
  )

  test(
    "connections that prove nothing are bounded, in all and from one address",
    Effect.gen(function*() {
      const { bob, mallory } = yield* world(21, {
        name: "bob",
        limits: { pendingPerAddress: 3, pendingConnections: 4 }
      })
      const hello = () => mallory.command("msg", Handshake.client(mallory.handshakeOptions, bob.node.publicKey).hello())
      for (let i = 0; i < 3; i++) yield* Effect.andThen(mallory.dial(bob), (connection) => connection.write(hello()))
      yield* Effect.sleep("100 millis")
      assert.strictEqual(yield* outcome(mallory, yield* mallory.dial(bob)), "ERR_BUSY")
      // Their time is over.
      yield* Effect.sleep("6 seconds")
      const peer = yield* mallory.connect(bob)
      assert.isTrue(peer.established.binary)
    }),
    coarse
  )

  test(
    "sessions are bounded: the longest idle one makes room, and where none is idle the answer is ERR_BUSY",
    Effect.gen(function*() {
      const { bob, host, network, mallory } = yield* world(22, {
        name: "bob",
        limits: { sessions: 2 },
        functions: { echo, hang: () => Effect.never }
      })
      const crypto = yield* seeded()
      const another = (name: string) => stranger(network, crypto, { host, name })
      const first = yield* mallory.connect(bob)
      yield* Effect.sleep("100 millis")
      const second = yield* (yield* another("second")).connect(bob)
      yield* Effect.sleep("100 millis")
      yield* second.send(0, openFrame(1, "hang"))
      const third = yield* (yield* another("third")).connect(bob)
      const goodbye = yield* first.expect(Kind.goaway)
      assert.strictEqual(JSON.parse(text(goodbye.payload)).code, "shutdown")
      yield* third.send(0, openFrame(1, "hang"))
      yield* Effect.sleep("1500 millis")
      assert.deepStrictEqual((yield* bob.node.sessions.all).map(({ peer }) => peer.name as string), ["second", "third"])
      const fourth = yield* another("fourth")
      const connection = yield* fourth.dial(bob)
      yield* connection.write(
        fourth.command("msg", Handshake.client(fourth.handshakeOptions, bob.node.publicKey).hello())
      )
      assert.strictEqual(yield* outcome(fourth, connection), "ERR_BUSY")
    }),
    coarse
  )

  test(
    "sessionsPerPeer: one more takes the place of one of the same key, idle or silent, and no place of others",
    Effect.gen(function*() {
      const { bob, mallory, network } = yield* world(24, {
        name: "bob",
        limits: { sessions: 8, sessionsPerPeer: 3, sessionSilence: "1 minute" },
        functions: { echo, hang: () => Effect.never }
      })
      const carol = yield* start(network, { name: "carol" })
      yield* carol.node.peers.awaitPeer("bob")
      yield* carol.node.request("bob", "echo", "before")
      const mine: Array<Effect.Success<ReturnType<typeof mallory.connect>>> = []
      const busy = () =>
        Effect.gen(function*() {
          const session = yield* mallory.connect(bob)
          yield* session.send(0, openFrame(1, "hang"))
          mine.push(session)
          yield* Effect.sleep("200 millis")
          return session
        })
      for (let i = 0; i < 3; i++) yield* busy()
      // The first says something, the third says that it is idle.
      yield* mine[0]!.send(0, frame(Kind.ping, 0, new Uint8Array(8)))
      yield* mine[2]!.send(0, frame(Kind.reset, 1, JSON.stringify({ code: "cancelled", message: "" })))
      yield* Effect.sleep("200 millis")
      yield* busy()
      const goodbye = yield* mine[2]!.expect(Kind.goaway)
      assert.strictEqual(JSON.parse(text(goodbye.payload)).code, "shutdown")
      // None is idle any more: the one that was silent the longest goes, and its stream is told.
      yield* busy()
      const reset = yield* mine[1]!.expect(Kind.reset)
      assert.strictEqual(JSON.parse(text(reset.payload)).code, "going_away")
      for (let i = 0; i < 20; i++) yield* busy()
      yield* Effect.sleep("2 seconds")
      const names = (yield* bob.node.sessions.all).map(({ peer }) => peer.name as string).sort()
      assert.deepStrictEqual(names, ["carol", "mallory", "mallory", "mallory"])
      assert.strictEqual(text(yield* carol.node.request("bob", "echo", "after")), "after")
    }),
    coarse
  )

  test(
    "sessionsPerPeer: the places of sessions that have ended are free for the next, however many there were",
    Effect.gen(function*() {
      const { bob, mallory } = yield* world(27, { name: "bob", limits: { sessionsPerPeer: 2 } })
      for (let i = 0; i < 5; i++) {
        const session = yield* mallory.connect(bob)
        yield* session.connection.end
        yield* Effect.sleep("1 second")
      }
      assert.deepStrictEqual(yield* bob.node.sessions.all, [])
    }),
    coarse
  )

  test(
    "one key has a quarter of all credit, however many sessions it makes, and others are served",
    Effect.gen(function*() {
      const { bob, mallory, network } = yield* world(25, {
        name: "bob",
        limits: { credit: 16 * Frame.initialCredit },
        functions: { echo, hang: () => Effect.never }
      })
      const sessions = []
      for (let i = 0; i < 5; i++) {
        const session = yield* mallory.connect(bob)
        for (let id = 1; id <= 4; id++) yield* session.send(0, openFrame(id, "hang"))
        yield* Effect.sleep("100 millis")
        sessions.push(session)
      }
      const streams = (yield* bob.node.sessions.all).map(({ streams }) => streams)
      assert.deepStrictEqual(streams, [4, 0, 0, 0, 0])
      assert.strictEqual(JSON.parse(text((yield* sessions[1]!.expect(Kind.reset)).payload)).code, "refused")
      const alice = yield* start(network, { name: "alice" })
      yield* alice.node.peers.awaitPeer("bob")
      assert.strictEqual(text(yield* alice.node.request("bob", "echo", "me")), "me")
      // What a session held is free for the next when it has ended.
      yield* sessions[0]!.connection.end
      yield* Effect.sleep("1 second")
      yield* sessions[4]!.send(0, openFrame(5, "hang"))
      yield* Effect.sleep("1 second")
      assert.strictEqual((yield* bob.node.sessions.all).reduce((sum, { streams }) => sum + streams, 0), 1)
    }),
    coarse
  )

  test(
    "what a key sent and nobody has read is owed also when its sessions have ended and it comes again",
    Effect.gen(function*() {
      const { bob, mallory } = yield* world(26, { name: "bob", limits: { credit: 16 * Frame.initialCredit } })
      yield* bob.node.sessions.handle(
        { protocol: "socket", name: "late" },
        (stream) => Effect.andThen(stream.end, Effect.never)
      )
      const opens = (id: number) => frame(Kind.open, id, JSON.stringify({ protocol: "socket", name: "late" }))
      const first = yield* mallory.connect(bob)
      for (let id = 1; id <= 4; id++) {
        yield* first.send(0, opens(id), frame(Kind.data, id, "unread"), frame(Kind.end, id))
      }
      yield* Effect.sleep("500 millis")
      yield* first.connection.end
      yield* Effect.sleep("5 seconds")
      assert.deepStrictEqual(yield* bob.node.sessions.all, [])
      const again = yield* mallory.connect(bob)
      yield* again.send(0, opens(1))
      assert.strictEqual(JSON.parse(text((yield* again.expect(Kind.reset)).payload)).code, "refused")
    }),
    coarse
  )

  test(
    "what is not the next step of this handshake is ERR_HANDSHAKE, or what the protocol names",
    Effect.gen(function*() {
      const { bob, mallory, network } = yield* world(23, { name: "bob" })
      const crypto = yield* seeded()
      const other = yield* stranger(network, crypto, { host: yield* network.host("other") })
      const metadata = (change: (properties: Map<string, Uint8Array>) => void) => {
        const properties = new Map([
          ["Pnet", bytes("1")],
          ["Node", bytes("mallory")],
          ["Network", bytes(networkId)]
        ])
        change(properties)
        return Metadata.encode(properties)
      }
      const Curve = yield* Effect.promise(() => import("../../src/internal/session/curve.ts"))
      /** HELLO, then what `second` makes of the WELCOME; the code it is answered with. */
      const answer = (options: {
        readonly metadata?: Uint8Array
        readonly second?: (initiate: Uint8Array, hello: Uint8Array) => Uint8Array
      }) =>
        Effect.gen(function*() {
          const connection = yield* mallory.dial(bob)
          const packets = mallory.reader(connection)
          const client = Curve.client({
            crypto,
            identity: mallory.identity,
            metadata: options.metadata ?? metadata(() => {}),
            readMetadata: () => Result.succeed(undefined)
          }, bob.node.publicKey)
          const hello = client.hello()
          yield* connection.write(mallory.command("msg", hello))
          const welcome = (yield* packets.next)!
          const initiate = Result.getOrThrow(client.welcome(Raw.fromText(welcome.content)!))
          yield* connection.write(options.second?.(initiate, hello) ?? mallory.command("msg", initiate))
          const last = yield* packets.next
          return last === undefined ? "closed" : last.type === "err" ? text(last.content) : last.type
        }).pipe(Effect.scoped)

      assert.strictEqual(yield* answer({}), "rsp")
      const codes: Record<string, readonly [string, Parameters<typeof answer>[0]]> = {
        "a second HELLO": ["ERR_HANDSHAKE", { second: (_, hello) => mallory.command("msg", hello) }],
        "a WELCOME": ["ERR_HANDSHAKE", { second: () => mallory.command("msg", bytes("\u0007WELCOME")) }],
        "a RAW message": ["ERR_HANDSHAKE", { second: () => mallory.command("msg", bytes("\u0003RAW")) }],
        "INITIATE as rsp": ["ERR_PACKET_TYPE", { second: (initiate) => mallory.command("rsp", initiate) }],
        "from another key": [
          "ERR_PUBLIC_KEY",
          { second: (initiate) => mallory.packet("msg", Raw.toText(initiate), other.identity.publicKey) }
        ],
        "no base64": ["ERR_HANDSHAKE", { second: () => mallory.packet("msg", bytes("*")) }],
        "no Pnet": ["ERR_HANDSHAKE", { metadata: metadata((all) => all.delete("Pnet")) }],
        "another Pnet": ["ERR_HANDSHAKE", { metadata: metadata((all) => all.set("Pnet", bytes("2"))) }],
        "no Node": ["ERR_HANDSHAKE", { metadata: metadata((all) => all.delete("Node")) }],
        "a Node that is no name": ["ERR_HANDSHAKE", { metadata: metadata((all) => all.set("Node", bytes("a@b"))) }],
        "no Network": ["ERR_HANDSHAKE", { metadata: metadata((all) => all.delete("Network")) }],
        "another Network": [
          "ERR_NETWORK_INCORRECT",
          { metadata: metadata((all) => all.set("Network", bytes("elsewhere"))) }
        ],
        "one twice": ["ERR_HANDSHAKE", { metadata: metadata((all) => all.set("pnet", bytes("1"))) }]
      }
      for (const [title, [code, options]] of Object.entries(codes)) {
        assert.strictEqual(yield* answer(options), code, title)
      }
      assert.strictEqual(
        yield* answer({
          metadata: metadata((all) => all.set("Tomorrow", bytes("?")).set("Framing", bytes("quantum")))
        }),
        "rsp"
      )
      // The first packet.
      for (const first of ["\u0007WELCOME", "\u0008INITIATE", "\u0005READY", "\u0007MESSAGE", ""]) {
        const connection = yield* mallory.dial(bob)
        yield* connection.write(mallory.command("msg", bytes(first)))
        assert.strictEqual(yield* outcome(mallory, connection), "ERR_HANDSHAKE", first)
      }
    }),
    coarse
  )

  test(
    "with a network key nothing is multiplied before a token has verified",
    Effect.gen(function*() {
      let products = 0
      const counting = Layer.effect(
        Crypto.Crypto,
        Effect.map(Crypto.Crypto, (crypto): Crypto.Crypto["Service"] => ({
          ...crypto,
          generateKeyPair: () => (products++, crypto.generateKeyPair()),
          sharedKey: (...args) => (products++, crypto.sharedKey(...args))
        }))
      ).pipe(Layer.provide(PortableCrypto.layer))
      const network = yield* SimNetwork.make({ seed: 24, ...joined })
      const crypto = yield* seeded()
      const generate = NetworkKey.generate.pipe(Effect.provideService(Crypto.Crypto, crypto))
      const [networkKey, wrong] = [yield* generate, yield* generate]
      const identity = yield* Identity.generate.pipe(Effect.provideService(Crypto.Crypto, crypto))
      const bob = yield* start(network, { name: "bob", networkKey, identity, functions: { echo } }, {
        crypto: counting
      })
      const host = yield* network.host("mallory")
      const mallory = yield* stranger(network, crypto, { host })
      products = 0
      const hello = Handshake.client(mallory.handshakeOptions, bob.node.publicKey).hello()
      const token = (key: Redacted.Redacted<string>, plain: string) =>
        Effect.map(
          Clock.currentTimeMillis,
          (now) => crypto.fernetEncrypt(NetworkKey.toBytes(key as never), bytes(plain), now)
        )
      const contents = [
        Raw.toText(hello),
        yield* token(wrong as never, `${networkId}|msg|${mallory.identity.publicKey}|${text(Raw.toText(hello))}`),
        // A token of the right key, but for another type.
        yield* token(networkKey as never, `${networkId}|rsp|${mallory.identity.publicKey}|${text(Raw.toText(hello))}`)
      ]
      for (const content of contents) {
        const connection = yield* mallory.dial(bob)
        yield* connection.write(mallory.packet("msg", content))
        assert.strictEqual(yield* outcome(mallory, connection), "ERR_NET_DECRYPTION_FAILED")
      }
      assert.strictEqual(products, 0)
      const alice = yield* start(network, { name: "alice", networkKey, functions: { echo } })
      yield* alice.node.peers.awaitPeer("bob")
      assert.strictEqual(text(yield* alice.node.request("bob", "echo", "both have it")), "both have it")
      assert.isAbove(products, 0)
    }),
    coarse
  )
})

describe("a peer on the wire that is hostile but keeps the rules", () => {
  const world = (seed: number, options: Partial<Parameters<typeof start>[1]>) =>
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed, ...joined })
      const bob = yield* start(network, { name: "bob", ...options })
      const mallory = yield* stranger(network, yield* seeded(), { host: yield* network.host("mallory") })
      return { bob, mallory, network, peer: yield* mallory.connect(bob) }
    })

  test(
    "one that talks on, and never ends what drains, is given its time and no more",
    Effect.gen(function*() {
      const { bob, peer } = yield* world(29, {
        functions: { hang: () => Effect.never },
        limits: { sessionAge: "5 seconds", renewDrain: "5 seconds" }
      })
      yield* peer.send(0, openFrame(1, "hang"))
      // Never a PONG, which would say that it knows.
      yield* Effect.forkScoped(
        Effect.ignore(Effect.forever(
          Effect.andThen(Effect.sleep("2 seconds"), peer.send(0, frame(Kind.ping, 0, new Uint8Array(8))))
        ))
      )
      const [{ code }] = [JSON.parse(text((yield* peer.expect(Kind.goaway)).payload))]
      assert.strictEqual(code, "renew")
      yield* Effect.sleep("4 seconds")
      assert.strictEqual((yield* bob.node.sessions.all).length, 1)
      yield* Effect.sleep("2 seconds")
      assert.deepStrictEqual(yield* bob.node.sessions.all, [])
    }),
    coarse
  )

  test(
    "one that never reads is cut, whatever it sends",
    Effect.gen(function*() {
      const { bob, peer } = yield* world(30, {
        functions: { pour: () => Stream.forever(Stream.succeed(new Uint8Array(16_384))) }
      })
      yield* peer.send(0, ...Array.from({ length: 40 }, (_, i) => openFrame(i + 1, "pour")))
      // It says something now and then, so that silence is not what it is cut for.
      const talking = yield* Effect.forkScoped(
        Effect.forever(Effect.andThen(Effect.sleep("2 seconds"), peer.send(0, frame(Kind.ping, 0, new Uint8Array(8)))))
      )
      yield* Effect.sleep("8 seconds")
      assert.strictEqual((yield* bob.node.sessions.all).length, 1)
      yield* Effect.sleep("4 seconds")
      assert.strictEqual((yield* bob.node.sessions.all).length, 0)
      yield* Fiber.interrupt(talking)
    }),
    coarse
  )

  test(
    "one that asks for more refusals than it reads is not read any more, and nothing piles up",
    Effect.gen(function*() {
      const { bob, network, peer } = yield* world(31, { limits: { streams: 1 } })
      let id = 0
      let written = 0
      const flood = yield* Effect.forkScoped(Effect.forever(Effect.suspend(() => {
        const frames = Array.from({ length: 500 }, () => openFrame(++id))
        written += 500
        return peer.send(0, ...frames)
      })))
      yield* Effect.sleep("5 seconds")
      // A refusal takes about 60 bytes: a mebibyte of them, and what both systems hold.
      assert.isBelow(written, 60_000)
      yield* Effect.sleep("8 seconds")
      assert.strictEqual((yield* bob.node.sessions.all).length, 0)
      yield* Fiber.interrupt(flood)
      assert.deepStrictEqual(network.openSockets().filter(({ host, kind }) => host === "bob" && kind === "stream"), [])
    }),
    coarse
  )
})
