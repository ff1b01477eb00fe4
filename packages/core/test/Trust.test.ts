import { assert, describe, it } from "@effect/vitest"
import { Crypto, Packet, PublicKey, Trust } from "@pnet/core"
import { Cause, Context, Effect, Exit, Layer } from "effect"

const name = (text: string) => Packet.NodeName.make(text)
const [alice, bob, carol] = [name("alice"), name("bob"), name("carol")]

const keys = Effect.map(Layer.build(Crypto.layerPortable), (context) => {
  const crypto = Context.get(context, Crypto.Crypto)
  return [crypto.generateKeyPair().publicKey, crypto.generateKeyPair().publicKey] as const
})

const build = (layer: Layer.Layer<Trust.Trust>) =>
  Effect.map(Layer.build(layer), (context) => Context.get(context, Trust.Trust))

describe("Trust.layerAny", () => {
  it.effect("trusts everyone and expects nobody", () =>
    Effect.gen(function*() {
      const [one, two] = yield* keys
      const trust = yield* build(Trust.layerAny)
      yield* trust.proved(alice, one)
      yield* trust.check(alice, two)
      yield* trust.proved(alice, two)
      assert.isUndefined(yield* trust.expected(alice))
      yield* trust.pin(alice, one)
      yield* trust.forget(alice)
      yield* trust.check(alice, two)
      assert.isUndefined(yield* trust.expected(alice))
    }))
})

describe("Trust.makeTofu", () => {
  it.effect("pins a name to the first key that proves itself, and to nothing before", () =>
    Effect.gen(function*() {
      const [one, two] = yield* keys
      const trust = Trust.makeTofu()
      // Judging remembers nothing, however often.
      yield* trust.check(alice, one)
      yield* trust.check(alice, two)
      assert.isUndefined(yield* trust.expected(alice))
      yield* trust.proved(alice, one)
      assert.strictEqual(yield* trust.expected(alice), one)
      yield* trust.check(alice, one)
      yield* trust.proved(alice, one)
      for (const judged of [trust.check(alice, two), trust.proved(alice, two)]) {
        const error = yield* Effect.flip(judged)
        assert.strictEqual(error._tag, "UntrustedPeerError")
        assert.deepInclude(error, { kind: "KeyChanged", peer: alice, publicKey: two, expected: one })
        assert.include(error.message, PublicKey.fingerprint(one))
        assert.include(error.message, PublicKey.fingerprint(two))
      }
      assert.strictEqual(yield* trust.expected(alice), one)
    }))

  it.effect("lets one key have several names", () =>
    Effect.gen(function*() {
      const [one] = yield* keys
      const trust = Trust.makeTofu()
      yield* trust.proved(alice, one)
      yield* trust.proved(bob, one)
      assert.deepStrictEqual([yield* trust.expected(alice), yield* trust.expected(bob)], [one, one])
    }))

  it.effect("pins no more names than its capacity; the ones it has go on", () =>
    Effect.gen(function*() {
      const [one, two] = yield* keys
      const trust = Trust.makeTofu({ capacity: 2 })
      yield* trust.proved(alice, one)
      yield* trust.proved(bob, two)
      const error = yield* Effect.flip(trust.proved(carol, one))
      assert.deepInclude(error, { kind: "Full", peer: carol, publicKey: one })
      assert.include(error.message, "Trust.layerTofu")
      assert.isUndefined(yield* trust.expected(carol))
      yield* trust.proved(alice, one)
      yield* trust.check(bob, two)
      assert.strictEqual((yield* Effect.flip(trust.proved(bob, one))).kind, "KeyChanged")
    }))

  it.effect("begins with the pins it is given, and runs onPin once for each new one", () =>
    Effect.gen(function*() {
      const [one, two] = yield* keys
      const pinned: Array<readonly [Packet.NodeName, PublicKey.PublicKey]> = []
      const trust = Trust.makeTofu({
        pins: [[alice, one]],
        onPin: (name, key) => Effect.sync(() => void pinned.push([name, key]))
      })
      assert.strictEqual(yield* trust.expected(alice), one)
      assert.strictEqual((yield* Effect.flip(trust.check(alice, two))).kind, "KeyChanged")
      yield* trust.proved(alice, one)
      yield* Effect.ignore(trust.proved(alice, two))
      yield* trust.check(bob, two)
      assert.deepStrictEqual(pinned, [])
      yield* trust.proved(bob, two)
      yield* trust.proved(bob, two)
      assert.deepStrictEqual(pinned, [[bob, two]])
    }))

  it.effect("keeps its pins to itself: the ones it was given may change afterwards", () =>
    Effect.gen(function*() {
      const [one, two] = yield* keys
      const pins = new Map([[alice, one]])
      const trust = Trust.makeTofu({ pins })
      pins.set(alice, two)
      yield* trust.proved(bob, two)
      assert.strictEqual(yield* trust.expected(alice), one)
      assert.strictEqual(pins.size, 1)
    }))

  it.effect("of several at once only the first has the name", () =>
    Effect.gen(function*() {
      const [one, two] = yield* keys
      const trust = Trust.makeTofu({ onPin: () => Effect.yieldNow })
      const exits = yield* Effect.forEach([one, two, one], (key) => Effect.exit(trust.proved(alice, key)), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(exits.map(Exit.isSuccess), [true, false, true])
      assert.strictEqual(yield* trust.expected(alice), one)
    }))

  it.effect("follows the operator, who moves a name to another key, or takes it from all", () =>
    Effect.gen(function*() {
      const [one, two] = yield* keys
      const told: Array<readonly [string, PublicKey.PublicKey | undefined]> = []
      const trust = Trust.makeTofu({
        capacity: 1,
        onPin: (name, key) => Effect.sync(() => void told.push([name, key])),
        onForget: (name) => Effect.sync(() => void told.push([name, undefined]))
      })
      yield* trust.proved(alice, one)
      yield* trust.pin(alice, two)
      yield* trust.pin(alice, two)
      assert.strictEqual(yield* trust.expected(alice), two)
      assert.strictEqual((yield* Effect.flip(trust.check(alice, one))).kind, "KeyChanged")
      assert.strictEqual((yield* Effect.flip(trust.pin(bob, one))).kind, "Full")
      yield* trust.forget(alice)
      yield* trust.forget(alice)
      assert.isUndefined(yield* trust.expected(alice))
      yield* trust.proved(alice, one)
      assert.deepStrictEqual(told, [[alice, one], [alice, two], [alice, undefined], [alice, one]])
    }))

  it.effect("names that every object has are names like others", () =>
    Effect.gen(function*() {
      const [one] = yield* keys
      const trust = Trust.makeTofu()
      assert.isUndefined(yield* trust.expected(name("constructor")))
      yield* trust.proved(name("__proto__"), one)
      assert.strictEqual(yield* trust.expected(name("__proto__")), one)
    }))
})

describe("Trust.layerTofu", () => {
  it.effect("has a memory of its own for each build", () =>
    Effect.gen(function*() {
      const [one, two] = yield* keys
      const layer = Trust.layerTofu({ capacity: 1 })
      const first = yield* build(Layer.fresh(layer))
      const second = yield* build(Layer.fresh(layer))
      yield* first.proved(alice, one)
      assert.isUndefined(yield* second.expected(alice))
      yield* second.proved(alice, two)
      assert.strictEqual((yield* Effect.flip(first.proved(bob, two))).kind, "Full")
    }))
})

describe("Trust.layerAllowList", () => {
  it.effect("trusts the names it lists with their keys, and nobody else", () =>
    Effect.gen(function*() {
      const [one, two] = yield* keys
      const trust = yield* build(Trust.layerAllowList([[alice, one]]))
      for (const judge of [trust.check, trust.proved]) {
        yield* judge(alice, one)
        const changed = yield* Effect.flip(judge(alice, two))
        assert.deepInclude(changed, { kind: "KeyChanged", peer: alice, publicKey: two, expected: one })
        const unlisted = yield* Effect.flip(judge(bob, one))
        assert.deepInclude(unlisted, { kind: "NotListed", peer: bob, publicKey: one })
        assert.notProperty(unlisted, "expected")
        assert.include(unlisted.message, `"bob" with key ${PublicKey.fingerprint(one)}`)
      }
      assert.strictEqual(yield* trust.expected(alice), one)
      assert.isUndefined(yield* trust.expected(bob))
      // The list is the decision.
      yield* trust.pin(alice, one)
      yield* trust.forget(alice)
      assert.strictEqual((yield* Effect.flip(trust.pin(alice, two))).kind, "KeyChanged")
      assert.strictEqual((yield* Effect.flip(trust.pin(bob, one))).kind, "NotListed")
    }))

  it.effect("reads its list once, whatever becomes of it", () =>
    Effect.gen(function*() {
      const [one, two] = yield* keys
      const list: Array<readonly [Packet.NodeName, PublicKey.PublicKey]> = [[alice, one]]
      const trust = yield* build(Trust.layerAllowList(list))
      list.push([bob, two])
      const exit = yield* Effect.exit(trust.check(bob, two))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasFails(exit.cause))
    }))
})
