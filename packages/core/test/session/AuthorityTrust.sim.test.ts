/** Nodes that go by an authority: certificates in handshakes, renewed and revoked while sessions stand. */
import { assert, describe, it } from "@effect/vitest"
import {
  type AdvancedNode,
  Authority,
  AuthorityTrust,
  BasicNode,
  type Crypto,
  Identity,
  TofuTrust,
  Trust
} from "@pnet/core"
import { echo, failureOf, networkId, quietly, start, text } from "@pnet/lab/worlds/sessionWorld"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { SimNetwork } from "@pnet/testing"
import { Clock, Context, Effect, Layer, Logger, type Scope } from "effect"

const inWorld = <E>(
  body: Effect.Effect<void, E, Crypto.Crypto | Scope.Scope>,
  options: Parameters<typeof quietly>[1]
) => quietly(Effect.provide(body, NodeCrypto.layer), options)

const coarse = { step: "20 millis" } as const

const world = Effect.gen(function*() {
  const network = yield* SimNetwork.make({ seed: 9, link: { latency: "1 millis" } })
  const authority = yield* Authority.generate
  const logs: Array<string> = []
  /** A node with a certificate for its name, or for what is given. */
  const node = (
    name: string,
    options: {
      readonly issue?: Partial<Authority.Issue>
      readonly certificate?: Uint8Array | "none"
      readonly by?: Authority.Authority
      readonly capacity?: number
      readonly policy?: (policy: AuthorityTrust.ByAuthority) => Trust.Trust["Service"]
    } = {}
  ) =>
    Effect.gen(function*() {
      const identity = yield* Identity.generate
      const issue = (more: Partial<Authority.Issue> = {}) =>
        Effect.orDie((options.by ?? authority).issue({
          networkId,
          name,
          publicKey: identity.publicKey,
          lifetime: "1 day",
          ...options.issue,
          ...more
        }))
      const certificate = options.certificate ?? (yield* issue())
      const policy = yield* Effect.orDie(AuthorityTrust.make((options.by ?? authority).publicKey, {
        networkId,
        capacity: options.capacity,
        ...(certificate === "none" ? {} : { certificate })
      }))
      const started = yield* start(network, {
        name,
        identity,
        functions: { echo, hold: () => Effect.never },
        onMessage: ({ data }) => Effect.succeed(data)
      }, {
        trust: Layer.succeed(Trust.Trust, options.policy?.(policy) ?? policy),
        logger: Logger.layer([Logger.make(({ message }) => void logs.push(`${name}: ${String(message)}`))])
      })
      return { ...started, policy, issue, identity }
    })
  return { network, authority, node, logs }
})

const know = (...nodes: ReadonlyArray<{ readonly node: AdvancedNode.AdvancedNode["Service"] }>) =>
  Effect.orDie(
    Effect.forEach(nodes, ({ node }) =>
      Effect.forEach(nodes, (other) =>
        other.node === node ? Effect.void : node.peers.awaitPeer(other.node.name)))
  )

const call = (from: { readonly node: AdvancedNode.AdvancedNode["Service"] }, to: string) =>
  Effect.map(from.node.request(to, "echo", "hi"), text)

const until = (what: string, holds: Effect.Effect<boolean>) =>
  Effect.gen(function*() {
    for (let i = 0; i < 600; i++) {
      if (yield* holds) return
      yield* Effect.sleep("100 millis")
    }
    return yield* Effect.die(new Error(`not yet: ${what}`))
  })

describe("nodes of an authority", () => {
  it.effect("call each other by their certificates alone, and with the rights in them", () =>
    inWorld(
      Effect.gen(function*() {
        const { node } = yield* world
        const alice = yield* node("alice", { issue: { rights: { roles: ["worker"], calls: ["echo"] } } })
        const bob = yield* node("bob")
        yield* know(alice, bob)
        assert.strictEqual(yield* call(alice, "bob"), "hi")
        assert.strictEqual(yield* call(bob, "alice"), "hi")
        assert.strictEqual((yield* failureOf(alice.node.request("bob", "hold", "")))._tag, "NotAllowedError")
        const { name, publicKey } = alice.node
        assert.deepStrictEqual(yield* Trust.rightsOf(bob.policy, name, publicKey), {
          roles: ["worker"],
          serves: [],
          calls: ["echo"],
          publishes: ["*"],
          subscribes: []
        })
      }),
      coarse
    ))

  it.effect("refuse who has no certificate, another's, one for another name or network, or of another authority", () =>
    inWorld(
      Effect.gen(function*() {
        const { node, network } = yield* world
        const bob = yield* node("bob")
        const other = yield* Effect.provide(Authority.generate, NodeCrypto.layer)
        const strangers = [
          yield* node("without", { certificate: "none" }),
          yield* node("thief", { certificate: yield* bob.issue() }),
          yield* node("liar", { issue: { name: "bobby" } }),
          yield* node("late", { issue: { lifetime: "1 milli", notBefore: 0 } }),
          yield* node("foreign", { by: other }),
          // What is shown is more than may be, which is as if it were not there.
          yield* node("padded", {
            policy: (policy) => ({
              ...policy,
              credentials: {
                ...policy.credentials!,
                shown: Effect.map(
                  policy.credentials!.shown,
                  (shown) => Uint8Array.of(...shown!, ...new Uint8Array(4_097 - shown!.length))
                )
              }
            })
          }),
          // A node of yesterday, or of another policy: it shows nothing, and takes whom it likes.
          {
            ...(yield* start(network, { name: "old", functions: { echo } }, { trust: TofuTrust.layer() })),
            policy: undefined
          }
        ]
        yield* Effect.sleep("3 minutes")
        for (const { node: stranger } of strangers) {
          yield* Effect.orDie(stranger.peers.awaitPeer("bob"))
          const there = yield* failureOf(stranger.request("bob", "echo", "hi"))
          assert.include(
            ["ProtocolError", "UntrustedPeerError", "PeerLostError"],
            there._tag,
            `${stranger.name}: ${there.message}`
          )
          yield* Effect.orDie(bob.node.peers.awaitPeer(stranger.name))
          const here = yield* failureOf(bob.node.request(stranger.name, "echo", "hi"))
          // One refuses bob first.
          const expected = stranger.name === "foreign" ? "ProtocolError" : "UntrustedPeerError"
          assert.strictEqual(here._tag, expected, `${stranger.name}: ${here.message}`)
          yield* Effect.exit(stranger.raw.sendText("bob", "hi"))
        }
        assert.deepStrictEqual(yield* bob.policy.certificates.pipe(Effect.map((all) => all.map(({ name }) => name))), [
          "bobby",
          "late"
        ])
        assert.deepStrictEqual(yield* bob.node.sessions.all, [])
      }),
      { step: "200 millis" }
    ))

  it.effect("learn of a renewed certificate in the session that stands, which outlives the old one, and of its rights", () =>
    inWorld(
      Effect.gen(function*() {
        const { node } = yield* world
        const alice = yield* node("alice", { issue: { lifetime: "10 minutes", rights: { calls: [] } } })
        const bob = yield* node("bob")
        yield* know(alice, bob)
        assert.strictEqual((yield* failureOf(call(alice, "bob")))._tag, "NotAllowedError")
        yield* Effect.sleep("1 second")
        yield* Effect.orDie(alice.policy.renew(yield* alice.issue({ lifetime: "1 day", rights: { calls: ["echo"] } })))
        yield* until("bob has it", Effect.map(Effect.exit(call(alice, "bob")), ({ _tag }) => _tag === "Success"))
        const before = yield* bob.node.sessions.all
        yield* Effect.sleep("15 minutes")
        assert.strictEqual(yield* call(alice, "bob"), "hi")
        assert.strictEqual(before.length, 1)
      }),
      { step: "100 millis", limit: "40 minutes" }
    ))

  it.effect("end the session of a peer whose certificate expires, a minute after that, and let it in with another", () =>
    inWorld(
      Effect.gen(function*() {
        const { node } = yield* world
        const alice = yield* node("alice", { issue: { lifetime: "3 minutes" } })
        const bob = yield* node("bob")
        yield* know(alice, bob)
        const begun = yield* Clock.currentTimeMillis
        const held = yield* failureOf(alice.node.request("bob", "hold", ""))
        assert.strictEqual(held._tag, "PeerLostError")
        const took = (yield* Clock.currentTimeMillis) - begun
        assert.isAbove(took, 3 * 60_000)
        assert.isBelow(took, 4 * 60_000 + 2_000)
        const refused = yield* failureOf(call(alice, "bob"))
        assert(refused._tag === "ProtocolError" && refused.code === "ERR_UNTRUSTED", refused.message)
        yield* Effect.orDie(alice.policy.renew(yield* alice.issue({ lifetime: "1 day" })))
        assert.strictEqual(yield* call(alice, "bob"), "hi")
        assert.strictEqual(yield* call(bob, "alice"), "hi")
      }),
      { step: "100 millis", limit: "40 minutes" }
    ))
})

describe("revocation", () => {
  it.effect("that is given to one node reaches all that it has sessions with, through them all others, and newcomers", () =>
    inWorld(
      Effect.gen(function*() {
        const { authority, node } = yield* world
        const chain = yield* Effect.forEach(["a", "b", "c", "d"], (name) => node(name))
        const thief = yield* node("thief")
        yield* know(...chain, thief)
        // Each knows the next one alone by a session, and the last has one with the thief.
        for (let i = 0; i < chain.length - 1; i++) yield* call(chain[i]!, chain[i + 1]!.node.name)
        const held = yield* Effect.forkChild(Effect.exit(thief.node.request("d", "hold", "")), {
          startImmediately: true
        })
        yield* Effect.sleep("1 second")
        const list = yield* Effect.orDie(
          authority.revoke({ networkId, version: 2, publicKeys: [thief.node.publicKey] })
        )
        const begun = yield* Clock.currentTimeMillis
        yield* Effect.orDie(chain[0]!.policy.revoke(list))
        yield* until("the thief is out", Effect.sync(() => held.pollUnsafe() !== undefined))
        assert.isBelow((yield* Clock.currentTimeMillis) - begun, 2_000)
        for (const { policy } of chain) assert.deepStrictEqual(yield* policy.revocations, list)
        assert.strictEqual((yield* failureOf(call(thief, "a")))._tag, "ProtocolError")
        // Of an older list nobody takes notice, whoever has it.
        const older = yield* Effect.orDie(authority.revoke({ networkId, version: 1 }))
        assert.isFalse(yield* Effect.orDie(chain[3]!.policy.revoke(older)))
        const newcomer = yield* node("e")
        yield* Effect.orDie(newcomer.policy.revoke(older))
        yield* know(newcomer, chain[1]!)
        yield* call(newcomer, "b")
        yield* until(
          "it has the list",
          Effect.map(newcomer.policy.revocations, (bytes) => bytes?.length === list.length)
        )
        assert.deepStrictEqual(yield* newcomer.policy.revocations, list)
        assert.deepStrictEqual(yield* chain[1]!.policy.revocations, list)
      }),
      coarse
    ))

  it.effect("reaches a node whose other peers say that they have newer ones, and never give any", () =>
    inWorld(
      Effect.gen(function*() {
        const { authority, node } = yield* world
        let asked = 0
        const liars = yield* Effect.forEach(["l1", "l2", "l3", "l4", "l5"], (name) =>
          node(name, {
            policy: (policy) => ({
              ...policy,
              credentials: {
                ...policy.credentials!,
                shown: Effect.map(policy.credentials!.shown, (shown) => {
                  const out = shown!.slice()
                  out.set([0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
                  return out
                }),
                give: () => Effect.andThen(Effect.sync(() => asked++), Effect.never)
              }
            })
          }))
        const bob = yield* node("bob")
        const honest = yield* node("honest")
        yield* know(bob, honest, ...liars)
        for (const liar of liars) yield* call(liar, "bob")
        yield* call(honest, "bob")
        const list = yield* Effect.orDie(
          authority.revoke({ networkId, version: 3, publicKeys: [liars[0]!.node.publicKey] })
        )
        const begun = yield* Clock.currentTimeMillis
        yield* Effect.orDie(honest.policy.revoke(list))
        yield* until("bob has it", Effect.map(bob.policy.revocations, (bytes) => bytes !== undefined))
        assert.isBelow((yield* Clock.currentTimeMillis) - begun, 21_000)
        assert.isAtLeast(asked, 4)
        assert.strictEqual((yield* failureOf(call(liars[0]!, "bob")))._tag, "ProtocolError")
        assert.strictEqual(yield* call(liars[1]!, "bob"), "hi")
      }),
      coarse
    ))

  it.effect("lists are asked for one at a time of a peer, and four of all, and no more of one is read than it may have", () =>
    inWorld(
      Effect.gen(function*() {
        const { node } = yield* world
        const asked = new Map<string, number>()
        let [now, most, mostOfOne] = [0, 0, 0]
        const change = (name: string, by: number) =>
          Effect.sync(() => {
            asked.set(name, (asked.get(name) ?? 0) + by)
            now += by
            most = Math.max(most, now)
            mostOfOne = Math.max(mostOfOne, asked.get(name)!)
          })
        let long = 0
        const liars = yield* Effect.forEach(["l1", "l2", "l3", "l4", "l5", "l6"], (name) =>
          node(name, {
            policy: (policy) => ({
              ...policy,
              credentials: {
                ...policy.credentials!,
                shown: Effect.map(policy.credentials!.shown, (shown) => {
                  const out = shown!.slice()
                  out.set([0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
                  return out
                }),
                give: () =>
                  Effect.acquireUseRelease(
                    change(name, 1),
                    () => Effect.as(Effect.sleep("2 seconds"), new Uint8Array(long)),
                    () => change(name, -1)
                  )
              }
            })
          }))
        const taken: Array<number> = []
        let limit = 0
        const bob = yield* node("bob", {
          policy: (policy) => {
            limit = policy.credentials!.limit
            const take: Trust.Credentials["take"] = (what, given) => {
              taken.push(given.length)
              return policy.credentials!.take(what, given)
            }
            return { ...policy, credentials: { ...policy.credentials!, take } }
          }
        })
        yield* know(bob, ...liars)
        const showOf = (some: typeof liars) =>
          Effect.forEach(
            some,
            ({ node: { sessions }, policy }) =>
              Effect.flatMap(policy.credentials!.shown, (shown) =>
                Effect.exit(sessions.exchange(
                  { name: bob.node.name, publicKey: bob.node.publicKey, endpoints: [], status: "Online", proved: true },
                  { protocol: "credentials", name: "certificate" },
                  Uint8Array.of(0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, ...shown!.subarray(8))
                ))),
            { concurrency: "unbounded" }
          )
        const showAll = showOf(liars)
        // While there is room for others, too.
        for (let round = 0; round < 3; round++) yield* showOf(liars.slice(0, 1))
        yield* Effect.sleep("20 seconds")
        assert.deepStrictEqual([most, mostOfOne, now], [1, 1, 0])
        for (let round = 0; round < 3; round++) yield* showAll
        yield* Effect.sleep("20 seconds")
        assert.deepStrictEqual([most, mostOfOne, now], [4, 1, 0])
        assert.isAtLeast(taken.length, 6)
        taken.length = 0
        long = limit + 1
        yield* showAll
        yield* Effect.sleep("20 seconds")
        assert.deepStrictEqual(taken, [])
        long = limit
        yield* showAll
        yield* Effect.sleep("20 seconds")
        assert.isAtLeast(taken.length, 6)
      }),
      coarse
    ))

  it.effect("lists that a peer says it has and has not are asked for seldom, one at a time, and cost no session", () =>
    inWorld(
      Effect.gen(function*() {
        const { node, logs } = yield* world
        let asked = 0
        const liar = yield* node("liar", {
          policy: (policy) => ({
            ...policy,
            credentials: {
              ...policy.credentials!,
              shown: Effect.map(policy.credentials!.shown, (shown) => {
                const out = shown!.slice()
                out.set([0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
                return out
              }),
              give: () => Effect.sync(() => (asked++, new Uint8Array(130_000).fill(asked)))
            }
          })
        })
        const bob = yield* node("bob")
        yield* know(liar, bob)
        yield* call(liar, "bob")
        const show = (bytes: Uint8Array) =>
          Effect.exit(
            liar.node.sessions.exchange(
              { name: bob.node.name, publicKey: bob.node.publicKey, endpoints: [], status: "Online", proved: true },
              { protocol: "credentials", name: "certificate" },
              bytes
            )
          )
        const shown = yield* liar.policy.credentials!.shown
        const lie = Uint8Array.of(0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, ...shown!.subarray(8))
        for (let i = 0; i < 200; i++) yield* show(lie)
        yield* Effect.sleep("5 seconds")
        // Of what is shown so often the most is not even read.
        assert.isAtLeast(asked, 1)
        assert.isAtMost(asked, 12)
        yield* Effect.sleep("11 seconds")
        // Of what is shown 4,096 bytes are read.
        assert.strictEqual((yield* show(new Uint8Array(4_096)))._tag, "Success")
        const long = yield* failureOf(Effect.flatten(show(new Uint8Array(4_097))))
        assert.strictEqual(long._tag, "StreamResetError")
        assert.include(long.message, "too")
        // Who does not say all of it is not waited for.
        const begun = yield* Clock.currentTimeMillis
        const endless = yield* Effect.scoped(Effect.gen(function*() {
          const stream = yield* liar.node.sessions.open(
            { name: bob.node.name, publicKey: bob.node.publicKey, endpoints: [], status: "Online", proved: true },
            { protocol: "credentials", name: "certificate" }
          )
          yield* stream.write(new Uint8Array(9))
          return yield* failureOf(stream.failed)
        }))
        assert.strictEqual(endless._tag, "StreamResetError")
        assert.isBelow((yield* Clock.currentTimeMillis) - begun, 11_000)
        assert.isUndefined(yield* bob.policy.revocations)
        assert.strictEqual(yield* call(liar, "bob"), "hi")
        assert.isAtMost(logs.filter((line) => line.startsWith("bob: ")).length, 6)
      }),
      coarse
    ))
})

describe("RAW", () => {
  it.effect("goes to a peer whose certificate was shown in a session, which a node with sessions makes for it", () =>
    inWorld(
      Effect.gen(function*() {
        const { authority, network, node } = yield* world
        const alice = yield* node("alice")
        const bob = yield* node("bob")
        yield* know(alice, bob)
        assert.strictEqual(yield* alice.node.raw.sendText("bob", "hello"), "hello")
        assert.strictEqual((yield* alice.node.sessions.all).length, 1)
        assert.strictEqual(yield* bob.node.raw.sendText("alice", "hello"), "hello")

        // A BasicNode has none.
        const identity = yield* Effect.provide(Identity.generate, NodeCrypto.layer)
        const policy = yield* Effect.provide(
          Effect.orDie(AuthorityTrust.make(authority.publicKey, { networkId })),
          NodeCrypto.layer
        )
        const host = yield* network.host("basic")
        const { context } = yield* Effect.orDie(host.launch(
          BasicNode.layer({ name: "basic", networkId, bindIp: "0.0.0.0", identity }).pipe(
            Layer.provide([NodeCrypto.layer, Layer.succeed(Trust.Trust, policy), Logger.layer([])])
          )
        ))
        const basic = Context.get(context, BasicNode.BasicNode)
        yield* Effect.orDie(basic.peers.awaitPeer("bob"))
        const error = yield* failureOf(basic.sendText("bob", "hello"))
        assert(error._tag === "UntrustedPeerError" && error.kind === "NoCertificate", error.message)
        assert.include(error.message, "which a BasicNode does not have")
      }),
      coarse
    ))

  it.effect("is taken again from who was forgotten, once it has shown its certificate anew, which a refusal makes it do", () =>
    inWorld(
      Effect.gen(function*() {
        const { node } = yield* world
        const alice = yield* node("alice")
        const bob = yield* node("bob", { capacity: 1 })
        const carol = yield* node("carol")
        yield* know(alice, bob, carol)
        assert.strictEqual(yield* alice.node.raw.sendText("bob", "hello"), "hello")
        assert.strictEqual(yield* call(carol, "bob"), "hi")
        const refused = yield* failureOf(alice.node.raw.sendText("bob", "hello"))
        assert(refused._tag === "ProtocolError" && refused.code === "ERR_UNTRUSTED", refused.message)
        assert.strictEqual(yield* alice.node.raw.sendText("bob", "hello"), "hello")
      }),
      coarse
    ))
})
