import { assert, describe, it, layer } from "@effect/vitest"
import * as Crypto from "@pnet/core/Crypto"
import * as Handshake from "@pnet/core/Handshake"
import * as Packet from "@pnet/core/Packet"
import * as PortableCrypto from "@pnet/core/PortableCrypto"
import type * as ProtocolError from "@pnet/core/ProtocolError"
import * as PublicKey from "@pnet/core/PublicKey"
import { concat, ofHex, range, u64, utf8 } from "@pnet/lab/vectors/bytes"
import { load } from "@pnet/lab/vectors/document"
import * as Vectors from "@pnet/lab/vectors/handshake"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as InternalMessageBox from "../../src/internal/session/messageBox.ts"
import * as Metadata from "../../src/internal/session/metadata.ts"

const { isMessage, MessageBox, overhead } = InternalMessageBox

type Service = Crypto.Crypto["Service"]
type Answer<A> = Result.Result<A, ProtocolError.ProtocolError>

const networkId = Packet.NetworkId.make("lab")
const names = { alpha: Packet.NodeName.make("alpha"), beta: Packet.NodeName.make("beta") }

const get = <A>(result: Answer<A>): A => {
  if (Result.isFailure(result)) assert.fail(result.failure.message)
  return result.success
}

const refused = (result: Answer<unknown>, what = "", code: ProtocolError.Code = "ERR_HANDSHAKE", detail?: string) => {
  if (Result.isSuccess(result)) assert.fail(`accepted: ${what}`)
  assert.strictEqual(result.failure.code, code, what)
  assert.strictEqual(result.failure.origin, "local")
  if (detail !== undefined) assert.strictEqual(result.failure.reason.detail, detail, what)
}

const opens = (opened: InternalMessageBox.Opened | InternalMessageBox.Violation): InternalMessageBox.Opened => {
  if (typeof opened === "string") assert.fail(opened)
  return opened
}

const flipped = (bytes: Uint8Array, at: number, bits: number): Uint8Array => {
  const out = bytes.slice()
  out[at]! ^= bits
  return out
}

/** Copies of a command, each with one byte other than it was. */
const damaged = function*(command: Uint8Array): Iterable<readonly [name: string, command: Uint8Array]> {
  for (let i = 0; i < command.length; i++) {
    yield [`byte ${i}, a bit`, flipped(command, i, 1 << i % 8)]
    yield [`byte ${i}, the highest bit`, flipped(command, i, 0x80)]
  }
}

/** Everything that is not the command by its length. */
const resized = (command: Uint8Array): ReadonlyArray<readonly [name: string, command: Uint8Array]> => [
  ...Array.from({ length: command.length }, (_, i) => [`cut to ${i}`, command.slice(0, i)] as const),
  ["one byte more", concat(command, Uint8Array.of(0))],
  ["16 bytes more", concat(command, new Uint8Array(16))],
  ["twice", concat(command, command)]
]

const setUp = Effect.map(Crypto.Crypto, (crypto) => {
  const pairOf = (from: number) => crypto.keyPair(Redacted.make(range(from, 32)))
  const alpha = pairOf(0x01)
  const beta = pairOf(0x21)
  const gamma = pairOf(0x41)

  const optionsOf = (
    node: keyof typeof names,
    options: {
      readonly crypto?: Service
      readonly binary?: boolean
      readonly networkId?: Packet.NetworkId
      readonly features?: ReadonlyArray<Handshake.Feature>
    } = {}
  ): Handshake.Options => ({
    crypto: options.crypto ?? crypto,
    identity: node === "alpha" ? alpha : beta,
    name: names[node],
    networkId: options.networkId ?? networkId,
    binary: options.binary ?? false,
    features: options.features
  })

  /** Machines that draw what the vectors draw, so that every command is known beforehand. */
  const scriptedClient = (draws = Vectors.draws.client, binary = false) =>
    Handshake.client(optionsOf("alpha", { crypto: Vectors.scripted(crypto, draws), binary }), beta.publicKey)
  const scriptedServer = (draws = Vectors.draws.server, binary = false) =>
    Handshake.server(optionsOf("beta", { crypto: Vectors.scripted(crypto, draws), binary }))

  const build = (overrides: Vectors.Overrides = {}, draws = Vectors.draws) =>
    Vectors.build(crypto, alpha, beta, draws, overrides)
  const right = build()

  /** Sides that have done everything before the command of that name. */
  const before = {
    hello: (binary = false) => scriptedServer(Vectors.draws.server, binary),
    welcome: (binary = false) => {
      const client = scriptedClient(Vectors.draws.client, binary)
      client.hello()
      return client
    },
    initiate: (binary = false) => {
      const server = scriptedServer(Vectors.draws.server, binary)
      get(server.hello(right.hello))
      return server
    },
    ready: (binary = false) => {
      const client = scriptedClient(Vectors.draws.client, binary)
      client.hello()
      get(client.welcome(right.welcome))
      return client
    }
  }

  /** A whole handshake. */
  const handshake = (client: Handshake.Client, server: Handshake.Server) => {
    const hello = client.hello()
    const welcome = get(server.hello(hello))
    const initiate = get(client.welcome(welcome))
    const peer = get(server.initiate(initiate, alpha.publicKey))
    const { command: ready, established } = server.ready()
    return {
      hello,
      welcome,
      initiate,
      ready,
      peer,
      client: get(client.ready(ready)),
      server: established
    }
  }

  const established = () => handshake(scriptedClient(), scriptedServer())
  /** Both sides of a session. */
  const session = () => {
    const { client, server } = established()
    return { client: new MessageBox(crypto, client), server: new MessageBox(crypto, server) }
  }

  return {
    crypto,
    alpha,
    beta,
    gamma,
    optionsOf,
    scriptedClient,
    scriptedServer,
    build,
    right,
    before,
    handshake,
    established,
    session
  }
})

/** xorshift32 */
const seeded = (seed: number) => {
  let state = seed
  return (bytes: Uint8Array): void => {
    for (let i = 0; i < bytes.length; i++) {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      bytes[i] = state >>> 24
    }
  }
}

const cryptoOf = (seed: number): Effect.Effect<Service> =>
  Crypto.Crypto.pipe(
    Effect.provide(Layer.fresh(PortableCrypto.layer).pipe(Layer.provide(Layer.succeed(Crypto.Entropy, seeded(seed)))), {
      local: true
    })
  )

layer(PortableCrypto.layer)("a handshake", (it) => {
  it.effect.each([
    { clientBinary: false, serverBinary: false },
    { clientBinary: false, serverBinary: true },
    { clientBinary: true, serverBinary: false },
    { clientBinary: true, serverBinary: true }
  ])(
    "ends in one session on both sides; binary records if both offer them ($clientBinary, $serverBinary)",
    ({ clientBinary, serverBinary }) =>
      Effect.gen(function*() {
        const { alpha, beta, crypto, handshake, optionsOf } = yield* setUp
        const { client, hello, initiate, peer, ready, server, welcome } = handshake(
          Handshake.client(optionsOf("alpha", { binary: clientBinary }), beta.publicKey),
          Handshake.server(optionsOf("beta", { binary: serverBinary }))
        )
        const { sharedKey: clientKey, ...clientSide } = client
        const { sharedKey: serverKey, ...serverSide } = server
        assert.deepStrictEqual(peer, { name: names.alpha, publicKey: alpha.publicKey })
        assert.deepStrictEqual(clientSide, {
          role: "client",
          peer: { name: names.beta, publicKey: beta.publicKey },
          binary: clientBinary && serverBinary,
          features: new Set<Handshake.Feature>(),
          sendNonce: 3,
          recvNonce: 2
        })
        assert.deepStrictEqual(serverSide, {
          role: "server",
          peer,
          binary: clientBinary && serverBinary,
          features: new Set<Handshake.Feature>(),
          sendNonce: 2,
          recvNonce: 3
        })
        assert.deepStrictEqual(Redacted.value(clientKey), Redacted.value(serverKey))
        assert.deepStrictEqual([hello.length, welcome.length], [200, 168])
        const guards = [Handshake.isHello, Handshake.isWelcome, Handshake.isInitiate, Handshake.isReady, isMessage]
        const message = new MessageBox(crypto, client).seal(0, [])
        for (const [i, command] of [hello, welcome, initiate, ready, message].entries()) {
          assert.deepStrictEqual(guards.map((is) => is(command)), guards.map((_, j) => i === j))
        }
      })
  )

  it.effect("is the same for the same entropy, and another for another", () =>
    Effect.gen(function*() {
      const { beta, handshake, optionsOf } = yield* setUp
      const run = (seed: number) =>
        Effect.map(cryptoOf(seed), (crypto) => {
          const { hello, initiate, ready, welcome } = handshake(
            Handshake.client(optionsOf("alpha", { crypto }), beta.publicKey),
            Handshake.server(optionsOf("beta", { crypto }))
          )
          return [hello, welcome, initiate, ready]
        })
      const first = yield* run(1)
      assert.deepStrictEqual(yield* run(1), first)
      for (const [i, command] of (yield* run(2)).entries()) assert.notDeepEqual(command, first[i])
    }))

  it.effect("is byte for byte what RFC 26 makes of the same keys by hand", () =>
    Effect.gen(function*() {
      const { established, right } = yield* setUp
      const { client, hello, initiate, ready, welcome } = established()
      assert.deepStrictEqual({ hello, welcome, initiate, ready }, {
        hello: right.hello,
        welcome: right.welcome,
        initiate: right.initiate,
        ready: right.ready
      })
      assert.deepStrictEqual(Redacted.value(client.sharedKey), Redacted.value(right.sessionKey))
    }))

  it.effect("works with views into larger buffers, and keeps nothing of them", () =>
    Effect.gen(function*() {
      const { alpha, right, scriptedClient, scriptedServer } = yield* setUp
      const lent = (command: Uint8Array) => concat(range(7, 5), command, range(9, 3)).subarray(5, 5 + command.length)
      const client = scriptedClient()
      const server = scriptedServer()
      const use = <A>(command: Uint8Array, step: (command: Uint8Array) => Answer<A>): A => {
        const bytes = lent(command)
        const result = get(step(bytes))
        assert.deepStrictEqual(bytes.slice(), command, "a command was changed")
        bytes.fill(0xee)
        return result
      }
      const welcome = use(client.hello(), server.hello)
      const initiate = use(welcome, client.welcome)
      const peer = use(initiate, (command) => server.initiate(command, alpha.publicKey))
      const { command, established } = server.ready()
      const { peer: other, sharedKey } = use(command, client.ready)
      assert.deepStrictEqual([peer.name, other.name], [names.alpha, names.beta])
      assert.deepStrictEqual(established.peer, peer)
      assert.deepStrictEqual(Redacted.value(sharedKey), Redacted.value(right.sessionKey))
    }))

  it.effect("wipes every secret but the session's key", () =>
    Effect.gen(function*() {
      const { alpha, beta, crypto, handshake, optionsOf, right } = yield* setUp
      const secrets: Array<Uint8Array> = []
      const kept = [alpha, beta].map(({ secretKey }) => Redacted.value(secretKey).slice())
      const spy: Service = {
        ...crypto,
        randomBytes: (length) => {
          const bytes = crypto.randomBytes(length)
          // The nonces of 16 bytes are public.
          if (length === 32) secrets.push(bytes)
          return bytes
        },
        generateKeyPair: () => {
          const pair = crypto.generateKeyPair()
          secrets.push(Redacted.value(pair.secretKey))
          return pair
        },
        sharedKey: (publicKey, secretKey) => {
          const key = crypto.sharedKey(publicKey, secretKey)
          secrets.push(Redacted.value(key))
          // Also s' as it came out of the cookie. The nodes' own are theirs to keep.
          const secret = Redacted.value(secretKey)
          if (!secrets.includes(secret) && !kept.some((own) => crypto.equal(own, secret))) secrets.push(secret)
          return key
        },
        seal: (key, nonce, message) => {
          if (nonce[0] === 0x43 && nonce[1] === 0x4f) secrets.push(message)
          return crypto.seal(key, nonce, message)
        },
        open: (key, nonce, box) => {
          const message = crypto.open(key, nonce, box)
          // The cookie's, which hold s'.
          if (message?.length === 64 && nonce[0] === 0x43 && nonce[1] === 0x4f) secrets.push(message)
          return message
        }
      }
      const left = () => secrets.filter((secret) => secret.some((byte) => byte !== 0))
      const client = () => Handshake.client(optionsOf("alpha", { crypto: spy }), beta.publicKey)
      const server = () => Handshake.server(optionsOf("beta", { crypto: spy }))

      const { client: one, server: other } = handshake(client(), server())
      assert.strictEqual(secrets.length, 12)
      assert.deepStrictEqual(left(), [Redacted.value(one.sharedKey), Redacted.value(other.sharedKey)])
      new MessageBox(crypto, one).close()
      new MessageBox(crypto, other).close()
      assert.deepStrictEqual(left(), [])

      // Refused for what it says, after its cookie opened.
      secrets.length = 0
      const [dialled, accepted] = [client(), server()]
      const said = get(dialled.welcome(get(accepted.hello(dialled.hello()))))
      assert.isTrue(Result.isFailure(accepted.initiate(said, beta.publicKey)))
      dialled.close()
      assert.deepStrictEqual(left(), [])

      // Given up, failed and out of turn, at each step.
      for (
        const end of [
          (machine: Handshake.Client | Handshake.Server) => machine.close(),
          (machine: Handshake.Client | Handshake.Server) => {
            if ("welcome" in machine) refused(machine.welcome(right.hello))
            else refused(machine.hello(right.welcome))
          },
          (machine: Handshake.Client | Handshake.Server) => {
            if ("welcome" in machine) refused(machine.ready(right.initiate))
            else refused(machine.initiate(right.welcome, beta.publicKey))
          }
        ]
      ) {
        for (let steps = 1; steps <= 3; steps++) {
          secrets.length = 0
          const one = client()
          const other = server()
          const welcome = get(other.hello(one.hello()))
          if (steps > 1) {
            const initiate = get(one.welcome(welcome))
            if (steps > 2) get(other.initiate(initiate, optionsOf("alpha").identity.publicKey))
          }
          assert.isAbove(left().length, 0)
          end(one)
          end(other)
          assert.deepStrictEqual(left(), [], `after ${steps} steps`)
        }
      }
    }))

  it.effect("keeps s' in the cookie alone while it waits for INITIATE", () =>
    Effect.gen(function*() {
      const { crypto, optionsOf, right } = yield* setUp
      const kept: Array<Redacted.Redacted<Uint8Array>> = []
      const scripted = Vectors.scripted(crypto, Vectors.draws.server)
      const server = Handshake.server(optionsOf("beta", {
        crypto: {
          ...scripted,
          generateKeyPair: () => {
            const pair = scripted.generateKeyPair()
            kept.push(pair.secretKey)
            return pair
          }
        }
      }))
      get(server.hello(right.hello))
      assert.deepStrictEqual(kept.map(Redacted.value), [new Uint8Array(32)])
      get(server.initiate(right.initiate, optionsOf("alpha").identity.publicKey))
    }))

  it.effect("tells networks apart by what is sealed, whatever the packets in clear say", () =>
    Effect.gen(function*() {
      const { alpha, beta, optionsOf } = yield* setUp
      const other = Packet.NetworkId.make("LAB")
      const client = Handshake.client(optionsOf("alpha", { networkId: other }), beta.publicKey)
      const server = Handshake.server(optionsOf("beta"))
      const initiate = get(client.welcome(get(server.hello(client.hello()))))
      refused(server.initiate(initiate, alpha.publicKey), "", "ERR_NETWORK_INCORRECT")
    }))
})

layer(NodeCrypto.layer)("a damaged command is refused:", (it) => {
  const cases = (command: Uint8Array) => [...damaged(command), ...resized(command)]

  it.effect("HELLO", () =>
    Effect.gen(function*() {
      const { before, right } = yield* setUp
      for (const [what, command] of cases(right.hello)) refused(before.hello().hello(command), what)
    }))

  it.effect("WELCOME", () =>
    Effect.gen(function*() {
      const { before, right } = yield* setUp
      for (const [what, command] of cases(right.welcome)) refused(before.welcome().welcome(command), what)
    }))

  it.effect("INITIATE", () =>
    Effect.gen(function*() {
      const { alpha, before, right } = yield* setUp
      for (const [what, command] of cases(right.initiate)) {
        refused(before.initiate().initiate(command, alpha.publicKey), what)
      }
    }))

  it.effect("READY", () =>
    Effect.gen(function*() {
      const { before, right } = yield* setUp
      for (const [what, command] of cases(right.ready)) refused(before.ready().ready(command), what)
    }))

  it.effect(
    "and one whose box opens, but holds what nobody who follows the protocol puts in",
    () =>
      Effect.gen(function*() {
        const { alpha, before, beta, crypto, right } = yield* setUp
        const seal = (prefix: string, nonce: Uint8Array, key: Crypto.SharedKey, plain: Uint8Array) =>
          crypto.seal(key, concat(utf8(prefix), nonce), plain)
        // HELLO's zeros.
        for (const [what, plain] of damaged(new Uint8Array(64))) {
          const box = seal("CurveZMQHELLO---", u64(1), right.helloKey, plain)
          refused(
            before.hello().hello(concat(right.hello.subarray(0, 120), box)),
            what,
            "ERR_HANDSHAKE",
            "the box of HELLO does not hold zeros"
          )
        }
        // The vouch's plaintext, and its box and nonce inside INITIATE.
        for (const [what, vouchPlain] of damaged(right.vouchPlain)) {
          refused(
            before.initiate().initiate(
              Vectors.build(crypto, alpha, beta, Vectors.draws, { vouchPlain }).initiate,
              alpha.publicKey
            ),
            what,
            "ERR_HANDSHAKE",
            "the vouch is for another connection"
          )
        }
        for (const [what, plain] of damaged(right.initiatePlain.subarray(0, 128))) {
          const box = seal(
            "CurveZMQINITIATE",
            u64(2),
            right.sessionKey,
            concat(plain, right.initiatePlain.subarray(128))
          )
          const command = concat(right.initiate.subarray(0, 113), box)
          const result = before.initiate().initiate(command, alpha.publicKey)
          const isKey = Number(/\d+/.exec(what)![0]) < 32
          if (isKey) refused(result, what, "ERR_PUBLIC_KEY")
          else refused(result, what, "ERR_HANDSHAKE", "the vouch does not open")
        }
      }),
    60_000
  )
})

layer(NodeCrypto.layer)("a handshake is refused with", (it) => {
  it.effect("commands out of turn, repeated, or sent back to their sender", () =>
    Effect.gen(function*() {
      const { alpha, before, right } = yield* setUp
      const { hello, initiate, ready, welcome } = right
      const commands = [hello, welcome, initiate, ready, right.message("client", 3, 0, utf8("x"))]
      const others = (command: Uint8Array) => commands.filter((other) => other !== command)
      for (const command of others(hello)) refused(before.hello().hello(command))
      for (const command of others(welcome)) refused(before.welcome().welcome(command))
      for (const command of others(initiate)) refused(before.initiate().initiate(command, alpha.publicKey))
      for (const command of others(ready)) refused(before.ready().ready(command))

      // The right command, at the wrong time.
      refused(before.hello().initiate(initiate, alpha.publicKey))
      refused(before.initiate().hello(hello))
      refused(before.welcome().ready(ready))
      refused(before.ready().welcome(welcome))
      const fresh = () => {
        const client = before.welcome()
        get(client.welcome(welcome))
        get(client.ready(ready))
        return client
      }
      refused(fresh().welcome(welcome))
      refused(fresh().ready(ready))
      const server = before.initiate()
      get(server.initiate(initiate, alpha.publicKey))
      refused(server.initiate(initiate, alpha.publicKey))
      assert.throws(() => server.ready(), "out of turn")
    }))

  it.effect("anything that comes after a failure", () =>
    Effect.gen(function*() {
      const { alpha, before, right } = yield* setUp
      const server = before.hello()
      refused(server.hello(flipped(right.hello, 199, 1)))
      refused(server.hello(right.hello), "a second HELLO")

      const waiting = before.initiate()
      refused(waiting.initiate(flipped(right.initiate, 250, 1), alpha.publicKey))
      refused(waiting.initiate(right.initiate, alpha.publicKey), "a second INITIATE")
      assert.throws(() => waiting.ready(), "out of turn")

      const again = before.initiate()
      refused(again.hello(right.hello), "a second HELLO")
      refused(again.initiate(right.initiate, alpha.publicKey), "after it")

      const client = before.welcome()
      refused(client.welcome(flipped(right.welcome, 100, 1)))
      refused(client.welcome(right.welcome))
      const almost = before.ready()
      refused(almost.ready(flipped(right.ready, 20, 1)))
      refused(almost.ready(right.ready))

      for (const step of ["welcome", "ready"] as const) {
        const closed = before[step]()
        closed.close()
        refused(closed[step](right[step]))
      }
      const closed = before.initiate()
      closed.close()
      closed.close()
      refused(closed.initiate(right.initiate, alpha.publicKey))
    }))

  it.effect("a call of one's own out of turn, which is a bug and throws", () =>
    Effect.gen(function*() {
      const { before, scriptedClient } = yield* setUp
      const client = scriptedClient()
      client.hello()
      assert.throws(() => client.hello(), "out of turn")
      assert.throws(() => before.hello().ready(), "out of turn")
      assert.throws(() => before.initiate().ready(), "out of turn")
    }))

  it.effect("a recording of another: the cookie is of that connection, and S' too", () =>
    Effect.gen(function*() {
      const { alpha, beta, handshake, optionsOf } = yield* setUp
      const recorded = handshake(
        Handshake.client(optionsOf("alpha"), beta.publicKey),
        Handshake.server(optionsOf("beta"))
      )
      const server = Handshake.server(optionsOf("beta"))
      assert.notDeepEqual(get(server.hello(recorded.hello)), recorded.welcome)
      refused(
        server.initiate(recorded.initiate, alpha.publicKey),
        "INITIATE",
        "ERR_HANDSHAKE",
        "not an INITIATE with this connection's cookie"
      )
      // And to a client.
      const client = Handshake.client(optionsOf("alpha"), beta.publicKey)
      client.hello()
      refused(client.welcome(recorded.welcome))
      const other = Handshake.client(optionsOf("alpha"), beta.publicKey)
      get(other.welcome(get(Handshake.server(optionsOf("beta")).hello(other.hello()))))
      refused(other.ready(recorded.ready))
      // The cookie alone, repeated inside an INITIATE that is otherwise right.
      const third = Handshake.client(optionsOf("alpha"), beta.publicKey)
      const last = Handshake.server(optionsOf("beta"))
      const initiate = get(third.welcome(get(last.hello(third.hello()))))
      initiate.set(recorded.initiate.subarray(9, 105), 9)
      refused(last.initiate(initiate, alpha.publicKey))
    }))

  it.effect("the wrong server, and the wrong client", () =>
    Effect.gen(function*() {
      const { alpha, before, beta, build, crypto, gamma, optionsOf, right } = yield* setUp
      // A client that believes beta's address to be gamma's.
      const mistaken = Handshake.client(optionsOf("alpha"), gamma.publicKey)
      refused(Handshake.server(optionsOf("beta")).hello(mistaken.hello()))
      // Gamma poses as beta: it can read nothing, so it answers with what it has.
      const posed = Vectors.build(crypto, alpha, gamma)
      refused(before.welcome().welcome(posed.welcome))
      // Gamma's INITIATE under alpha's packet key, and alpha's under gamma's.
      refused(before.initiate().initiate(right.initiate, gamma.publicKey), "", "ERR_PUBLIC_KEY")
      refused(before.initiate().initiate(right.initiate, beta.publicKey), "", "ERR_PUBLIC_KEY")
      const claimed = build({ longTerm: PublicKey.toBytes(gamma.publicKey) }).initiate
      refused(before.initiate().initiate(claimed, gamma.publicKey), "", "ERR_HANDSHAKE", "the vouch does not open")
      refused(before.initiate().initiate(claimed, alpha.publicKey), "", "ERR_PUBLIC_KEY")
    }))

  it.effect("a stolen secret, by which the thief would pose as others to whom it was stolen from", () =>
    Effect.gen(function*() {
      const { alpha, before, beta, build, crypto } = yield* setUp
      // All that either secret gives without the other: the product of both long-term keys, which is what RAW is sealed with.
      const stolen = crypto.sharedKey(alpha.publicKey, beta.secretKey)
      assert.deepStrictEqual(stolen, crypto.sharedKey(beta.publicKey, alpha.secretKey))
      // With beta's, as alpha to beta: the vouch is between alpha's key and beta's short-term one.
      const { initiate } = build({ vouchKey: stolen })
      refused(
        before.initiate().initiate(initiate, alpha.publicKey),
        "as alpha",
        "ERR_HANDSHAKE",
        "the vouch does not open"
      )
      // With alpha's, as beta to alpha: WELCOME is between alpha's short-term key and beta's.
      const { welcome } = build({ helloKey: stolen })
      refused(before.welcome().welcome(welcome), "as beta", "ERR_HANDSHAKE")
    }))

  it.effect("short-term keys of low order, or that are not canonical", () =>
    Effect.gen(function*() {
      const { alpha, before, build, crypto } = yield* setUp
      const { boxBefore } = yield* PortableCrypto.box
      for (const [name, key] of Vectors.badKeys) {
        // A library that multiplies with these makes a key that everybody knows.
        assert.deepStrictEqual(
          boxBefore(key, range(0x21, 32)),
          Redacted.value(Vectors.lowOrderKey),
          name
        )
        const { hello } = build({ clientEphemeral: key, helloKey: Vectors.lowOrderKey })
        refused(before.hello().hello(hello), name, "ERR_HANDSHAKE", "C' is no public key")
        const { welcome } = build({ serverEphemeral: key })
        refused(before.welcome().welcome(welcome), name, "ERR_HANDSHAKE", "S' is no public key")
        const { initiate } = build({ longTerm: key, vouchKey: Vectors.lowOrderKey })
        refused(before.initiate().initiate(initiate, alpha.publicKey), name, "ERR_PUBLIC_KEY")
      }
      assert.strictEqual(crypto.name, "portable")
    }).pipe(Effect.provide(PortableCrypto.layer, { local: true })))

  it.effect("wrong nonces, version and padding, though sealed right", () =>
    Effect.gen(function*() {
      const { alpha, before, build } = yield* setUp
      for (const nonce of [0, 2, 2 ** 32, 2 ** 32 + 1, 2 ** 53]) {
        refused(before.hello().hello(build({ helloNonce: nonce }).hello), `${nonce}`)
        refused(before.ready().ready(build({ readyNonce: nonce }).ready), `${nonce}`)
      }
      for (const nonce of [0, 1, 3, 2 ** 32 + 2]) {
        refused(before.initiate().initiate(build({ initiateNonce: nonce }).initiate, alpha.publicKey), `${nonce}`)
      }
      for (const version of [[0, 0], [1, 1], [2, 0], [0, 1]]) {
        refused(before.hello().hello(build({ version: Uint8Array.from(version) }).hello), `${version}`)
      }
      for (let i = 0; i < 72; i++) {
        const padding = new Uint8Array(72)
        padding[i] = 1
        refused(before.hello().hello(build({ padding }).hello), `padding ${i}`)
      }
    }))

  it.effect("metadata that lack a property, or have one twice, malformed or wrong", () =>
    Effect.gen(function*() {
      const { alpha, before, build } = yield* setUp
      for (const [name, _, clientMetadata, error] of Vectors.badMetadata("alpha")) {
        const result = before.initiate().initiate(build({ clientMetadata }).initiate, alpha.publicKey)
        if (error !== "violation") refused(result, name, error)
      }
      for (const [name, _, serverMetadata, error] of Vectors.badMetadata("beta")) {
        const result = before.ready().ready(build({ serverMetadata }).ready)
        if (error !== "violation") refused(result, name, error)
      }
    }))
})

layer(PortableCrypto.layer)("metadata", (it) => {
  it.effect("are read whatever the order, the case, and the company of the properties", () =>
    Effect.gen(function*() {
      const { alpha, before, build } = yield* setUp
      for (const [name, _, clientMetadata, binary, features] of Vectors.goodMetadata("alpha")) {
        const server = before.initiate(true)
        const peer = get(server.initiate(build({ clientMetadata }).initiate, alpha.publicKey))
        assert.deepStrictEqual(peer, { name: names.alpha, publicKey: alpha.publicKey }, name)
        const { established } = server.ready()
        assert.strictEqual(established.binary, binary, name)
        assert.deepStrictEqual([...established.features], features, name)
        // Who offers nothing has text, whatever the other says.
        const text = before.initiate(false)
        get(text.initiate(build({ clientMetadata }).initiate, alpha.publicKey))
        assert.isFalse(text.ready().established.binary, name)
      }
      for (const [name, _, serverMetadata, binary, features] of Vectors.goodMetadata("beta")) {
        const { ready } = build({ serverMetadata })
        const established = get(before.ready(true).ready(ready))
        assert.strictEqual(established.binary, binary, name)
        assert.deepStrictEqual([...established.features], features, name)
        assert.strictEqual(get(before.ready(false).ready(ready)).peer.name, names.beta, name)
      }
    }))

  it.prop("come back as they were", {
    properties: Schema.Array(Schema.Tuple([Schema.Uint8Array, Schema.Boolean]))
  }, ({ properties }) => {
    const given = new Map(properties.map(([value, upper], i) => [`${upper ? "N" : "n"}ame-${i}`, value.slice()]))
    const decoded = Metadata.decode(Metadata.encode(given))
    assert.deepStrictEqual(
      [...decoded ?? []].map(([name, value]) => [name, value.slice()]),
      [...given].map(([name, value]) => [name.toLowerCase(), value])
    )
  })

  it.prop("never throw, and account for every byte", { bytes: Schema.Uint8Array }, ({ bytes }) => {
    const decoded = Metadata.decode(bytes.slice())
    if (decoded === undefined) return
    const size = [...decoded].reduce((sum, [name, value]) => sum + 5 + name.length + value.length, 0)
    assert.strictEqual(size, bytes.length)
  })
})

layer(NodeCrypto.layer)("bytes of any kind", (it) => {
  const runs = { arbitrary: { runs: 40 } }

  it.effect.prop("never throw, and never complete a handshake", { bytes: Schema.Uint8Array, pad: Schema.Boolean }, ({
    bytes: given,
    pad
  }) =>
    Effect.gen(function*() {
      const { alpha, before, right } = yield* setUp
      const bytes = given.slice()
      // Alone, behind a command's name, and of its length too.
      const like = (command: Uint8Array, name: number) => {
        const out = pad ? command.slice() : new Uint8Array(command.length)
        out.set(command.subarray(0, name))
        out.set(bytes.subarray(0, command.length - name), name)
        return out
      }
      const same = (a: Uint8Array, b: Uint8Array) => a.length === b.length && a.every((byte, i) => byte === b[i])
      const check = (command: Uint8Array, name: number, step: (bytes: Uint8Array) => Answer<unknown>) => {
        const candidates = [bytes, concat(command.subarray(0, name), bytes), like(command, name)]
        for (const candidate of candidates) {
          if (!same(candidate, command)) refused(step(candidate))
        }
      }
      check(right.hello, 6, (command) => before.hello().hello(command))
      check(right.welcome, 8, (command) => before.welcome().welcome(command))
      check(right.initiate, 9, (command) => before.initiate().initiate(command, alpha.publicKey))
      check(right.ready, 6, (command) => before.ready().ready(command))
    }), { ...runs, timeout: 60_000 })

  it.effect.prop(
    "never throw inside boxes that open",
    { bytes: Schema.Uint8Array },
    ({ bytes: given }) =>
      Effect.gen(function*() {
        const { alpha, before, build, crypto, right } = yield* setUp
        const bytes = given.slice()
        const cut = (length: number) => concat(bytes, new Uint8Array(length)).slice(0, length)
        refused(before.hello().hello(build({ helloSigned: concat(cut(63), Uint8Array.of(1)) }).hello))
        const welcomeNonce = Vectors.draws.server.welcomeNonce
        const welcome = concat(
          right.welcome.subarray(0, 24),
          crypto.seal(right.helloKey, concat(utf8("WELCOME-"), welcomeNonce), cut(128))
        )
        // S' may be anything that is a key, and the cookie is the server's affair.
        before.welcome().welcome(welcome)
        refused(before.initiate().initiate(build({ clientMetadata: bytes }).initiate, alpha.publicKey))
        refused(before.ready().ready(build({ serverMetadata: bytes }).ready))
        const box = crypto.seal(right.sessionKey, concat(utf8("CurveZMQINITIATE"), u64(2)), bytes)
        refused(before.initiate().initiate(concat(right.initiate.subarray(0, 113), box), alpha.publicKey))
        const longer = crypto.seal(
          right.sessionKey,
          concat(utf8("CurveZMQINITIATE"), u64(2)),
          concat(cut(128), bytes)
        )
        const code = Result.match(
          before.initiate().initiate(concat(right.initiate.subarray(0, 113), longer), alpha.publicKey),
          { onSuccess: () => "none", onFailure: (error) => error.code }
        )
        assert.include(["ERR_PUBLIC_KEY", "ERR_HANDSHAKE"], code)
      }),
    { ...runs, timeout: 60_000 }
  )
})

layer(NodeCrypto.layer)("a MESSAGE", (it) => {
  const payload = range(0, 100)

  it.effect("carries flags and parts, both ways, with exact nonces", () =>
    Effect.gen(function*() {
      const { right, session } = yield* setUp
      const { client, server } = session()
      assert.deepStrictEqual([client.sent, client.received, server.sent, server.received], [2, 1, 1, 2])
      for (let i = 0; i < 300; i++) {
        const flags = (i % 3) as InternalMessageBox.Flags
        const parts = Array.from({ length: i % 4 }, (_, j) => range(j, i % 7 * 40 + j))
        const joined = concat(...parts)
        const there = client.seal(flags, parts)
        const back = server.seal(flags, parts)
        assert.deepStrictEqual(there, right.message("client", 3 + i, flags, joined))
        assert.deepStrictEqual(back, right.message("server", 2 + i, flags, joined))
        assert.strictEqual(there.length, joined.length + overhead)
        for (const opened of [opens(server.open(there)), opens(client.open(back))]) {
          assert.deepStrictEqual({ ...opened, payload: opened.payload.slice() }, { flags, payload: joined })
        }
      }
      assert.deepStrictEqual([client.sent, client.received, server.sent, server.received], [302, 301, 301, 302])
    }))

  it.effect("counts beyond 32 bits", () =>
    Effect.gen(function*() {
      const { crypto, established } = yield* setUp
      const { client, server } = established()
      const at = 2 ** 32 - 2
      const one = new MessageBox(crypto, { ...client, sendNonce: at, recvNonce: at })
      const other = new MessageBox(crypto, { ...server, sendNonce: at, recvNonce: at })
      for (const nonce of ["00000000fffffffe", "00000000ffffffff", "0000000100000000", "0000000100000001"]) {
        const command = one.seal(0, [payload])
        assert.strictEqual(Buffer.from(command.subarray(8, 16)).toString("hex"), nonce)
        opens(other.open(command))
        opens(one.open(other.seal(1, [payload])))
      }
      assert.strictEqual(one.sent, 2 ** 32 + 1)
    }))

  it.effect("leaves room for what goes before it", () =>
    Effect.gen(function*() {
      const { session } = yield* setUp
      const { client, server } = session()
      const record = client.seal(2, [payload, payload], 4)
      assert.deepStrictEqual(record.slice(0, 4), new Uint8Array(4))
      assert.deepStrictEqual(opens(server.open(record.subarray(4))).payload.slice(), concat(payload, payload))
    }))

  it.effect("opens beside its command, or in its place", () =>
    Effect.gen(function*() {
      const { session } = yield* setUp
      const { client, server } = session()
      const first = client.seal(0, [payload])
      const copy = first.slice()
      const beside = opens(server.open(first))
      assert.deepStrictEqual(first, copy)
      assert.notStrictEqual(beside.payload.buffer, first.buffer)
      const second = concat(range(0, 3), client.seal(1, [payload]), range(0, 3)).subarray(3, -3)
      const inPlace = opens(server.openInPlace(second))
      assert.deepStrictEqual(inPlace.payload.slice(), payload)
      assert.strictEqual(inPlace.payload.buffer, second.buffer)
      assert.strictEqual(inPlace.flags, 1)
      // What does not open is left as it was.
      const third = flipped(client.seal(0, [payload]), 60, 1)
      const before = third.slice()
      assert.strictEqual(server.openInPlace(third), "box")
      assert.deepStrictEqual(third, before)
    }))

  it.effect("is refused when a byte is other, is missing, or is too much", () =>
    Effect.gen(function*() {
      const { session } = yield* setUp
      const { client, server } = session()
      const command = client.seal(0, [payload])
      for (const [what, bad] of [...damaged(command), ...resized(command)]) {
        const at = /^byte (\d+),/.exec(what)
        const expected = at !== null
          ? Number(at[1]) < 8 ? "not a MESSAGE" : Number(at[1]) < 16 ? "nonce" : "box"
          : bad.length < overhead
          ? "not a MESSAGE"
          : "box"
        assert.strictEqual(server.open(bad), expected, what)
        assert.strictEqual(server.openInPlace(bad), expected, what)
      }
      // Nothing of that was counted; whether to go on is the session's affair, which does not.
      opens(server.open(command))
    }))

  it.effect("is refused repeated, skipped, reordered, sent back, or from another session", () =>
    Effect.gen(function*() {
      const { crypto, beta, handshake, optionsOf, session } = yield* setUp
      const { client, server } = session()
      const [first, second, third] = [client.seal(0, [payload]), client.seal(0, [payload]), client.seal(0, [payload])]
      assert.strictEqual(server.open(second), "nonce", "skipped")
      opens(server.open(first))
      assert.strictEqual(server.open(first), "nonce", "repeated")
      assert.strictEqual(server.open(third), "nonce", "reordered")
      opens(server.open(second))

      // Sent back: the server's next nonce is 2, the client's first was 3; so let them meet.
      assert.strictEqual(client.open(first), "nonce")
      opens(client.open(server.seal(1, [])))
      assert.strictEqual(client.open(first), "box", "reflected, with the nonce that is due")

      const other = handshake(
        Handshake.client(optionsOf("alpha"), beta.publicKey),
        Handshake.server(optionsOf("beta"))
      )
      assert.strictEqual(new MessageBox(crypto, other.server).open(first), "box")
    }))

  it.effect("has flags 0, 1 or 2", () =>
    Effect.gen(function*() {
      const { right, session } = yield* setUp
      for (let flags = 0; flags < 256; flags++) {
        const opened = session().server.open(right.message("client", 3, flags, payload))
        if (flags <= 2) assert.strictEqual(opens(opened).flags, flags)
        else assert.strictEqual(opened, "flags")
      }
    }), 60_000)

  it.effect("is neither sealed nor opened after close, which wipes the key", () =>
    Effect.gen(function*() {
      const { crypto, established } = yield* setUp
      const { client, server } = established()
      const one = new MessageBox(crypto, client)
      const other = new MessageBox(crypto, server)
      const command = one.seal(0, [payload])
      one.close()
      other.close()
      assert.deepStrictEqual(Redacted.value(client.sharedKey), new Uint8Array(32))
      assert.throws(() => one.seal(0, [payload]), "after its session had ended")
      assert.strictEqual(other.open(command), "box")
      // Nor under the key of zeros.
      const forged = new MessageBox(crypto, { ...client, sharedKey: Redacted.make(new Uint8Array(32)) }).seal(0, [])
      assert.strictEqual(other.open(forged), "box")
    }))

  it.effect.prop("comes back as it was, and damaged bytes never throw", {
    parts: Schema.Array(Schema.Uint8Array),
    bytes: Schema.Uint8Array,
    flags: Schema.Literals([0, 1, 2])
  }, ({ bytes: given, flags, parts: givenParts }) =>
    Effect.gen(function*() {
      const { session } = yield* setUp
      const { client, server } = session()
      const parts = givenParts.map((part) => part.slice())
      const bytes = given.slice()
      const command = client.seal(flags, parts)
      assert.strictEqual(typeof server.open(bytes), "string")
      assert.strictEqual(typeof server.open(concat(command.subarray(0, 16), bytes)), "string")
      const opened = opens(server.open(command))
      assert.deepStrictEqual({ ...opened, payload: opened.payload.slice() }, { flags, payload: concat(...parts) })
    }), { arbitrary: { runs: 40 }, timeout: 30_000 })
})

layer(PortableCrypto.layer)("a Boxer", (it) => {
  it.effect("seals and opens as seal and open do, beside and in place, and checks what it is given", () =>
    Effect.gen(function*() {
      const { crypto, right } = yield* setUp
      const { openInto, sealInto } = crypto.boxer(right.sessionKey)
      const nonce = range(3, 24)
      for (const length of [0, 1, 15, 16, 31, 32, 33, 64, 1_000, 70_000, 140_000]) {
        const message = range(1, length)
        const box = crypto.seal(right.sessionKey, nonce, message)
        const out = new Uint8Array(length + 16)
        sealInto(out, message, nonce)
        assert.deepStrictEqual(out, box)
        const inPlace = concat(new Uint8Array(16), message)
        sealInto(inPlace, inPlace.subarray(16), nonce)
        assert.deepStrictEqual(inPlace, box)

        const opened = new Uint8Array(length)
        assert.isTrue(openInto(opened, box, nonce))
        assert.deepStrictEqual(opened, message)
        assert.isTrue(openInto(inPlace.subarray(16), inPlace, nonce))
        assert.deepStrictEqual(inPlace.slice(16), message)

        const bad = flipped(box, length, 4)
        const copy = bad.slice()
        assert.isFalse(openInto(bad.subarray(16), bad, nonce))
        assert.deepStrictEqual(bad, copy)
      }
      assert.isFalse(openInto(new Uint8Array(0), new Uint8Array(15), nonce))
      assert.throws(() => sealInto(new Uint8Array(16), new Uint8Array(1), nonce), RangeError)
      assert.throws(() => sealInto(new Uint8Array(17), new Uint8Array(1), nonce.subarray(1)), RangeError)
      assert.throws(() => openInto(new Uint8Array(1), new Uint8Array(16), nonce), RangeError)
      assert.throws(() => openInto(new Uint8Array(0), new Uint8Array(16), nonce.subarray(1)), RangeError)
      assert.throws(() => crypto.boxer(Redacted.make(new Uint8Array(31))), RangeError)
    }))
})

layer(PortableCrypto.layer)("the handshake in docs/vectors.json", (it) => {
  it.effect("is made by the library from the same random bytes", () =>
    Effect.gen(function*() {
      const { alpha, beta, crypto, optionsOf } = yield* setUp
      for (const vector of load().handshake.sessions) {
        const random = (side: "client" | "server") =>
          Vectors.scripted(
            crypto,
            Object.fromEntries(Object.entries(vector[side].random).map(([key, hex]) => [key, ofHex(hex)]))
          )
        const client = Handshake.client(
          optionsOf("alpha", { crypto: random("client"), binary: vector.client.binary }),
          beta.publicKey
        )
        const server = Handshake.server(optionsOf("beta", { crypto: random("server"), binary: vector.server.binary }))
        const { commands } = vector
        assert.deepStrictEqual(client.hello(), ofHex(commands.hello))
        assert.deepStrictEqual(get(server.hello(ofHex(commands.hello))), ofHex(commands.welcome))
        assert.deepStrictEqual(get(client.welcome(ofHex(commands.welcome))), ofHex(commands.initiate))
        get(server.initiate(ofHex(commands.initiate), alpha.publicKey))
        const { command, established } = server.ready()
        assert.deepStrictEqual(command, ofHex(commands.ready))
        const other = get(client.ready(ofHex(commands.ready)))
        assert.deepStrictEqual([established.binary, other.binary], [vector.binary, vector.binary], vector.name)
        assert.deepStrictEqual(Redacted.value(other.sharedKey), ofHex(vector.steps["sessionKey"]!))

        const boxes = { client: new MessageBox(crypto, other), server: new MessageBox(crypto, established) }
        for (const { command, flags, from, payload } of vector.messages) {
          assert.deepStrictEqual(boxes[from].seal(flags, [ofHex(payload)]), ofHex(command))
          const opened = opens(boxes[from === "client" ? "server" : "client"].open(ofHex(command)))
          assert.deepStrictEqual([opened.flags, opened.payload.slice()], [flags, ofHex(payload)])
        }

        const types = ["msg", "rsp"] as const
        for (const [i, text] of vector.packets.entries()) {
          const packet = get(Packet.decode(utf8(text), { networkId, types, maxLength: Packet.maxStreamLength }))
          assert.strictEqual(packet.type, types[i % 2])
          assert.strictEqual(packet.publicKey, (i % 2 === 0 ? alpha : beta).publicKey)
          const content = Buffer.from(packet.content).toString()
          const hex = Object.values(commands)[i]!
          assert.strictEqual(Buffer.from(content, "base64url").toString("hex"), hex)
        }
      }
    }))

  it.effect("is read as it says", () =>
    Effect.gen(function*() {
      const { alpha, before, beta, crypto, gamma } = yield* setUp
      const { accepted, refused: bad, sessions } = load().handshake
      const vectors = [...accepted, ...bad].map(({ name }) => name)
      assert.strictEqual(new Set(vectors).size, vectors.length)
      assert.isAbove(sessions.length, 0)

      for (const { command, hex, name, result } of accepted) {
        if (command === "initiate") {
          const server = before.initiate(true)
          assert.strictEqual(get(server.initiate(ofHex(hex), alpha.publicKey)).name, result.name, name)
          const { established } = server.ready()
          assert.strictEqual(established.binary, result.binary, name)
          assert.deepStrictEqual([...established.features], result.features ?? [], name)
        } else {
          const { binary, features, peer } = get(before.ready(true).ready(ofHex(hex)))
          assert.deepStrictEqual({ name: peer.name as string, binary, features: [...features] }, {
            features: [],
            ...result
          }, name)
        }
      }

      const keys = { alpha, beta, gamma }
      for (const { command, error, hex, name, packetKey = "alpha" } of bad) {
        const bytes = ofHex(hex)
        if (error === "violation") {
          const client = before.ready(true)
          const established = get(client.ready(ofHex(sessions[0]!.commands.ready)))
          assert.strictEqual(typeof new MessageBox(crypto, established).open(bytes), "string", name)
        } else if (command === "hello") refused(before.hello(true).hello(bytes), name, error)
        else if (command === "welcome") refused(before.welcome(true).welcome(bytes), name, error)
        else if (command === "initiate") {
          refused(
            before.initiate(true).initiate(bytes, keys[packetKey as keyof typeof keys].publicKey),
            name,
            error
          )
        } else refused(before.ready(true).ready(bytes), name, error)
      }
    }))
})

describe("guards", () => {
  it("take a command by its name alone", () => {
    for (const is of [Handshake.isHello, Handshake.isWelcome, Handshake.isInitiate, Handshake.isReady, isMessage]) {
      assert.isFalse(is(new Uint8Array(0)))
      assert.isFalse(is(utf8("\u0005")))
      assert.isFalse(is(utf8("\u0003RAW")))
    }
    assert.isTrue(Handshake.isHello(utf8("\u0005HELLO")))
    assert.isFalse(Handshake.isHello(utf8("\u0006HELLO")))
    assert.isFalse(Handshake.isHello(utf8("\u0005hello")))
    assert.isFalse(Handshake.isReady(utf8("\u0005READ")))
  })
})
