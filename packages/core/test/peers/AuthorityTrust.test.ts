/** The policy by an authority, without a network: what certificates it takes, from whom, and for how long. */
import { assert, describe, it } from "@effect/vitest"
import {
  Authority,
  AuthorityTrust,
  type Crypto,
  Identity,
  type Packet,
  type PublicKey,
  Rights,
  Trust
} from "@pnet/core"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { Context, Effect, Layer, Logger, type Scope, Stream } from "effect"
import * as TestClock from "effect/testing/TestClock"

const nameOf = (name: string) => name as Packet.NodeName
const [alice, bob] = [nameOf("alice"), nameOf("bob")]
const networkId = "home"
const begin = 1_800_000_000_000
const minute = 60_000

const set = <A, E>(body: Effect.Effect<A, E, Crypto.Crypto | Scope.Scope>) =>
  Effect.andThen(TestClock.setTime(begin), body).pipe(
    Effect.scoped,
    Effect.provide([NodeCrypto.layer, Logger.layer([])])
  )

const newKey = Effect.map(Identity.generate, ({ publicKey }) => publicKey)

/** What a node with this certificate, and this version of the list, shows. */
const shown = (certificate: Uint8Array, version = 0) =>
  Uint8Array.of(...new Uint8Array(6), version >> 8, version & 255, ...certificate)

const world = Effect.gen(function*() {
  const authority = yield* Authority.generate
  const policy = yield* AuthorityTrust.make(authority.publicKey, { networkId })
  const key = yield* newKey
  const issue = (more: Partial<Authority.Issue> = {}) =>
    authority.issue({ networkId, name: "bob", publicKey: key, lifetime: "1 hour", ...more })
  return { authority, policy, key, issue }
})

const kindOf = <A>(judged: Effect.Effect<A, Trust.UntrustedPeerError>) =>
  Effect.map(Effect.flip(judged), ({ kind }) => kind)

describe("a certificate", () => {
  it.effect("makes its key known under its name, with its rights, and nothing else does", () =>
    set(Effect.gen(function*() {
      const { issue, key, policy } = yield* world
      assert.strictEqual(yield* kindOf(policy.check(bob, key)), "NoCertificate")
      assert.strictEqual(yield* kindOf(policy.proved(bob, key, undefined)), "NoCertificate", "it has left it out")
      assert.strictEqual(yield* kindOf(policy.proved(bob, key, undefined, shown(new Uint8Array(0)))), "NoCertificate")
      assert.strictEqual(yield* kindOf(policy.pin(bob, key)), "NoCertificate")
      assert.deepStrictEqual(yield* Trust.rightsOf(policy, bob, key), Rights.none)
      yield* policy.proved(bob, key, undefined, shown(yield* issue({ rights: { roles: ["worker"], calls: [] } })))
      yield* policy.check(bob, key)
      assert.strictEqual(yield* policy.expected(bob), key)
      assert.deepStrictEqual(yield* Trust.rightsOf(policy, bob, key), Rights.make({ roles: ["worker"], calls: [] }))
      assert.strictEqual(yield* kindOf(policy.check(alice, key)), "BadCertificate")
      assert.deepStrictEqual(yield* Trust.rightsOf(policy, alice, key), Rights.none)
      // Who leaves it out later is known by what it has shown.
      yield* policy.proved(bob, key, undefined)
    })))

  it.effect("that is forged, cut short, extended, another's, or for elsewhere is refused, and leaves nothing behind", () =>
    set(Effect.gen(function*() {
      const { issue, key, policy } = yield* world
      const good = yield* issue()
      const tampered = good.slice()
      tampered[tampered.length - 1]! ^= 1
      const upgraded = good.slice()
      upgraded[20]! ^= 1
      const stranger = yield* Authority.generate
      for (
        const [what, certificate] of Object.entries({
          "another authority's": yield* stranger.issue({
            networkId,
            name: "bob",
            publicKey: key,
            lifetime: "1 hour"
          }),
          "with another signature": tampered,
          "with another content": upgraded,
          "cut short": good.subarray(0, -1),
          "extended": Uint8Array.of(...good, 0),
          "another key's": yield* issue({ publicKey: yield* newKey }),
          "another network's": yield* issue({ networkId: "work" }),
          "a list": yield* (yield* world).authority.revoke({ networkId, serials: [1] }),
          "nonsense": new Uint8Array(4_000).fill(7)
        })
      ) {
        assert.strictEqual(
          yield* kindOf(policy.proved(bob, key, undefined, shown(certificate))),
          "BadCertificate",
          what
        )
        assert.strictEqual(yield* kindOf(policy.check(bob, key)), "NoCertificate", what)
        assert.strictEqual(
          yield* kindOf(policy.credentials!.told(bob, key, shown(certificate))),
          "BadCertificate",
          what
        )
      }
      assert.strictEqual(yield* kindOf(policy.credentials!.told(bob, key, new Uint8Array(3))), "BadCertificate")
      assert.deepStrictEqual(yield* policy.certificates, [])
      assert.strictEqual(yield* kindOf(policy.proved(bob, key, undefined, new Uint8Array(7))), "NoCertificate")
    })))

  it.effect("holds from 60 s before it begins until 60 s after it ends, to the millisecond", () =>
    set(Effect.gen(function*() {
      const { issue, key, policy } = yield* world
      const certificate = yield* issue({ notBefore: begin + 10 * minute, lifetime: "1 minute" })
      const prove = policy.proved(bob, key, undefined, shown(certificate))
      for (
        const [at, holds] of [
          [9 * minute - 1, false],
          [9 * minute, true],
          [12 * minute - 1, true],
          [12 * minute, false],
          [100 * minute, false]
        ] as const
      ) {
        yield* TestClock.setTime(begin + at)
        assert.strictEqual((yield* Effect.exit(prove))._tag, holds ? "Success" : "Failure", String(at))
        assert.strictEqual(yield* policy.expected(bob), holds ? key : undefined)
      }
    })))

  it.effect("that was made in advance does not take the place of the one that holds until then", () =>
    set(Effect.gen(function*() {
      const { issue, key, policy } = yield* world
      yield* policy.proved(
        bob,
        key,
        undefined,
        shown(yield* issue({ lifetime: "10 minutes", rights: { calls: ["now"] } }))
      )
      yield* TestClock.adjust("1 milli")
      const next = yield* issue({ notBefore: begin + 9 * minute, rights: { calls: ["then"] } })
      assert.isUndefined(yield* policy.credentials!.told(bob, key, shown(next)))
      yield* policy.proved(bob, key, undefined, shown(next))
      assert.deepStrictEqual((yield* Trust.rightsOf(policy, bob, key)).calls, ["now"])
      yield* TestClock.setTime(begin + 8 * minute)
      yield* policy.proved(bob, key, undefined, shown(next))
      assert.deepStrictEqual((yield* Trust.rightsOf(policy, bob, key)).calls, ["then"])
    })))

  it.effect("gives way to a newer one of its key, and never to an older", () =>
    set(Effect.gen(function*() {
      const { issue, key, policy } = yield* world
      const all = yield* issue({ serial: 1, rights: Rights.all })
      const few = yield* issue({ serial: 2, rights: { calls: ["few"] } })
      yield* policy.proved(bob, key, undefined, shown(all))
      yield* policy.proved(bob, key, undefined, shown(few))
      // The one with more rights, recorded and shown again.
      yield* policy.proved(bob, key, undefined, shown(all))
      assert.isUndefined(yield* policy.credentials!.told(bob, key, shown(all)))
      assert.deepStrictEqual((yield* Trust.rightsOf(policy, bob, key)).calls, ["few"])
      // Another name is another node's.
      yield* Effect.exit(policy.proved(alice, key, undefined, shown(yield* issue({ serial: 3, name: "alice" }))))
      yield* policy.check(alice, key)
      assert.strictEqual(yield* kindOf(policy.check(bob, key)), "BadCertificate")
      assert.isUndefined(yield* policy.expected(bob))
    })))

  it.effect("of a key that takes over a name takes it from the key before, and is not taken over by an older", () =>
    set(Effect.gen(function*() {
      const { issue, key, policy } = yield* world
      const next = yield* newKey
      yield* policy.proved(bob, key, undefined, shown(yield* issue({ serial: 1 })))
      yield* policy.proved(bob, next, undefined, shown(yield* issue({ publicKey: next, serial: 2 })))
      assert.strictEqual(yield* policy.expected(bob), next)
      const old = yield* Effect.flip(policy.check(bob, key))
      assert.deepInclude(old, { kind: "KeyChanged", expected: next })
      assert.strictEqual(
        yield* kindOf(policy.proved(bob, key, undefined, shown(yield* issue({ serial: 1 })))),
        "KeyChanged"
      )
      yield* policy.check(bob, next)
    })))

  it.effect("that has expired is said, so that sessions are judged again", () =>
    set(Effect.gen(function*() {
      const { issue, key, policy } = yield* world
      let told = 0
      yield* Effect.forkScoped(Stream.runForEach(policy.changes, () => Effect.sync(() => told++)), {
        startImmediately: true
      })
      yield* policy.proved(bob, key, undefined, shown(yield* issue({ lifetime: "5 minutes" })))
      yield* TestClock.adjust("5 minutes")
      const before = told
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(told, before + 1)
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(told, before + 1)
    })))
})

describe("a list of revocations", () => {
  it.effect("refuses keys and certificates, also those that come later, and lets in who has another certificate", () =>
    set(Effect.gen(function*() {
      const { authority, issue, key, policy } = yield* world
      const other = yield* newKey
      yield* policy.proved(bob, key, undefined, shown(yield* issue({ serial: 5 })))
      assert.isTrue(
        yield* policy.revoke(yield* authority.revoke({ networkId, version: 1, serials: [5], publicKeys: [other] }))
      )
      assert.strictEqual(yield* kindOf(policy.check(bob, key)), "BadCertificate")
      assert.isUndefined(yield* policy.expected(bob))
      assert.strictEqual(yield* kindOf(policy.check(alice, other)), "Revoked")
      const late = yield* issue({ name: "alice", publicKey: other, serial: 9 })
      assert.strictEqual(yield* kindOf(policy.proved(alice, other, undefined, shown(late))), "Revoked")
      yield* policy.proved(bob, key, undefined, shown(yield* issue({ serial: 6 })))
      yield* policy.check(bob, key)
    })))

  it.effect("is newer than the one before, its authority's, and of this network, or changes nothing", () =>
    set(Effect.gen(function*() {
      const { authority, issue, key, policy } = yield* world
      yield* policy.proved(bob, key, undefined, shown(yield* issue({ serial: 5 })))
      const stranger = yield* Authority.generate
      const list = yield* authority.revoke({ networkId, version: 7, serials: [5] })
      yield* policy.revoke(list)
      const tampered = (yield* authority.revoke({ networkId, version: 8 })).slice()
      tampered[tampered.length - 70]! ^= 1
      for (
        const [what, rolled] of Object.entries({
          "older": yield* authority.revoke({ networkId, version: 6 }),
          "of the same version": yield* authority.revoke({ networkId, version: 7 }),
          "another's": yield* stranger.revoke({ networkId, version: 9 }),
          "another network's": yield* authority.revoke({ networkId: "work", version: 9 }),
          "tampered with": tampered,
          "cut short": list.subarray(0, -1),
          "a certificate": yield* issue(),
          "nothing": new Uint8Array(0),
          "nonsense": new Uint8Array(200_000).fill(1)
        })
      ) {
        assert.isFalse(yield* policy.credentials!.take("revocations", rolled), what)
        assert.strictEqual(yield* kindOf(policy.check(bob, key)), "BadCertificate", what)
      }
      assert.isFalse(yield* policy.credentials!.take("anything", yield* authority.revoke({ networkId, version: 9 })))
      assert.deepStrictEqual(yield* policy.revocations, list)
      assert.deepStrictEqual(yield* policy.credentials!.give("revocations"), list)
      assert.isUndefined(yield* policy.credentials!.give("secrets"))
    })))

  it.effect("is asked for of who says that it has a newer one, and of nobody else", () =>
    set(Effect.gen(function*() {
      const { authority, issue, key, policy } = yield* world
      const certificate = yield* issue()
      yield* policy.revoke(yield* authority.revoke({ networkId, version: 300 }))
      const asks = (version: number) => policy.credentials!.told(bob, key, shown(certificate, version))
      assert.deepStrictEqual(
        [yield* asks(0), yield* asks(299), yield* asks(300), yield* asks(301)],
        [undefined, undefined, undefined, "revocations"]
      )
      // What no list can have.
      assert.isUndefined(
        yield* policy.credentials!.told(bob, key, Uint8Array.of(...new Uint8Array(8).fill(255), ...certificate))
      )
    })))
})

describe("a policy by an authority", () => {
  it.effect("is not made of what is not the authority's, and shows what it was given", () =>
    set(Effect.gen(function*() {
      const { authority, issue } = yield* world
      const stranger = yield* Authority.generate
      const key = yield* newKey
      const make = (options: Partial<AuthorityTrust.Options>, by: string = authority.publicKey) =>
        AuthorityTrust.make(by, { networkId, ...options })
      const certificate = yield* issue()
      const list = yield* authority.revoke({ networkId, version: 258 })
      for (
        const [options, by, kind] of [
          [{}, key, "Key"],
          [{}, "", "Key"],
          [{ certificate }, stranger.publicKey, "Certificate"],
          [{ certificate: yield* issue({ networkId: "work" }) }, authority.publicKey, "Certificate"],
          [{ certificate: "not base64url!" }, authority.publicKey, "Certificate"],
          [{ certificate: list }, authority.publicKey, "Certificate"],
          [{ revocations: list }, stranger.publicKey, "Revocations"],
          [{ revocations: certificate }, authority.publicKey, "Revocations"]
        ] as const
      ) assert.strictEqual((yield* Effect.flip(make(options, by))).kind, kind)
      const policy = yield* make({ certificate: Authority.toText(certificate), revocations: Authority.toText(list) })
      assert.deepStrictEqual(yield* policy.credentials!.shown, shown(certificate, 258))
      const renewed = yield* issue({ lifetime: "2 hours" })
      yield* policy.renew(renewed)
      assert.deepStrictEqual(yield* policy.credentials!.shown, shown(renewed, 258))
    })))

  it.effect("says in time that its own certificate ends, and that it has, once each", () =>
    Effect.gen(function*() {
      const logs: Array<string> = []
      yield* TestClock.setTime(begin)
      yield* Effect.gen(function*() {
        const { authority, issue } = yield* world
        yield* AuthorityTrust.make(authority.publicKey, {
          networkId,
          certificate: yield* issue({ lifetime: "10 hours" })
        })
        yield* TestClock.adjust("8 hours")
        assert.deepStrictEqual(logs, [])
        yield* TestClock.adjust("90 minutes")
        assert.strictEqual(logs.length, 1)
        assert.include(logs[0], "\"bob\"")
        yield* TestClock.adjust("5 hours")
        assert.strictEqual(logs.length, 2)
        assert.include(logs[1], "expired")
      }).pipe(
        Effect.scoped,
        Effect.provide([
          NodeCrypto.layer,
          Logger.layer([Logger.make(({ message }) => void logs.push(String(message)))])
        ])
      )
    }))

  it.effect("shows and takes the same where Trust.open grants everything, and admits nobody else", () =>
    set(Effect.gen(function*() {
      const { authority, issue, key } = yield* world
      const context = yield* Layer.build(
        Trust.open(AuthorityTrust.layer(authority.publicKey, { networkId, certificate: yield* issue() }))
      )
      const open = Context.get(context, Trust.Trust)
      const policy = Context.get(context, AuthorityTrust.AuthorityTrust)
      assert.deepStrictEqual(yield* open.credentials!.shown, yield* policy.credentials!.shown)
      assert.strictEqual(yield* kindOf(open.proved(bob, key)), "NoCertificate")
      yield* open.proved(bob, key, undefined, shown(yield* issue({ rights: { calls: [] } })))
      assert.deepStrictEqual(yield* Trust.rightsOf(open, bob, key), Rights.all)
      assert.deepStrictEqual((yield* Trust.rightsOf(policy, bob, key)).calls, [])
    })))

  it.effect("keeps so many certificates, and forgets the one that was of use the longest time ago", () =>
    set(Effect.gen(function*() {
      // Each of them is signed: what a peer can make a node keep is what the authority has issued.
      const { authority, issue } = yield* world
      const policy = yield* AuthorityTrust.make(authority.publicKey, { networkId, capacity: 2 })
      const [one, two, three] = [yield* newKey, yield* newKey, yield* newKey]
      const prove = (name: string, publicKey: PublicKey.PublicKey) =>
        Effect.flatMap(
          issue({ name, publicKey }),
          (certificate) => policy.proved(nameOf(name), publicKey, undefined, shown(certificate))
        )
      yield* prove("one", one)
      yield* prove("two", two)
      yield* policy.check(nameOf("one"), one)
      yield* prove("three", three)
      yield* policy.check(nameOf("one"), one)
      assert.strictEqual(yield* kindOf(policy.check(nameOf("two"), two)), "NoCertificate")
      assert.isUndefined(yield* policy.expected(nameOf("two")))
      assert.strictEqual((yield* policy.certificates).length, 2)
    })))
})
