import { assert, describe, it } from "@effect/vitest"
import {
  AllowListTrust,
  AnyTrust,
  Crypto,
  Packet,
  PortableCrypto,
  PublicKey,
  Rights,
  TofuTrust,
  Trust
} from "@pnet/core"
import { Cause, Context, Effect, Exit, Layer, Logger, Schema, Scope, Stream } from "effect"
import * as TestClock from "effect/testing/TestClock"

const name = (text: string) => Packet.NodeName.make(text)
const [alice, bob, carol] = [name("alice"), name("bob"), name("carol")]

const keys = Effect.map(Layer.build(PortableCrypto.layer), (context) => {
  const crypto = Context.get(context, Crypto.Crypto)
  return [crypto.generateKeyPair().publicKey, crypto.generateKeyPair().publicKey] as const
})

const build = (layer: Layer.Layer<Trust.Trust>) =>
  Effect.map(Layer.build(layer), (context) => Context.get(context, Trust.Trust))

describe("AnyTrust.layer", () => {
  it.effect("trusts everyone and expects nobody", () =>
    Effect.gen(function*() {
      const [one, two] = yield* keys
      const trust = yield* build(AnyTrust.layer)
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

describe("TofuTrust.make", () => {
  it.effect("pins a name to the first key that proves itself, and to nothing before", () =>
    Effect.gen(function*() {
      const [one, two] = yield* keys
      const trust = TofuTrust.make()
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
      const trust = TofuTrust.make()
      yield* trust.proved(alice, one)
      yield* trust.proved(bob, one)
      assert.deepStrictEqual([yield* trust.expected(alice), yield* trust.expected(bob)], [one, one])
    }))

  it.effect("pins no more names than its capacity; the ones it has go on", () =>
    Effect.gen(function*() {
      const [one, two] = yield* keys
      const trust = TofuTrust.make({ capacity: 2 })
      yield* trust.proved(alice, one)
      yield* trust.proved(bob, two)
      const error = yield* Effect.flip(trust.proved(carol, one))
      assert.deepInclude(error, { kind: "Full", peer: carol, publicKey: one })
      assert.include(error.message, "TofuTrust.layer")
      assert.isUndefined(yield* trust.expected(carol))
      yield* trust.proved(alice, one)
      yield* trust.check(bob, two)
      assert.strictEqual((yield* Effect.flip(trust.proved(bob, one))).kind, "KeyChanged")
    }))

  it.effect("begins with the pins it is given, and runs onPin once for each new one", () =>
    Effect.gen(function*() {
      const [one, two] = yield* keys
      const pinned: Array<readonly [Packet.NodeName, PublicKey.PublicKey]> = []
      const trust = TofuTrust.make({
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
      const trust = TofuTrust.make({ pins })
      pins.set(alice, two)
      yield* trust.proved(bob, two)
      assert.strictEqual(yield* trust.expected(alice), one)
      assert.strictEqual(pins.size, 1)
    }))

  it.effect("of several at once only the first has the name", () =>
    Effect.gen(function*() {
      const [one, two] = yield* keys
      const trust = TofuTrust.make({ onPin: () => Effect.yieldNow })
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
      const trust = TofuTrust.make({
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

  it.effect("a key that was revoked is refused under any name, also to the operator, and its name waits for another", () =>
    Effect.gen(function*() {
      const [one, two] = yield* keys
      const trust = TofuTrust.make({ pins: [[alice, one]] })
      yield* trust.revoke(one)
      for (const judged of [trust.check(alice, one), trust.proved(bob, one), trust.pin(bob, one)]) {
        assert.deepInclude(yield* Effect.flip(judged), { kind: "Revoked", publicKey: one })
      }
      assert.isUndefined(yield* trust.expected(bob))
      yield* trust.pin(alice, two)
      yield* trust.check(alice, two)
    }))

  it.effect("says of each decision of the operator that there is something to judge again", () =>
    Effect.gen(function*() {
      const [one, two] = yield* keys
      const trust = TofuTrust.make({ pins: [[alice, one]] })
      let said = 0
      yield* trust.changes.pipe(
        Stream.runForEach(() => Effect.sync(() => void said++)),
        Effect.forkScoped({ startImmediately: true })
      )
      const told = (effect: Effect.Effect<void, Trust.UntrustedPeerError>) =>
        Effect.gen(function*() {
          const before = said
          yield* effect
          for (let i = 0; i < 5; i++) yield* Effect.yieldNow
          return said > before
        })
      assert.isTrue(yield* told(trust.pin(alice, two)))
      assert.isFalse(yield* told(trust.pin(alice, two)))
      assert.isTrue(yield* told(trust.revoke(two)))
      assert.isTrue(yield* told(trust.forget(alice)))
      assert.isTrue(yield* told(trust.replace({ pins: [], revoked: [] })))
      // What proves itself takes nothing from anybody.
      assert.isFalse(yield* told(trust.proved(bob, one)))
    }))

  it.effect("of those who connect, one address gets a quarter of the pins, and all get half", () =>
    Effect.gen(function*() {
      const [one] = yield* keys
      const trust = TofuTrust.make({ capacity: 16 })
      const tries = (who: string, from?: string) =>
        Effect.map(Effect.exit(trust.proved(name(who), one, from)), Exit.isSuccess)
      for (let i = 0; i < 6; i++) assert.strictEqual(yield* tries(`a${i}`, "10.0.0.1"), i < 4)
      for (let i = 0; i < 6; i++) assert.strictEqual(yield* tries(`b${i}`, "10.0.0.2"), i < 4)
      assert.isFalse(yield* tries("c", "10.0.0.3"))
      // One that this node reaches itself, or that the operator pins or forgets, gives its share back.
      assert.isTrue(yield* tries("a0"))
      assert.isTrue(yield* tries("c", "10.0.0.3"))
      assert.isFalse(yield* tries("d", "10.0.0.3"))
      yield* trust.pin(name("b0"), one)
      assert.isTrue(yield* tries("d", "10.0.0.3"))
      yield* trust.forget(name("b1"))
      assert.isTrue(yield* tries("e", "10.0.0.2"))
      assert.isFalse(yield* tries("f", "10.0.0.2"))
      for (let i = 0; i < 8; i++) assert.strictEqual(yield* tries(`own${i}`), i < 6)
    }))

  it.effect("names that every object has are names like others", () =>
    Effect.gen(function*() {
      const [one] = yield* keys
      const trust = TofuTrust.make()
      assert.isUndefined(yield* trust.expected(name("constructor")))
      yield* trust.proved(name("__proto__"), one)
      assert.strictEqual(yield* trust.expected(name("__proto__")), one)
    }))
})

describe("TofuTrust.layer", () => {
  it.effect("has a memory of its own for each build", () =>
    Effect.gen(function*() {
      const [one, two] = yield* keys
      const layer = TofuTrust.layer({ capacity: 1 })
      const first = yield* build(Layer.fresh(layer))
      const second = yield* build(Layer.fresh(layer))
      yield* first.proved(alice, one)
      assert.isUndefined(yield* second.expected(alice))
      yield* second.proved(alice, two)
      assert.strictEqual((yield* Effect.flip(first.proved(bob, two))).kind, "Full")
    }))
})

describe("AllowListTrust.layer", () => {
  it.effect("trusts the names it lists with their keys, and nobody else", () =>
    Effect.gen(function*() {
      const [one, two] = yield* keys
      const trust = yield* build(AllowListTrust.layer([[alice, one]]))
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
      const trust = yield* build(AllowListTrust.layer(list))
      list.push([bob, two])
      const exit = yield* Effect.exit(trust.check(bob, two))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasFails(exit.cause))
    }))
})

describe("AllowListTrust.make", () => {
  it.effect("takes texts, and names what is malformed", () =>
    Effect.gen(function*() {
      const [one, two] = yield* keys
      const list = yield* AllowListTrust.make([["alice", one as string]])
      yield* list.check(alice, one)
      for (
        const [name, key, kind] of [
          ["a@b", one, "Name"],
          ["*", one, "Name"],
          ["", one, "Name"],
          ["bob", "hunter2", "PublicKey"],
          ["bob", one.slice(0, -1), "PublicKey"],
          ["bob", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "PublicKey"]
        ] as const
      ) {
        for (
          const refused of [
            AllowListTrust.make([["bob", two], [name, key]]),
            list.set([["bob", two], [name, key]]),
            list.add(name, key)
          ]
        ) {
          const error = yield* Effect.flip(refused)
          assert.deepInclude(error, { _tag: "AllowListError", kind, peer: name, publicKey: key })
          assert.include(error.message, kind === "Name" ? JSON.stringify(name) : JSON.stringify(key))
        }
      }
      assert.deepStrictEqual(yield* list.entries, [[alice, one, Rights.named]], "nothing was changed by what failed")
    }))

  it.effect("is changed while it runs, and says so", () =>
    Effect.gen(function*() {
      const [one, two] = yield* keys
      const list = yield* AllowListTrust.make([])
      let told = 0
      yield* Effect.forkChild(Stream.runForEach(list.changes, () => Effect.sync(() => told++)), {
        startImmediately: true
      })
      const settle = Effect.andThen(Effect.yieldNow, Effect.andThen(Effect.yieldNow, Effect.yieldNow))
      yield* settle
      yield* list.add("alice", one)
      yield* settle
      assert.strictEqual(told, 1)
      yield* list.check(alice, one)
      yield* list.add("alice", two)
      assert.strictEqual((yield* Effect.flip(list.check(alice, one))).kind, "KeyChanged")
      yield* list.remove("alice")
      yield* list.remove("alice")
      assert.strictEqual((yield* Effect.flip(list.check(alice, two))).kind, "NotListed")
      yield* list.set([["bob", one], ["alice", two]])
      assert.deepStrictEqual(yield* list.entries, [[bob, one, Rights.named], [alice, two, Rights.named]])
      yield* settle
      assert.isAbove(told, 1)
    }))
})

describe("rights", () => {
  it.effect("are of those that the allow list grants them, with their key, and gone with the line", () =>
    Effect.gen(function*() {
      const [one, two] = yield* keys
      const roles = ["worker"]
      const list = yield* AllowListTrust.make([["alice", one, { roles, serves: ["resize.*"], calls: [] }], [
        "bob",
        two
      ]])
      const granted = { roles: ["worker"], serves: ["resize.*"], calls: [], publishes: ["*"], subscribes: [] }
      // What was given may change afterwards.
      roles.push("root")
      assert.deepStrictEqual(yield* Trust.rightsOf(list, alice, one), granted)
      assert.deepStrictEqual(yield* Trust.rightsOf(list, bob, two), Rights.named)
      for (const [name, key] of [[alice, two], [bob, one], [carol, one]] as const) {
        assert.deepStrictEqual(yield* Trust.rightsOf(list, name, key), Rights.none, name)
      }
      yield* list.add("alice", one, { calls: ["a"] })
      assert.deepStrictEqual(yield* Trust.rightsOf(list, alice, one), Rights.make({ calls: ["a"] }))
      yield* list.remove("alice")
      assert.deepStrictEqual(yield* Trust.rightsOf(list, alice, one), Rights.none)
    }))

  it.effect("that are none are refused, and nothing is changed", () =>
    Effect.gen(function*() {
      const [one] = yield* keys
      for (const wrong of ["", "a*b", "**", "x".repeat(256), "\u00e9".repeat(128), "a\nb", "\ud800", 7, null]) {
        const error = yield* Effect.flip(AllowListTrust.make([["alice", one, { serves: ["fine", wrong as string] }]]))
        assert.deepInclude(error, { kind: "Rights", peer: "alice", publicKey: one }, String(wrong))
        assert.include(error.message, "serves", String(wrong))
      }
      for (const right of ["publishes", "subscribes"]) {
        for (const wrong of ["a.>", "a.*.b", ""]) {
          const error = yield* Effect.flip(AllowListTrust.make([["alice", one, { [right]: [wrong] }]]))
          assert.strictEqual(error.kind, "Rights", wrong)
          assert.include(error.message, right)
        }
      }
      assert.strictEqual(
        (yield* Effect.flip(AllowListTrust.make([["alice", one, { roles: "worker" as unknown as [] }]]))).kind,
        "Rights"
      )
    }))

  it.effect("of a policy that says nothing are to call and be called by name", () =>
    Effect.gen(function*() {
      const [one] = yield* keys
      for (const layer of [AnyTrust.layer, TofuTrust.layer()]) {
        const trust = yield* build(layer)
        assert.deepStrictEqual(yield* Trust.rightsOf(trust, alice, one), {
          roles: [],
          serves: [],
          calls: ["*"],
          publishes: ["*"],
          subscribes: []
        })
      }
    }))

  it.effect("are all of them for whoever is trusted where Trust.open says so, which the log says once", () =>
    Effect.gen(function*() {
      const [one, two] = yield* keys
      const logs: Array<string> = []
      const trust = yield* build(
        Trust.open(AllowListTrust.layer([["alice", one, { calls: [] }]])).pipe(Layer.orDie)
      ).pipe(Effect.provide(Logger.layer([Logger.make(({ message }) => void logs.push(String(message)))])))
      assert.deepStrictEqual(yield* Trust.rightsOf(trust, alice, one), Rights.all)
      assert.deepStrictEqual(yield* Trust.rightsOf(trust, alice, one), Rights.all)
      assert.strictEqual(logs.length, 1)
      assert.include(logs[0], "trust-open")
      // Whom it admits is the policy's decision as before.
      yield* trust.check(alice, one)
      assert.strictEqual((yield* Effect.flip(trust.proved(alice, two))).kind, "KeyChanged")
      assert.strictEqual(yield* trust.expected(alice), one)
    }))
})

class Broken extends Schema.TaggedError<Broken>()("Broken", { message: Schema.String }) {}

describe("TofuTrust.makeStored", () => {
  const storeOf = (initial: TofuTrust.KnownPeers) => {
    let kept = initial
    let changed = false
    let broken: string | undefined
    const saves: Array<TofuTrust.KnownPeersEdit> = []
    const working = <A>(effect: Effect.Effect<A>) =>
      Effect.suspend((): Effect.Effect<A, Broken> =>
        broken === undefined ? effect : Effect.fail(new Broken({ message: broken }))
      )
    const store: TofuTrust.PinStore<Broken> = {
      load: working(Effect.sync(() => kept)),
      reload: working(Effect.sync(() => {
        if (!changed) return undefined
        changed = false
        return kept
      })),
      save: (edit) =>
        working(Effect.sync(() => {
          saves.push(edit)
          kept = { pins: TofuTrust.editPins(kept.pins, edit), revoked: [...kept.revoked, ...edit.revoked] }
          return kept
        }))
    }
    return {
      store,
      saves,
      kept: () => kept,
      edit: (next: TofuTrust.KnownPeers) => {
        kept = next
        changed = true
      },
      put: (next: TofuTrust.KnownPeers, noticed: boolean) => {
        kept = next
        changed = noticed
      },
      fail: (message: string | undefined) => {
        broken = message
      }
    }
  }

  it.effect("keeps new pins within an interval, and at the end, and takes over what others change", () =>
    Effect.gen(function*() {
      const [one, two] = yield* keys
      const place = storeOf({ pins: [{ name: alice, publicKey: one }], revoked: [] })
      const scope = yield* Scope.make()
      const trust = yield* Scope.provide(TofuTrust.makeStored(place.store), scope)
      assert.strictEqual(yield* trust.expected(alice), one)
      yield* trust.proved(bob, two, "10.0.0.9")
      assert.deepStrictEqual(place.saves, [])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(place.saves.map(({ learnt }) => learnt), [[{
        name: bob,
        publicKey: two,
        from: "10.0.0.9"
      }]])
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(place.saves.length, 1, "and not again")
      // An edit from outside, while there is one of this node's own.
      yield* trust.proved(carol, one)
      place.edit({ pins: [{ name: alice, publicKey: two }], revoked: [] })
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* trust.expected(alice), two)
      assert.isUndefined(yield* trust.expected(bob))
      assert.deepStrictEqual(place.kept().pins.map(({ name }) => name), [alice, carol])
      yield* trust.revoke(one)
      yield* trust.forget(alice)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(place.kept().pins.map(({ name }) => name), [carol])
      assert.deepStrictEqual(place.kept().revoked, [one])
    }))

  it.effect("what was learnt never takes the place of what the store has by then; sessions are judged again, and it is said", () =>
    Effect.gen(function*() {
      const [real, evil] = yield* keys
      const place = storeOf({ pins: [], revoked: [] })
      const logs: Array<string> = []
      const logger = Logger.layer([
        Logger.make(({ logLevel, message }) => void logs.push(`${logLevel} ${String(message)}`))
      ])
      const trust = yield* TofuTrust.makeStored(place.store).pipe(Effect.provide(logger))
      let told = 0
      yield* Effect.forkChild(Stream.runForEach(trust.changes, () => Effect.sync(() => told++)), {
        startImmediately: true
      })
      yield* TestClock.adjust("1 millis")
      // Another program has pinned it, and this one has not looked yet; or it has, and cannot write.
      for (const seen of [false, true]) {
        yield* trust.forget(bob)
        yield* TestClock.adjust("1 second")
        told = 0
        logs.length = 0
        yield* trust.proved(bob, evil, "10.0.0.66")
        place.put({ pins: [{ name: bob, publicKey: real }], revoked: [] }, seen)
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(place.kept().pins, [{ name: bob, publicKey: real }])
        assert.strictEqual(yield* trust.expected(bob), real)
        assert.isAbove(told, 0)
        assert.strictEqual(logs.length, 1, logs.join("\n"))
        assert.match(logs[0]!, /^Warn "bob" proved itself with key .* which holds/)
        yield* TestClock.adjust("5 seconds")
        assert.strictEqual(logs.length, 1, "once")
      }
    }))

  it.effect("the operator's word does, and who was forgotten is learnt anew", () =>
    Effect.gen(function*() {
      const [one, two] = yield* keys
      const place = storeOf({ pins: [{ name: alice, publicKey: one }, { name: bob, publicKey: one }], revoked: [] })
      const trust = yield* TofuTrust.makeStored(place.store)
      yield* trust.pin(alice, two)
      yield* trust.forget(bob)
      yield* trust.proved(bob, two, "10.0.0.9")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(place.kept().pins, [
        { name: alice, publicKey: two, from: undefined },
        { name: bob, publicKey: two, from: "10.0.0.9" }
      ])
      // It is reached as well: nothing but the mark goes.
      yield* trust.proved(bob, two)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(place.kept().pins[1], { name: bob, publicKey: two, from: undefined })
    }))

  it.effect("what cannot be read or written is said once, and tried again; nothing is lost meanwhile", () =>
    Effect.gen(function*() {
      const [one, two] = yield* keys
      const place = storeOf({ pins: [{ name: alice, publicKey: one }], revoked: [two] })
      const logs: Array<string> = []
      const logger = Logger.layer([Logger.make(({ message }) => void logs.push(String(message)))])
      const trust = yield* TofuTrust.makeStored(place.store).pipe(Effect.provide(logger))
      assert.strictEqual((yield* Effect.flip(trust.check(bob, two))).kind, "Revoked")
      place.fail("the disk is full")
      yield* trust.proved(bob, one)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* trust.expected(bob), one)
      assert.strictEqual(yield* trust.expected(alice), one)
      assert.strictEqual(logs.length, 1)
      assert.include(logs[0], "the disk is full")
      place.fail(undefined)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(place.kept().pins.map(({ name }) => name), [alice, bob])
      assert.strictEqual(logs.length, 2)
      place.fail("it is gone")
      assert.strictEqual((yield* Effect.flip(TofuTrust.makeStored(place.store))).message, "it is gone")
      place.fail(undefined)
    }))
})
