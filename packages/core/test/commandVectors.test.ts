/** The calls of `docs/vectors.json`, as the library reads, writes and seals them. */
import { assert, layer } from "@effect/vitest"
import * as Crypto from "@pnet/core/Crypto"
import * as PortableCrypto from "@pnet/core/PortableCrypto"
import * as Document from "@pnet/lab/vectors/document"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import * as Wire from "../src/internal/call/commandWire.ts"
import { Budget } from "../src/internal/session/budget.ts"
import { MessageBox } from "../src/internal/session/messageBox.ts"
import { Mux } from "../src/internal/session/mux.ts"
import type { MuxStream } from "../src/internal/session/muxStream.ts"
import { RecordFramer } from "../src/internal/wire/recordFramer.ts"

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
const ofHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"))
const utf8 = (text: string): Uint8Array => new Uint8Array(new TextEncoder().encode(text))

/** One side of the session: its streams, its box, and its connection's records. */
const side = (crypto: Crypto.Crypto["Service"], role: "client" | "server", sessionKey: string) => {
  const opened: Array<MuxStream> = []
  const mux = new Mux({
    chunkSize: 16_384,
    maxStreams: 1_024,
    budget: new Budget(1 << 28),
    onOpen: (stream) => opened.push(stream),
    onWork: () => {},
    onPong: () => {},
    onGoAway: () => {},
    onClosed: () => {}
  })
  const box = new MessageBox(crypto, {
    role,
    sharedKey: Redacted.make(ofHex(sessionKey)),
    sendNonce: role === "client" ? 3 : 2,
    recvNonce: role === "client" ? 2 : 3
  })
  const framer = new RecordFramer()
  return {
    mux,
    opened,
    /** What waits to be sent, as frames, as a MESSAGE and as a record. */
    say: () => {
      const out = new Uint8Array(98_000)
      const filled = mux.outgoing.fill(out, new DataView(out.buffer), 0, out.length)!
      const frames = out.slice(0, filled.end)
      const record = box.seal(filled.type, [frames], 4)
      new DataView(record.buffer, record.byteOffset).setUint32(0, record.length - 4)
      return { frames: hexOf(frames), message: hexOf(record.subarray(4)), record: hexOf(record) }
    },
    hear: (record: string) => {
      framer.push(ofHex(record))
      const opening = box.openInPlace(framer.next()!)
      if (typeof opening === "string") return assert.fail(opening)
      assert.isUndefined(mux.receive(opening.flags, opening.payload))
      mux.begin()
    }
  }
}

const whole = (stream: MuxStream): Uint8Array => new Uint8Array(Buffer.concat(stream.read()))

layer(PortableCrypto.layer)("the calls of docs/vectors.json", (it) => {
  it.effect("are said and heard by the library, byte by byte", () =>
    Effect.gen(function*() {
      const crypto = yield* Crypto.Crypto
      const { commands, handshake } = Document.load()
      const session = handshake.sessions.find(({ name }) => name === "binary")!
      const alpha = side(crypto, "client", session.steps["sessionKey"]!)
      const beta = side(crypto, "server", session.steps["sessionKey"]!)
      assert.isAtLeast(commands.calls.length, 5)
      for (const call of commands.calls) {
        const asking = alpha.mux.openStream({ protocol: "command", name: "handle", ...call.open })
        if (typeof asking === "string") return assert.fail(asking)
        asking.write(utf8(call.request.text))
        asking.end()
        assert.deepStrictEqual({ text: call.request.text, ...alpha.say() }, call.request, call.name)

        beta.hear(call.request.record)
        const answering = beta.opened.pop()!
        assert.strictEqual(answering.id, call.stream)
        assert.deepStrictEqual(answering.open, { protocol: "command", name: "handle", ...call.open })
        assert.strictEqual(new TextDecoder().decode(whole(answering)), call.request.text)
        answering.write(utf8(call.reply.text))
        answering.end()
        assert.deepStrictEqual({ text: call.reply.text, ...beta.say() }, call.reply, call.name)

        alpha.hear(call.reply.record)
        assert.strictEqual(new TextDecoder().decode(whole(asking)), call.reply.text)
        assert.isTrue(asking.closed)
      }
    }))

  it.effect("are what docs/protocol.md shows of the first of them", () =>
    Effect.sync(() => {
      const text = readFileSync(fileURLToPath(new URL("../../../docs/protocol.md", import.meta.url)), "utf8")
      const bare = text.replaceAll(/\s/g, "")
      const [add] = Document.load().commands.calls
      for (const { frames, record, text } of [add!.request, add!.reply]) {
        assert.include(bare, record)
        assert.include(bare, text)
        const header = frames.slice(-18)
        assert.include(bare, `${header.slice(0, 2)}${header.slice(2, 10)}${header.slice(10)}END`)
      }
    }))

  it.effect("are encoded from values, and decoded to them", () =>
    Effect.gen(function*() {
      for (const { name, reply, request } of Document.load().commands.calls) {
        const { args = [], function: called, kwargs = {} } = JSON.parse(request.text) as Wire.Request
        const decoded = Wire.decodeRequest(utf8(request.text))
        assert.deepStrictEqual(decoded, { function: called, args, kwargs }, name)
        const encoded = Wire.encodeRequest({ function: called, args, kwargs }, Infinity)
        assert.instanceOf(encoded, Uint8Array)
        assert.deepStrictEqual(Wire.decodeRequest(encoded as Uint8Array), decoded)

        const given = JSON.parse(reply.text)
        const written = given.type === "success" ? Wire.encodeSuccess(given.value) : Wire.encodeError(given)
        assert.strictEqual(new TextDecoder().decode(written), reply.text, name)
        const read = yield* Effect.exit(Wire.decodeReply(utf8(reply.text), "beta" as never, called, 1_000))
        if (given.type === "success") assert.deepStrictEqual(read, Exit.succeed(given.value))
        else assert.isTrue(Exit.isFailure(read))
      }
    }))
})
