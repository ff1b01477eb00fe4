import { assert, describe, it, layer } from "@effect/vitest"
import * as Crypto from "@pnet/core/Crypto"
import * as Packet from "@pnet/core/Packet"
import * as PortableCrypto from "@pnet/core/PortableCrypto"
import type * as ProtocolError from "@pnet/core/ProtocolError"
import * as PublicKey from "@pnet/core/PublicKey"
import * as Raw from "@pnet/core/Raw"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as InternalCipher from "../../src/internal/wire/networkCipher.ts"

// The package exports no internals, and tsc does not let a static import cross into another project's sources.
const NetworkCipher: typeof InternalCipher = await import(
  new URL("../../src/internal/wire/networkCipher.ts", import.meta.url).href
)

const utf8 = (text: string): Uint8Array => new Uint8Array(new TextEncoder().encode(text))

const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    out.set(part, offset)
    offset += part.length
  }
  return out
}

const networkId = Packet.NetworkId.make("lab")
const alpha = Packet.NodeName.make("alpha")
const stamp = 1_700_000_000_123_456

const setUp = Effect.map(Crypto.Crypto, (crypto) => {
  const pairOf = (fill: number) => crypto.keyPair(Redacted.make(new Uint8Array(32).fill(fill)))
  const a = pairOf(1)
  const b = pairOf(2)
  const key = crypto.sharedKey(b.publicKey, a.secretKey)
  const request: Raw.Message = {
    kind: "request",
    to: b.publicKey,
    networkId,
    name: alpha,
    stamp,
    payload: utf8("hello")
  }
  const toB = { kind: "request", to: b.publicKey, networkId } as const
  const open = (command: Uint8Array, expected: Parameters<typeof Raw.open>[3] = toB) =>
    Raw.open(crypto, key, command, expected)
  const opens = (command: Uint8Array, expected?: Parameters<typeof Raw.open>[3]): Raw.Message => {
    const { payload, ...message } = Result.getOrThrowWith(open(command, expected), (error) => error)
    return { ...message, payload: payload.slice() }
  }
  const refused = (command: Uint8Array, detail?: string, expected?: Parameters<typeof Raw.open>[3]) => {
    const error = Result.getOrThrow(Result.flip(open(command, expected)))
    assert.strictEqual(error.code, "ERR_NODE_DECRYPTION_FAILED")
    assert.strictEqual(error.origin, "local")
    if (detail !== undefined) assert.strictEqual(error.reason.detail, detail)
  }
  const noncePrefix = utf8("PnetRAW-")
  /** A command around any body, with any nonce. */
  const box = (body: Uint8Array, nonce = concat(noncePrefix, new Uint8Array(16).fill(9))) =>
    concat(utf8("\u0003RAW"), nonce, crypto.seal(key, nonce, body))
  const stampBytes = Uint8Array.of(0, 6, 0x0a, 0x24, 0x18, 0x1e, 0x64, 0)
  const body = (fields: {
    readonly version?: number
    readonly kind?: number
    readonly to?: Uint8Array
    readonly networkSize?: number
    readonly network?: Uint8Array
    readonly nameSize?: number
    readonly name?: Uint8Array
    readonly stamp?: Uint8Array
    readonly payload?: Uint8Array
  }) => {
    const network = fields.network ?? utf8("lab")
    const name = fields.name ?? utf8("alpha")
    return concat(
      Uint8Array.of(fields.version ?? 1, fields.kind ?? 0),
      fields.to ?? PublicKey.toBytes(b.publicKey),
      Uint8Array.of(fields.networkSize ?? network.length),
      network,
      Uint8Array.of(fields.nameSize ?? name.length),
      name,
      fields.stamp ?? stampBytes,
      fields.payload ?? utf8("hello")
    )
  }
  return { a, b, body, box, crypto, key, open, opens, refused, request, toB }
})

layer(PortableCrypto.layer)("RAW", (it) => {
  it.effect("is laid out as the protocol says", () =>
    Effect.gen(function*() {
      const { b, crypto, key, opens, request } = yield* setUp
      const random = Uint8Array.from({ length: 16 }, (_, i) => i)
      const command = Raw.seal(crypto, key, request, random)
      assert.deepStrictEqual(command.slice(0, 4), Uint8Array.of(3, 0x52, 0x41, 0x57))
      const nonce = command.slice(4, 28)
      assert.deepStrictEqual(nonce, concat(utf8("PnetRAW-"), random))
      const view = new DataView(new ArrayBuffer(8))
      view.setBigUint64(0, 1_700_000_000_123_456n)
      assert.deepStrictEqual(
        crypto.open(key, nonce, command.subarray(28))?.slice(),
        concat(
          Uint8Array.of(1, 0),
          PublicKey.toBytes(b.publicKey),
          Uint8Array.of(3),
          utf8("lab"),
          Uint8Array.of(5),
          utf8("alpha"),
          new Uint8Array(view.buffer),
          utf8("hello")
        )
      )
      assert.deepStrictEqual(opens(command), request)
      // An answer differs in its kind alone.
      const answer = Raw.seal(crypto, key, { ...request, kind: "answer" }, random)
      assert.strictEqual(crypto.open(key, nonce, answer.subarray(28))?.[1], 1)
    }))

  it.effect("draws its nonce", () =>
    Effect.gen(function*() {
      const { crypto, key, request } = yield* setUp
      const nonces = new Set(
        Array.from({ length: 50 }, () => Buffer.from(Raw.seal(crypto, key, request).subarray(4, 28)).toString("hex"))
      )
      assert.strictEqual(nonces.size, 50)
    }))

  it.effect("opens with its receiver's secret and its sender's key", () =>
    Effect.gen(function*() {
      const { a, b, crypto, key, request, toB } = yield* setUp
      const command = Raw.seal(crypto, key, request)
      const theirs = crypto.sharedKey(a.publicKey, b.secretKey)
      assert.isTrue(Result.isSuccess(Raw.open(crypto, theirs, command, toB)))
      const third = crypto.keyPair(Redacted.make(new Uint8Array(32).fill(3)))
      for (const other of [[third.publicKey, b.secretKey], [a.publicKey, third.secretKey]] as const) {
        assert.isTrue(Result.isFailure(Raw.open(crypto, crypto.sharedKey(...other), command, toB)))
      }
    }))

  it.effect("is bound to its receiver, its direction and its network", () =>
    Effect.gen(function*() {
      const { a, b, crypto, key, refused, request } = yield* setUp
      const command = Raw.seal(crypto, key, request)
      // Sent back to its sender, as a request of the receiver's.
      refused(command, "receiver", { kind: "request", to: a.publicKey, networkId })
      // Sent back as the answer to itself.
      refused(command, "direction", { kind: "answer", to: a.publicKey, networkId })
      refused(command, "direction", { kind: "answer", to: b.publicKey, networkId })
      for (const other of ["LAB", "la", "labs", "other"]) {
        refused(command, "network", { kind: "request", to: b.publicKey, networkId: Packet.NetworkId.make(other) })
      }
      const answer = Raw.seal(crypto, key, { ...request, kind: "answer", to: a.publicKey })
      refused(answer, "direction", { kind: "request", to: a.publicKey, networkId })
      refused(answer, "receiver", { kind: "answer", to: b.publicKey, networkId })
    }))

  it.effect("notices every bit that is flipped, and every byte that is missing or too much", () =>
    Effect.gen(function*() {
      const { crypto, key, open, request } = yield* setUp
      const command = Raw.seal(crypto, key, request)
      const isAccepted = (bytes: Uint8Array) => Raw.isRaw(bytes) && Result.isSuccess(open(bytes))
      assert.isTrue(isAccepted(command))
      for (let i = 0; i < command.length; i++) {
        for (let bit = 0; bit < 8; bit++) {
          const flipped = command.slice()
          flipped[i]! ^= 1 << bit
          assert.isFalse(isAccepted(flipped), `bit ${bit} of byte ${i}`)
        }
        assert.isFalse(isAccepted(command.slice(0, i)), `${i} bytes`)
      }
      assert.isFalse(isAccepted(concat(command, Uint8Array.of(0))))
    }))

  it.effect("is refused where a field is wrong, although the box opens", () =>
    Effect.gen(function*() {
      const { body, box, opens, refused } = yield* setUp
      assert.strictEqual(opens(box(body({}))).name, "alpha")
      for (const version of [0, 2, 255]) refused(box(body({ version })), "body")
      for (const kind of [1, 2, 255]) refused(box(body({ kind })), "direction")
      const to = new Uint8Array(32).fill(7)
      refused(box(body({ to })), "receiver")
      for (
        const network of ["", "LAB", "lab ", "lab\0", "la"]
      ) refused(box(body({ network: utf8(network) })), "network")
      refused(box(body({ network: Uint8Array.of(0x6c, 0x61, 0xe2) })), "network")
      for (const networkSize of [0, 2, 4, 255]) refused(box(body({ networkSize })), "network")
      for (const name of ["", "*", "a@b", "a|b", "a\nb", "n".repeat(65), "\u0085"]) {
        refused(box(body({ name: utf8(name) })), "name")
      }
      refused(box(body({ name: Uint8Array.of(0x61, 0xff) })), "name")
      for (const nameSize of [11, 12, 255]) {
        refused(box(body({ nameSize })), "size")
      }
    }))

  it.effect("has the name that its sender gave it, whichever is likely", () =>
    Effect.gen(function*() {
      const { crypto, key, request, toB } = yield* setUp
      const names = ["alpha", "alph", "alphab", "beta", "ä"].map((name) => Packet.NodeName.make(name))
      for (const name of names) {
        const command = Raw.seal(crypto, key, { ...request, name })
        for (const likely of [...names, undefined]) {
          assert.strictEqual(Result.getOrThrow(Raw.open(crypto, key, command, toB, likely)).name, name)
        }
      }
    }))

  it.effect("reads sizes, not separators", () =>
    Effect.gen(function*() {
      const { body, box, opens } = yield* setUp
      // Sizes that do not fit what their writer meant shift what follows, and are for the reader to take at their word.
      const shifted = opens(box(body({ name: utf8("alph\0"), nameSize: 4, payload: new Uint8Array(0) })))
      assert.strictEqual(shifted.name, "alph")
      assert.strictEqual(shifted.payload.length, 1)
      assert.strictEqual(opens(box(body({ payload: new Uint8Array(0) }))).payload.length, 0)
      const longest = opens(box(body({ name: utf8("n".repeat(64)) })))
      assert.strictEqual(longest.name.length, 64)
    }))

  it.effect("is refused where the body ends early, at every byte", () =>
    Effect.gen(function*() {
      const { body, box, opens, refused } = yield* setUp
      const whole = body({ payload: new Uint8Array(0) })
      for (let length = 0; length < whole.length; length++) refused(box(whole.slice(0, length)))
      assert.strictEqual(opens(box(whole)).payload.length, 0)
      // The network is the end of the body, and its size is more than that.
      refused(box(concat(whole.slice(0, 34), Uint8Array.of(200), utf8("lab"))))
    }))

  it.effect("has a nonce with its own prefix", () =>
    Effect.gen(function*() {
      const { body, box, refused } = yield* setUp
      for (const prefix of ["PnetRAW+", "pnetRAW-", "CurveZMQ", "\0\0\0\0\0\0\0\0"]) {
        refused(box(body({}), concat(utf8(prefix), new Uint8Array(16))), "nonce")
      }
      refused(utf8("\u0003RAW"), "nonce")
      refused(utf8("\u0003RAWPnetRAW-"), "nonce")
      refused(concat(utf8("\u0003RAWPnetRAW-"), new Uint8Array(16)), "the box does not open")
    }))

  it.effect("has a stamp that a number holds exactly, or is refused", () =>
    Effect.gen(function*() {
      const { body, box, crypto, key, open, opens, request, toB } = yield* setUp
      const stamped = (stamp: bigint) => {
        const bytes = new Uint8Array(8)
        new DataView(bytes.buffer).setBigUint64(0, stamp)
        return box(body({ stamp: bytes }))
      }
      for (const stamp of [0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1]) {
        assert.strictEqual(opens(Raw.seal(crypto, key, { ...request, stamp })).stamp, stamp)
        assert.strictEqual(opens(stamped(BigInt(stamp))).stamp, stamp)
      }
      for (const stamp of [2n ** 53n, 2n ** 53n + 1n, 2n ** 53n + 2n, 2n ** 63n, 2n ** 64n - 1n]) {
        const error = Result.getOrThrow(Result.flip(open(stamped(stamp))))
        assert.strictEqual(error.code, "ERR_REPLAY", String(stamp))
        // What else is wrong comes first, as with any other stamp.
        const answer = Result.getOrThrow(Result.flip(open(stamped(stamp), { ...toB, kind: "answer" })))
        assert.strictEqual(answer.code, "ERR_NODE_DECRYPTION_FAILED")
      }
    }))

  it.effect.prop("comes back as it was", {
    payload: Schema.Uint8Array,
    stamp: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
    answer: Schema.Boolean
  }, ({ answer, payload, stamp }) =>
    Effect.gen(function*() {
      const { crypto, key, opens, request, toB } = yield* setUp
      const kind = answer ? "answer" : "request"
      const message: Raw.Message = { ...request, kind, stamp, payload: payload.slice() }
      assert.deepStrictEqual(opens(Raw.seal(crypto, key, message), { ...toB, kind }), message)
    }))

  it.effect.prop(
    "never throws, whatever the bytes",
    { bytes: Schema.Uint8Array },
    ({ bytes }) =>
      Effect.gen(function*() {
        const { box, open, refused } = yield* setUp
        refused(bytes)
        refused(concat(utf8("\u0003RAWPnetRAW-"), bytes))
        // A box that opens, around whatever a peer with a key may put in.
        const opened = open(box(bytes))
        if (Result.isFailure(opened)) assert.strictEqual(opened.failure.code, "ERR_NODE_DECRYPTION_FAILED")
        else assert.fail("opened")
      })
  )

  const byte = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))
  const edits = Schema.Array(Schema.Struct({ at: byte, byte }))
  it.effect.prop("never throws over a damaged body either", { edits }, ({ edits }) =>
    Effect.gen(function*() {
      const { body, box, open } = yield* setUp
      const damaged = body({})
      for (const edit of edits) damaged[edit.at % damaged.length] = edit.byte
      const opened = open(box(damaged))
      if (Result.isSuccess(opened)) {
        assert.isTrue(Schema.is(Packet.NodeName)(opened.success.name))
        assert.strictEqual(opened.success.networkId, networkId)
      }
    }))

  const sizes = (text: string) => [1, 2, 3, 31, 62, 63, 64].map((length) => text.repeat(length))

  it.effect("has a largest payload, whose packet fits and after which one does not", () =>
    Effect.gen(function*() {
      const { a, b, crypto, key } = yield* setUp
      const length = (id: Packet.NetworkId, name: Packet.NodeName, payload: number) =>
        Packet.encode({
          networkId: id,
          type: "msg",
          content: Raw.toText(
            Raw.seal(crypto, key, {
              kind: "request",
              to: b.publicKey,
              networkId: id,
              name,
              stamp,
              payload: new Uint8Array(payload)
            })
          ),
          publicKey: a.publicKey
        }).length
      for (const id of sizes("i")) {
        for (const name of sizes("n")) {
          const options = { networkId: Packet.NetworkId.make(id), name: Packet.NodeName.make(name) }
          const limit = Raw.maxPayload({ ...options, encrypted: false })
          const [i, n] = [id.length, name.length]
          assert.strictEqual(limit, Math.min(98_000, 3 * Math.floor((131_017 - i) / 4) - i - n - 88), `${i} ${n}`)
          assert.isAtMost(length(options.networkId, options.name, limit), Packet.maxStreamLength)
          if (limit < 98_000) {
            assert.isAbove(length(options.networkId, options.name, limit + 1), Packet.maxStreamLength)
          }
        }
      }
      const longest = { networkId: Packet.NetworkId.make("i".repeat(64)), name: Packet.NodeName.make("n".repeat(64)) }
      assert.strictEqual(Raw.maxPayload({ ...longest, encrypted: false }), 97_998)
      assert.strictEqual(Raw.maxPayload({ networkId, name: alpha, encrypted: false }), 98_000)
      // Bytes count, not characters.
      const wide = { networkId: Packet.NetworkId.make("é".repeat(32)), name: Packet.NodeName.make("é".repeat(32)) }
      assert.strictEqual(Raw.maxPayload({ ...wide, encrypted: false }), 97_998)
    }))

  it.effect("fits with 73,000 bytes under a network key, whatever the id and the name", () =>
    Effect.gen(function*() {
      const { a, b, crypto, key } = yield* setUp
      const id = Packet.NetworkId.make("i".repeat(64))
      const name = Packet.NodeName.make("n".repeat(64))
      const limit = Raw.maxPayload({ networkId: id, name, encrypted: true })
      assert.strictEqual(limit, 73_000)
      const cipher = NetworkCipher.make({
        crypto,
        clock: yield* Clock.Clock,
        networkId: id,
        keys: [Redacted.make(new Uint8Array(32).fill(5))]
      })
      const command = Raw.seal(crypto, key, {
        kind: "request",
        to: b.publicKey,
        networkId: id,
        name,
        stamp,
        payload: new Uint8Array(limit)
      })
      const packet = Packet.encode({
        networkId: id,
        type: "msg",
        content: cipher.seal("msg", a.publicKey, Raw.toText(command)),
        publicKey: a.publicKey
      })
      assert.isAtMost(packet.length, Packet.maxStreamLength)
      assert.strictEqual(packet.length, 130_523)
    }))
})

describe("isRaw", () => {
  it("looks at the first four bytes alone", () => {
    assert.isTrue(Raw.isRaw(utf8("\u0003RAW")))
    assert.isTrue(Raw.isRaw(utf8("\u0003RAWx")))
    for (const text of ["", "\u0003", "\u0003RA", "\u0003raw", "\u0004RAW", "RAW", "\u0005HELLO"]) {
      assert.isFalse(Raw.isRaw(utf8(text)), JSON.stringify(text))
    }
  })
})

describe("toText and fromText", () => {
  it.prop("are canonical base64url", { bytes: Schema.Uint8Array }, ({ bytes }) => {
    assert.deepStrictEqual(Raw.fromText(Raw.toText(bytes)), bytes.slice())
    const command = Raw.fromText(bytes)
    if (command !== undefined) assert.deepStrictEqual(Raw.toText(command), bytes.slice())
  })

  it("refuse other forms", () => {
    assert.deepStrictEqual(Raw.toText(utf8("\u0003RAW")), utf8("A1JBVw=="))
    for (const text of ["A1JBVw", "A1JBVw=", "A1JBVx==", "A1JBVw==\n", "A1JB+w==", "A1JBVw==A1JBVw=="]) {
      assert.isUndefined(Raw.fromText(utf8(text)), text)
    }
  })
})

describe("MessageTooLargeError", () => {
  it("says how much there was and may be", () => {
    const error = new Raw.MessageTooLargeError({ size: 98_001, limit: 98_000 })
    assert.include(error.message, "98001")
    assert.include(error.message, "98000")
  })
})

describe("Replay", () => {
  const keys = Array.from({ length: 12 }, (_, i) => PublicKey.fromBytes(new Uint8Array(32).fill(i + 2))!)
  const [k0, k1, k2, k3, k4] = keys as [PublicKey.PublicKey, ...Array<PublicKey.PublicKey>] & typeof keys
  const minute = 60_000_000
  // The clock, in milliseconds, and the same in microseconds.
  const now = 1_700_000_000_000
  const at = now * 1_000
  const codeOf = (error: ProtocolError.ProtocolError | undefined) => error?.code

  it("wants a stamp within 60 s of the clock, both ends included", () => {
    const replay = Raw.makeReplay({ start: 0, capacity: 10 })
    for (const offset of [0, minute, -minute, 1, -1]) assert.isUndefined(replay.checkTime(at + offset, now))
    for (const offset of [minute + 1, -minute - 1, 2 * minute, -at, 2 ** 60]) {
      assert.strictEqual(codeOf(replay.checkTime(at + offset, now)), "ERR_REPLAY", `${offset}`)
    }
    assert.include(replay.checkTime(at - 2 * minute, now)?.message ?? "", "120.0 s ago")
    assert.include(replay.checkTime(at + 2 * minute, now)?.message ?? "", "120.0 s ahead")
    assert.strictEqual(replay.size, 0)
  })

  it("wants a stamp later than the start", () => {
    const replay = Raw.makeReplay({ start: at, capacity: 10 })
    assert.strictEqual(codeOf(replay.accept(k0!, at - 1, now, true)), "ERR_REPLAY")
    assert.strictEqual(codeOf(replay.accept(k0!, at, now, true)), "ERR_REPLAY")
    assert.strictEqual(replay.size, 0)
    assert.isUndefined(replay.accept(k0!, at + 1, now, true))
    assert.strictEqual(replay.size, 1)
  })

  it("wants each stamp of a key later than the one before, and no other's", () => {
    const replay = Raw.makeReplay({ start: 0, capacity: 10 })
    assert.isUndefined(replay.accept(k0!, at, now, true))
    assert.strictEqual(codeOf(replay.accept(k0!, at, now, true)), "ERR_REPLAY")
    assert.strictEqual(codeOf(replay.accept(k0!, at - 1, now, true)), "ERR_REPLAY")
    assert.isUndefined(replay.accept(k1!, at - 1, now, true))
    assert.isUndefined(replay.accept(k0!, at + 1, now, true))
    assert.strictEqual(codeOf(replay.accept(k0!, at, now, true)), "ERR_REPLAY")
    assert.strictEqual(replay.size, 2)
  })

  it("is busy when full, to keys that it does not have", () => {
    const replay = Raw.makeReplay({ start: 0, capacity: 3 })
    for (const key of [k0!, k1!, k2!]) assert.isUndefined(replay.accept(key, at, now, true))
    assert.strictEqual(codeOf(replay.accept(k3!, at, now, true)), "ERR_BUSY")
    assert.strictEqual(replay.size, 3)
    // A refused key was not remembered, and those that are there go on.
    assert.isUndefined(replay.accept(k0!, at + 1, now, true))
    // A replay stays one, full or not.
    assert.strictEqual(codeOf(replay.accept(k0!, at + 1, now, true)), "ERR_REPLAY")
  })

  it("leaves strangers half of the room", () => {
    for (const [capacity, half] of [[2, 1], [4, 2], [5, 2], [8, 4]] as const) {
      const replay = Raw.makeReplay({ start: 0, capacity })
      for (let i = 0; i < half; i++) assert.isUndefined(replay.accept(keys[i]!, at, now, false))
      assert.strictEqual(codeOf(replay.accept(keys[half]!, at, now, false)), "ERR_BUSY", `${capacity}`)
      assert.strictEqual(replay.size, half)
      // Known keys have the other half, and all of what strangers leave.
      for (let i = half; i < capacity; i++) assert.isUndefined(replay.accept(keys[i]!, at, now, true))
      assert.strictEqual(codeOf(replay.accept(keys[capacity]!, at, now, true)), "ERR_BUSY")
    }
    const replay = Raw.makeReplay({ start: 0, capacity: 4 })
    for (const key of [k0!, k1!, k2!, k3!]) assert.isUndefined(replay.accept(key, at, now, true))
    assert.strictEqual(codeOf(replay.accept(k4!, at, now, false)), "ERR_BUSY")
  })

  it("counts a stranger that has become known among the known, and back", () => {
    const replay = Raw.makeReplay({ start: 0, capacity: 4 })
    assert.isUndefined(replay.accept(k0!, at, now, false))
    assert.isUndefined(replay.accept(k1!, at, now, false))
    assert.strictEqual(codeOf(replay.accept(k2!, at, now, false)), "ERR_BUSY")
    assert.isUndefined(replay.accept(k0!, at + 1, now, true))
    assert.isUndefined(replay.accept(k2!, at, now, false))
    assert.strictEqual(codeOf(replay.accept(k3!, at, now, false)), "ERR_BUSY")
    for (let i = 2; i < 20; i++) {
      assert.isUndefined(replay.accept(k1!, at + i, now, i % 2 === 0))
    }
    // k1 ended as a stranger, as k2 is: no room for a third, and none was lost by the changes.
    assert.strictEqual(codeOf(replay.accept(k3!, at, now, false)), "ERR_BUSY")
    assert.isUndefined(replay.accept(k1!, at + 20, now, true))
    assert.isUndefined(replay.accept(k3!, at, now, false))
  })

  it("forgets an entry when its stamp is more than 60 s old, and then has room", () => {
    const replay = Raw.makeReplay({ start: 0, capacity: 2 })
    assert.isUndefined(replay.accept(k0!, at, now, true))
    assert.isUndefined(replay.accept(k1!, at + 10_000_000, now, false))
    // Exactly 60 s: its stamp would still pass the first check, so it has to be remembered.
    assert.isUndefined(replay.checkTime(at, now + 60_000))
    assert.strictEqual(codeOf(replay.accept(k2!, at + minute, now + 60_000, true)), "ERR_BUSY")
    assert.strictEqual(codeOf(replay.accept(k0!, at, now + 60_000, true)), "ERR_REPLAY")
    // A second later it cannot come again.
    assert.strictEqual(codeOf(replay.checkTime(at, now + 61_000)), "ERR_REPLAY")
    assert.isUndefined(replay.accept(k2!, at + minute, now + 61_000, true))
    assert.strictEqual(replay.size, 2)
    // The stranger's place comes free as well.
    assert.strictEqual(codeOf(replay.accept(k3!, at + minute, now + 62_000, false)), "ERR_BUSY")
    assert.isUndefined(replay.accept(k3!, at + minute, now + 71_000, false))
    assert.strictEqual(codeOf(replay.accept(k4!, at + minute, now + 71_000, true)), "ERR_BUSY")
  })

  it("judges an entry by its last stamp", () => {
    const replay = Raw.makeReplay({ start: 0, capacity: 2 })
    assert.isUndefined(replay.accept(k0!, at, now, true))
    assert.isUndefined(replay.accept(k1!, at, now, true))
    assert.isUndefined(replay.accept(k0!, at + 30_000_000, now + 30_000, true))
    assert.isUndefined(replay.accept(k2!, at + minute, now + 61_000, true))
    assert.strictEqual(codeOf(replay.accept(k3!, at + minute, now + 62_000, true)), "ERR_BUSY")
    assert.strictEqual(codeOf(replay.accept(k0!, at + 30_000_000, now + 62_000, true)), "ERR_REPLAY")
  })

  it("sweeps at most once a second, and again when the clock goes back", () => {
    const replay = Raw.makeReplay({ start: 0, capacity: 2 })
    assert.isUndefined(replay.accept(k0!, at, now, true))
    assert.isUndefined(replay.accept(k1!, at + 500_000, now, true))
    // Nothing to be forgotten: a sweep in vain.
    assert.strictEqual(codeOf(replay.accept(k2!, at + minute, now + 60_000, true)), "ERR_BUSY")
    // Now k0 could be, but it is less than a second later.
    assert.strictEqual(codeOf(replay.accept(k2!, at + minute, now + 60_999, true)), "ERR_BUSY")
    assert.isUndefined(replay.accept(k2!, at + minute, now + 61_000, true))

    const back = Raw.makeReplay({ start: 0, capacity: 2 })
    assert.isUndefined(back.accept(k0!, at - 2 * minute, now, true))
    assert.isUndefined(back.accept(k1!, at, now, true))
    assert.isUndefined(back.accept(k2!, at, now, true))
    assert.strictEqual(codeOf(back.accept(k3!, at, now, true)), "ERR_BUSY")
    // An hour back, the last sweep lies in the future.
    const earlier = Raw.makeReplay({ start: 0, capacity: 2 })
    assert.isUndefined(earlier.accept(k0!, at - 2 * minute, now, true))
    assert.isUndefined(earlier.accept(k1!, at - 2 * minute, now, true))
    assert.isUndefined(earlier.accept(k2!, at, now, true))
    assert.strictEqual(earlier.size, 1)
    assert.isUndefined(earlier.accept(k3!, at - 60 * minute, now - 3_600_000, true))
    assert.isUndefined(earlier.accept(k4!, at - 58 * minute, now - 3_480_000, true))
    assert.strictEqual(earlier.size, 2)
  })

  const operations = Schema.Array(Schema.Struct({
    key: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 })),
    // Half-seconds around the clock.
    offset: Schema.Int.check(Schema.isBetween({ minimum: -130, maximum: 130 })),
    advance: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 40 }))
  }))
  it.prop("accepts no stamp twice, and never holds more than it may", { operations }, ({ operations }) => {
    const replay = Raw.makeReplay({ start: at - 10_000_000, capacity: 6 })
    const accepted = new Map<number, number>()
    let clock = now
    for (const { advance, key, offset } of operations) {
      clock += advance * 1_000
      const stamp = clock * 1_000 + offset * 500_000
      if (replay.checkTime(stamp, clock) !== undefined) {
        assert.isAbove(Math.abs(offset), 120)
        continue
      }
      const last = accepted.get(key) ?? at - 10_000_000
      const known = key < 5
      const error = replay.accept(keys[key]!, stamp, clock, known)
      if (error === undefined) {
        assert.isAbove(stamp, last)
        accepted.set(key, stamp)
      } else if (stamp <= last) assert.strictEqual(error.code, "ERR_REPLAY")
      else {
        // Busy only while that many others have to be remembered.
        assert.strictEqual(error.code, "ERR_BUSY")
        const others = [...accepted].filter(([other, stamp]) =>
          other !== key && stamp + minute >= (clock - 1_000) * 1_000
        )
        const strangers = others.filter(([other]) => other >= 5)
        assert.isTrue(others.length >= 6 || !known && strangers.length >= 3)
      }
      assert.isAtMost(replay.size, 6)
    }
  }, { arbitrary: { runs: 500 } })
})
