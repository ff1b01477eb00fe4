/** Integers of typed calls that a peer makes as long as it likes. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Schema } from "effect"
import { Rpc } from "effect/rpc"
import { isSuspicious } from "../../src/internal/call/rpcVarints.ts"
import { wireOf } from "../../src/internal/call/rpcWire.ts"

const wire = (fields: Schema.Struct.Fields) => wireOf(Rpc.make("call", { payload: fields }) as never)
const ones = (length: number) => new Uint8Array(length).fill(0xff)

describe("integers of typed calls", () => {
  it("that would take long are not read to their end", () => {
    const calls = [
      wire({ n: Schema.BigInt }),
      wire({ n: Schema.Int }),
      wire({ n: Schema.BigDecimal }),
      wire({ n: Schema.Duration }),
      wire({ n: Schema.Array(Schema.Int) })
    ]
    const begin = performance.now()
    for (const call of calls) {
      // One field that is an integer of four hundred thousand bytes, whatever the kinds of fields are; and many of some thousand.
      const heads = [[8], [9], [10], [11], [12], [13], [14], [15], [0x0c, 0x80, 0x80, 0x80, 0x02], [
        2,
        0x80,
        0x80,
        0x80,
        0x02,
        0
      ]]
      for (const head of heads) {
        const bytes = ones(400_000)
        bytes.set(head)
        assert.isTrue(Exit.isFailure(Effect.runSyncExit(call.decodePayload(bytes))))
      }
    }
    const big = wire({ n: Schema.BigInt })
    const huge = Effect.runSync(big.encodePayload({ n: 1n << 200_000n }))
    const exit = Effect.runSyncExit(big.decodePayload(huge.map((byte) => byte === 0 ? 0x80 : byte)))
    assert.isTrue(Exit.isFailure(exit) && String(exit.cause).includes("integers of fewer bytes"), String(exit))
    // Minutes and days, where each is read to its end.
    assert.isBelow(performance.now() - begin, 20_000)
  })

  it("may be as long as anybody needs, beside as many bytes and texts as there may be", () => {
    const values = {
      n: (1n << 100_000n) - 1n,
      i: -300,
      // Short ones, however many.
      list: [1, 2 ** 40, ...Array.from({ length: 20_000 }, () => 300)],
      data: ones(1_000_000),
      text: "漢".repeat(200_000)
    }
    const call = wire({
      n: Schema.BigInt,
      i: Schema.Int,
      list: Schema.Array(Schema.Int),
      data: Schema.Uint8Array,
      text: Schema.String
    })
    const bytes = Effect.runSync(call.encodePayload(values))
    assert.isTrue(isSuspicious(bytes))
    assert.deepStrictEqual(Effect.runSync(call.decodePayload(bytes)), values)
    const lasting = wire({ d: Schema.Duration, texts: Schema.Array(Schema.String) })
    const others = { d: Duration.nanos(1_500_000_001n), texts: Array.from({ length: 500 }, () => "é".repeat(1_000)) }
    assert.deepStrictEqual(Effect.runSync(lasting.decodePayload(Effect.runSync(lasting.encodePayload(others)))), others)
  })

  it("are looked for where many bytes of them could be, and nothing else is", () => {
    assert.isFalse(isSuspicious(new Uint8Array(8_000_000)))
    assert.isFalse(isSuspicious(ones(11_000)))
    assert.isTrue(isSuspicious(ones(12_000)))
    const cut = ones(8_000_000)
    for (let i = 0; i < cut.length; i += 200) cut[i] = 0
    assert.isFalse(isSuspicious(cut))
    for (let i = 0; i < cut.length; i++) cut[i] = i % 2_000 === 0 ? 0 : 0xff
    assert.isTrue(isSuspicious(cut))
  })
})
