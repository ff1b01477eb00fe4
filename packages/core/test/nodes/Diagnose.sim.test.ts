/** What `Diagnose` finds on simulated networks that are as they should be, and on such that are not. */
import { assert, describe, it } from "@effect/vitest"
import { Crypto, Diagnose, Finding, Network, NetworkKey, Packet, PortableCrypto } from "@pnet/core"
import { SimNetwork, SimWorld } from "@pnet/testing"
import { advertPacket } from "@pnet/testing/DiscoverySuite"
import { Clock, Context, Duration, Effect, Layer, Logger, Result, type Scope } from "effect"

const quietly = (body: Effect.Effect<void, unknown, Scope.Scope>) =>
  body.pipe(Effect.scoped, SimWorld.passing(), Effect.provide(Logger.layer([])))

const test = (title: string, body: Effect.Effect<void, unknown, Scope.Scope>) => it.effect(title, () => quietly(body))

/** The findings of a host, by tag; and that it ended in time. */
const diagnose = (
  host: SimNetwork.Host,
  options: Diagnose.Options = {},
  over: Layer.Layer<Network.Network, never, Network.Network> = Layer.effect(Network.Network, Network.Network)
) =>
  Effect.gen(function*() {
    const began = yield* Clock.currentTimeMillis
    const process = yield* host.launch(Layer.fresh(over).pipe(Layer.merge(PortableCrypto.layer)))
    const findings = yield* process.run(
      Diagnose.run({ bindIp: "0.0.0.0", ...options }).pipe(Effect.provide(process.context))
    )
    yield* process.stop
    assert.isAtMost((yield* Clock.currentTimeMillis) - began, 7_000, "it ends by itself")
    const of = <Tag extends Finding.Finding["_tag"]>(tag: Tag) =>
      findings.filter((one): one is Extract<Finding.Finding, { _tag: Tag }> => one._tag === tag)
    return { findings, of, tags: findings.map(({ _tag }) => _tag as string), worst: Diagnose.worst(findings) }
  })

const key = NetworkKey.generate.pipe(Effect.provide(PortableCrypto.layer))

describe("a network that is as it should be", () => {
  test(
    "is all ok: the interface, both ports, the own broadcast, the peer, its clock",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ seed: 1 })
      const networkKey = yield* key
      const bob = yield* SimWorld.startNode(network, { name: "bob", networkKey })
      const here = yield* network.host("here")
      const { findings, of, tags, worst } = yield* diagnose(here, { name: "alice", networkKey })
      assert.strictEqual(worst, "ok", Diagnose.format(findings))
      assert.deepStrictEqual(tags, [
        "BindSucceeded",
        "InterfaceFound",
        "BindSucceeded",
        "BroadcastHeard",
        "PeerFound",
        "ClockAgrees"
      ])
      assert.deepInclude(of("PeerFound")[0], {
        peer: "bob",
        publicKey: bob.node.publicKey,
        address: `${bob.host.address}:${bob.node.endpoint.port}`,
        via: "broadcast"
      })
      assert.deepInclude(of("ClockAgrees")[0], { peers: 1 })
      for (const finding of findings) assert.strictEqual(finding.remedy, "")
      // Nothing of it stays, here or in the table of those who were asked.
      assert.deepStrictEqual(network.openSockets().filter(({ host }) => host === "here"), [])
      assert.deepStrictEqual(yield* bob.node.peers.all, [])
    })
  )

  test(
    "without a key says that clocks cannot be compared",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      yield* SimWorld.startNode(network, { name: "bob" })
      const { of, worst } = yield* diagnose(yield* network.host("here"))
      assert.deepInclude(of("ClockNotCompared")[0], { reason: "NoNetworkKey" })
      assert.strictEqual(of("PeerFound").length, 1)
      assert.strictEqual(worst, "info")
    })
  )

  test(
    "with nobody on it says so",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const networkKey = yield* key
      const { of, worst } = yield* diagnose(yield* network.host("here"), { networkKey, listenFor: "1 second" })
      assert.deepStrictEqual(Duration.toMillis(of("NoPeerFound")[0]!.listenedFor), 1_000)
      assert.include(of("NoPeerFound")[0]!.message, "within 1 s on UDP port")
      assert.deepInclude(of("ClockNotCompared")[0], { reason: "NoPeer" })
      assert.strictEqual(worst, "info")
    })
  )

  test(
    "on loopback tests this machine alone",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      yield* SimWorld.startNode(network, { name: "far" })
      const here = yield* network.host("here")
      yield* SimWorld.startNode(network, { name: "near", bindIp: "127.0.0.1" }, { host: here })
      const { of } = yield* diagnose(here, { bindIp: "127.0.0.1" })
      assert.deepStrictEqual(of("PeerFound").map(({ peer }) => peer), ["near"])
      assert.deepInclude(of("BroadcastHeard")[0], { address: "127.0.0.1", broadcast: "127.255.255.255" })
    })
  )

  test(
    "names every interface, and hears its broadcast on each",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ lans: { a: {}, b: {} } })
      const here = yield* network.host("here", { interfaces: [{ lan: "a" }, { lan: "b" }] })
      const both = yield* diagnose(here)
      assert.deepStrictEqual(both.of("InterfaceFound").map(({ address }) => address), ["10.0.0.1", "10.0.1.1"])
      assert.deepStrictEqual(both.of("BroadcastHeard").map(({ broadcast }) => broadcast), ["10.0.0.255", "10.0.1.255"])
      const one = yield* diagnose(here, { bindIp: "10.0.1.1" })
      assert.deepStrictEqual(one.of("BroadcastHeard").map(({ address }) => address), ["10.0.1.1"])
    })
  )
})

describe("what is wrong on this machine", () => {
  test(
    "no interface, or none of that address, with those there are",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const bare = yield* network.host("bare", { interfaces: [] })
      const none = yield* diagnose(bare)
      assert.deepInclude(none.of("NoInterface")[0], { bindIp: "0.0.0.0", available: [] })
      assert.strictEqual(none.worst, "error")
      const here = yield* network.host("here")
      const other = yield* diagnose(here, { bindIp: "10.9.9.9" })
      const [finding] = other.of("NoInterface")
      assert.deepInclude(finding, { bindIp: "10.9.9.9", available: [here.address] })
      assert.include(finding!.remedy, here.address)
      assert.deepInclude(other.of("BindFailed")[0], { protocol: "TCP", kind: "AddressNotAvailable" })
    })
  )

  test(
    "no loopback either, which is said in the place of one that works",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const over = Layer.effect(
        Network.Network,
        Effect.map(Network.Network, (network) => ({
          ...network,
          interfaces: Effect.map(network.interfaces, (all) => all.filter(({ loopback }) => !loopback))
        }))
      )
      const bare = yield* network.host("bare", { interfaces: [] })
      for (const bindIp of ["127.0.0.1", "0.0.0.0"]) {
        const { of, tags, worst } = yield* diagnose(bare, { bindIp }, over)
        const [finding] = of("NoInterface")
        assert.deepInclude(finding, { bindIp, available: [], loopback: false })
        assert.match(finding!.message, /loopback interface is not up|not even loopback/)
        assert.include(finding!.remedy, "ip link set lo up")
        assert.notInclude(tags, "InterfaceFound")
        assert.strictEqual(worst, "error")
      }
    })
  )

  test(
    "interfaces that cannot be read",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const over = Layer.effect(
        Network.Network,
        Effect.map(Network.Network, (network) => ({
          ...network,
          interfaces: Effect.fail(new Network.InterfacesError({ cause: new Error("no netlink") }))
        }))
      )
      const { of } = yield* diagnose(yield* network.host("here"), {}, over)
      assert.include(of("InterfacesUnreadable")[0]!.message, "no netlink")
    })
  )

  test(
    "an interface without a broadcast address",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const over = Layer.effect(
        Network.Network,
        Effect.map(Network.Network, (network) => ({
          ...network,
          interfaces: Effect.map(network.interfaces, (all) => all.map((one) => ({ ...one, prefixLength: 32 })))
        }))
      )
      const here = yield* network.host("here")
      const { of, tags } = yield* diagnose(here, {}, over)
      assert.deepInclude(of("NoBroadcastAddress")[0], { address: here.address, prefixLength: 32 })
      assert.notInclude(tags, "BroadcastHeard")
      // Nothing was sent to the address itself, as if it were its own broadcast address.
      assert.strictEqual(network.stats().sent, 0)
    })
  )

  test(
    "ports that others hold, UDP and TCP",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const here = yield* network.host("here")
      const greedy = yield* here.process
      const { datagram, listen } = Context.get(greedy.context, Network.Network)
      yield* (yield* datagram({ address: "0.0.0.0", port: 3_334 })).reader
      yield* listen({ host: "0.0.0.0", port: 4_000 })
      const { of, worst } = yield* diagnose(here, { serverPort: 4_000 })
      assert.deepStrictEqual(of("PortInUse").map(({ port, protocol }) => `${protocol} ${port}`), [
        "TCP 4000",
        "UDP 3334"
      ])
      assert.include(of("PortInUse")[0]!.remedy, "serverPort")
      assert.include(of("PortInUse")[1]!.remedy, "advertisePort")
      assert.strictEqual(worst, "error")
      // A node that shares the port is in nobody's way.
      yield* greedy.stop
      yield* SimWorld.startNode(network, { name: "bob" }, { host: here })
      assert.deepStrictEqual((yield* diagnose(here)).of("PortInUse"), [])
    })
  )

  test(
    "broadcasts that are forbidden, with what to do",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const here = yield* network.host("here")
      yield* here.setBroadcastAllowed(false)
      const { of, tags, worst } = yield* diagnose(here)
      const [finding] = of("BroadcastForbidden")
      assert.deepInclude(finding, { address: here.address, broadcast: "10.0.0.255", port: 3_334 })
      assert.match(finding!.remedy, /allow outgoing UDP to port 3334 .* or list the other nodes' addresses in peers/)
      assert.notInclude(tags, "BroadcastNotHeard")
      assert.strictEqual(worst, "error")
    })
  )

  test(
    "a broadcast that does not come back, as behind a firewall for what comes in",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const here = yield* network.host("here")
      yield* network.intercept(({ host, protocol }) => protocol === "udp" && host === "here" ? "drop" : "pass")
      const { of, worst } = yield* diagnose(here)
      assert.deepInclude(of("BroadcastNotHeard")[0], { address: here.address, port: 3_334 })
      assert.include(of("BroadcastNotHeard")[0]!.remedy, "firewall")
      // On loopback there is no firewall to mend, but systems that carry no broadcasts there.
      const loopback = { address: "127.0.0.1", broadcast: "127.255.255.255", port: 3_334 }
      assert.include(new Finding.BroadcastNotHeard(loopback).remedy, "serverPort")
      assert.strictEqual(worst, "warning")
    })
  )

  test(
    "wrong options are an error, not a finding",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const here = yield* network.host("here")
      const error = yield* Effect.flip(diagnose(here, { name: "a|b" }))
      assert.strictEqual((error as { _tag: string })._tag, "OptionsError")
    })
  )
})

describe("what is wrong between machines", () => {
  test(
    "a name that is taken, and an identity that runs already",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const crypto = Context.get(yield* Layer.build(PortableCrypto.layer), Crypto.Crypto)
      const identity = crypto.generateKeyPair()
      const alice = yield* SimWorld.startNode(network, { name: "alice", identity })
      const here = yield* network.host("here")
      const other = yield* diagnose(here, { name: "alice" })
      assert.deepInclude(other.of("NameTaken")[0], {
        name: "alice",
        publicKey: alice.node.publicKey,
        sameKey: false
      })
      assert.include(other.of("NameTaken")[0]!.remedy, "choose another name")
      const same = yield* diagnose(here, { name: "alice", identity })
      assert.isTrue(same.of("NameTaken")[0]!.sameKey)
      assert.deepStrictEqual((yield* diagnose(here, { name: "bob" })).of("NameTaken"), [])
      // Asking has not made a conflict of it.
      assert.deepStrictEqual(yield* alice.node.peers.all, [])
    })
  )

  test(
    "clocks that differ: by seconds, by more than there is room for, and not at all",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const networkKey = yield* key
      yield* Effect.sleep("1 minute")
      for (const [name, clockSkew] of [["slow", -20_000], ["far", 3_600_000], ["right", 0]] as const) {
        const host = yield* network.host(name, { clockSkew })
        yield* SimWorld.startNode(network, { name, networkKey }, { host })
      }
      const { of, worst } = yield* diagnose(yield* network.host("here"), { networkKey })
      const skews = new Map(of("ClockSkew").map((one) => [one.peer, one]))
      assert.deepStrictEqual([...skews.keys()].sort(), ["far", "slow"])
      assert.closeTo(skews.get("slow")!.seconds, -20, 1)
      assert.strictEqual(skews.get("slow")!.severity, "warning")
      assert.closeTo(skews.get("far")!.seconds, 3_600, 1)
      assert.strictEqual(skews.get("far")!.severity, "error")
      assert.include(skews.get("far")!.message, "ahead of")
      assert.include(skews.get("far")!.remedy, "NTP")
      assert.deepInclude(of("ClockAgrees")[0], { peers: 1 })
      assert.strictEqual(worst, "error")
    })
  )

  test(
    "keys that do not fit, in every way, and other networks",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const [one, two] = [yield* key, yield* key]
      yield* SimWorld.startNode(network, { name: "keyed", networkKey: one })
      yield* SimWorld.startNode(network, { name: "else", networkId: "elsewhere" })
      const here = yield* network.host("here")
      assert.deepStrictEqual((yield* diagnose(here, { networkKey: two })).of("KeyMismatch").map((f) => f.kind), [
        "OtherKey"
      ])
      const clear = yield* diagnose(here)
      assert.deepStrictEqual(clear.of("KeyMismatch").map((f) => f.kind), ["PeerEncrypts"])
      assert.deepStrictEqual(clear.of("OtherNetworks")[0]?.others, ["elsewhere"])
      assert.deepStrictEqual(
        (yield* diagnose(here, { networkId: "elsewhere", networkKey: one })).of("KeyMismatch").map((f) => f.kind),
        ["PeerInClear"]
      )
    })
  )

  test(
    "a peer that is heard and drops TCP, one that refuses it, and listed addresses with nobody there",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const bob = yield* SimWorld.startNode(network, { name: "bob" })
      const carol = yield* SimWorld.startNode(network, { name: "carol", advertisePort: 9_999 })
      const here = yield* network.host("here")
      // What a firewall does.
      yield* network.intercept(({ protocol, to }) =>
        protocol === "tcp" && to.startsWith(`${bob.host.address}:`) ? "drop" : "pass"
      )
      const listed = [
        `${carol.host.address}:${carol.node.endpoint.port}`,
        `${carol.host.address}:1`,
        "192.168.99.1:4000"
      ]
      const { of, worst } = yield* diagnose(here, { peers: listed })
      assert.deepStrictEqual(of("PeerFound").map(({ peer, via }) => `${peer} ${via}`), ["carol static"])
      const kinds = of("PeerUnreachable").map(({ kind, peer }) => `${peer ?? ""} ${kind}`)
      assert.deepStrictEqual(kinds, [" Refused", " Timeout", "bob NoAnswer"])
      // Where it is once, and what is there; what to do follows.
      const see = "; see @pnet/core/docs/why-cant-i.md#cannot-connect"
      assert.deepStrictEqual(of("PeerUnreachable").slice(0, 2).map(({ message }) => message), [
        `the peer at ${listed[1]} is listed, and no node listens there${see}`,
        `the peer at 192.168.99.1:4000 is listed, and does not answer over TCP${see}`
      ])
      assert.strictEqual(
        of("PeerUnreachable")[0]?.remedy,
        "start the node there, with that serverPort, or correct the address in peers"
      )
      assert.strictEqual(worst, "error")
    })
  )

  test(
    "a listed node that is not reached is an error, and says how, with the routes; one that answers what it is",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const [one, two] = [yield* key, yield* key]
      const nodes = yield* Effect.forEach(
        [
          { name: "key", networkKey: one },
          { name: "clear" },
          { name: "id", networkKey: two, networkId: "elsewhere" }
        ],
        (options) => SimWorld.startNode(network, { ...options, advertisePort: 9_999 })
      )
      const peers = [
        ...nodes.map(({ host, node }) => `${host.address}:${node.endpoint.port}`),
        "192.168.99.1:4000",
        "10.0.0.77:4000"
      ]
      const { of, worst } = yield* diagnose(yield* network.host("here"), { networkKey: two, peers })
      const found = of("PeerUnreachable")
      assert.deepStrictEqual(found.map(({ kind }) => kind), [
        "OtherKey",
        "OtherKey",
        "OtherNetwork",
        "Timeout",
        "Timeout"
      ])
      assert.deepStrictEqual(found.map(({ severity }) => severity), Array.from(found, () => "error"))
      assert.strictEqual(worst, "error")
      for (const { kind, remedy } of found) {
        assert.include(remedy, kind === "OtherKey" ? "networkKey" : kind === "OtherNetwork" ? "networkId" : "route")
      }
    })
  )

  test(
    "host names: what they have, that they have nothing, and that one of their addresses answers",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const bob = yield* SimWorld.startNode(network, { name: "bob", advertisePort: 9_999 })
      const carol = yield* network.host("carol")
      yield* network.setName("web", [bob.host.address, carol.address])
      const peers = [`web:${bob.node.endpoint.port}`, "bob.local:4000"]
      const { of } = yield* diagnose(yield* network.host("here"), { peers })
      assert.deepStrictEqual(of("HostNameResolved").map(({ addresses, name }) => [name, addresses]), [
        ["web", [bob.host.address, carol.address]]
      ])
      assert.deepStrictEqual(of("HostNameUnresolved").map(({ name, severity }) => [name, severity]), [
        ["bob.local", "error"]
      ])
      assert.deepStrictEqual(of("PeerFound").map(({ peer }) => peer), ["bob"])
      const [finding, ...more] = of("PeerUnreachable")
      assert.deepStrictEqual(more, [])
      assert.deepInclude(finding, { kind: "Refused", listedAs: "web", othersAnswer: true, severity: "warning" })
      yield* network.setNamesAvailable(false)
      const down = yield* diagnose(yield* network.host("later"), { peers })
      assert.include(down.of("HostNameUnresolved")[0]!.message, "no name server answered")
    })
  )

  test(
    "two nodes of one name, and more of one address than a node enters",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const [a, b] = [
        yield* SimWorld.startNode(network, { name: "bob" }),
        yield* SimWorld.startNode(network, { name: "bob" }, { host: yield* network.host("other") })
      ]
      yield* SimWorld.startNode(network, { name: "carol" }, { host: a.host })
      const here = yield* network.host("here")
      yield* SimWorld.startNode(network, { name: "dave" }, { host: here })
      yield* SimWorld.startNode(network, { name: "erin" }, { host: here })
      const { of, worst } = yield* diagnose(here, { limits: { unprovedPerAddress: 1, unprovedPerOwnAddress: 1 } })
      const [shared, ...more] = of("NameShared")
      assert.deepStrictEqual(more, [])
      assert.deepInclude(shared, { name: "bob", count: 2 })
      assert.deepStrictEqual(
        shared!.nodes.map(({ publicKey }) => publicKey as string).sort(),
        [a.node.publicKey as string, b.node.publicKey as string].sort()
      )
      assert.include(shared!.remedy, "a name of its own")
      assert.strictEqual(worst, "error")
      const hidden = of("PeersHidden").map(({ address, bound, heard, limit }) => [address, heard, limit, bound])
      assert.deepStrictEqual(hidden.sort(), [
        [a.host.address, 2, "unprovedPerAddress", 1],
        [here.address, 2, "unprovedPerOwnAddress", 1]
      ])
      assert.include(of("PeersHidden")[0]!.remedy, "raise limits.unproved")
      assert.deepStrictEqual((yield* diagnose(here)).of("PeersHidden"), [])
    })
  )

  test(
    "a token that was made for another packet is nobody",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const networkKey = yield* key
      const crypto = Context.get(yield* Layer.build(PortableCrypto.layer), Crypto.Crypto)
      const attacker = yield* network.host("attacker")
      const advert = { networkId: "pnet", name: "bob", host: attacker.address, port: 4_000, networkKey }
      const original = advertPacket(crypto, { ...advert, publicKey: crypto.generateKeyPair().publicKey })
      const copied = Result.getOrThrow(Packet.decode(original, { types: ["adv"], maxLength: Packet.maxDatagramLength }))
      // The same token under the attacker's key, which anybody who heard it can send.
      const moved = Packet.encode({ ...copied, publicKey: crypto.generateKeyPair().publicKey })
      const send = (payload: Uint8Array) =>
        network.inject(attacker, { from: `${attacker.address}:5000`, to: "10.0.0.255:3334", payload })
      const heard = (payload: Uint8Array) =>
        Effect.scoped(Effect.gen(function*() {
          yield* Effect.forkScoped(Effect.forever(Effect.andThen(send(payload), Effect.sleep("500 millis"))))
          return yield* diagnose(yield* network.host(`here-${network.hosts().length}`), { networkKey })
        }))
      assert.deepStrictEqual((yield* heard(original)).of("PeerUnreachable").map(({ peer }) => peer), ["bob"])
      const young = yield* heard(moved)
      // So old that it is opened to compare clocks.
      yield* Effect.sleep("5 minutes")
      assert.deepStrictEqual((yield* heard(original)).of("ClockSkew").map(({ peer }) => peer), ["bob"])
      const old = yield* heard(moved)
      for (const { of, tags } of [young, old]) {
        assert.deepStrictEqual(of("PeerUnreachable"), [])
        assert.deepStrictEqual(of("ClockSkew"), [])
        assert.includeMembers(tags, ["NoPeerFound"])
        assert.notInclude(tags, "KeyMismatch")
      }
    })
  )

  test(
    "adverts whose address was translated on the way",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make()
      const crypto = Context.get(yield* Layer.build(PortableCrypto.layer), Crypto.Crypto)
      const router = yield* network.host("router")
      const here = yield* network.host("here")
      const payload = advertPacket(crypto, {
        networkId: "pnet",
        name: "inside",
        host: "172.17.0.2",
        port: 4_000,
        publicKey: crypto.generateKeyPair().publicKey
      })
      yield* Effect.forkScoped(
        Effect.forever(Effect.andThen(
          network.inject(router, { from: `${router.address}:5000`, to: "10.0.0.255:3334", payload }),
          Effect.sleep("500 millis")
        ))
      )
      const { of, tags } = yield* diagnose(here)
      assert.deepInclude(of("SourceMismatch")[0], {
        peer: "inside",
        advertised: "172.17.0.2",
        source: router.address
      })
      assert.notInclude(tags, "PeerFound")
    })
  )

  test(
    "a flood of strangers costs bounded findings",
    Effect.gen(function*() {
      const network = yield* SimNetwork.make({ traceCapacity: 0 })
      const crypto = Context.get(yield* Layer.build(PortableCrypto.layer), Crypto.Crypto)
      const attacker = yield* network.host("attacker")
      const here = yield* network.host("here")
      const flood = Effect.gen(function*() {
        for (let i = 0; i < 400; i++) {
          const publicKey = crypto.generateKeyPair().publicKey
          const host = `10.0.0.${100 + i % 100}`
          for (const networkId of ["pnet", `other-${i}`]) {
            yield* network.inject(attacker, {
              from: `${host}:${5_000 + i}`,
              to: "10.0.0.255:3334",
              payload: advertPacket(crypto, { networkId, name: `n${i}`, host, port: 4_000, publicKey })
            })
          }
          yield* Effect.sleep("2 millis")
        }
      })
      yield* Effect.forkScoped(Effect.andThen(Effect.sleep("100 millis"), flood))
      const { findings, of } = yield* diagnose(here)
      assert.isAtMost(findings.length, 80)
      assert.strictEqual(of("PeerUnreachable").length, 64)
      assert.strictEqual(of("OtherNetworks")[0]!.others.length, 16)
    })
  )
})

it("findings are text that a person can read", () => {
  const findings = [
    new Finding.InterfaceFound({ interface: "eth0", address: "10.0.0.1", broadcast: "10.0.0.255" }),
    new Finding.BroadcastForbidden({ address: "10.0.0.1", broadcast: "10.0.0.255", port: 3_334 })
  ]
  assert.strictEqual(
    Diagnose.format(findings),
    [
      "ok       eth0 has the address 10.0.0.1 and broadcasts to 10.0.0.255",
      "error    the system forbids broadcasts from 10.0.0.1 to 10.0.0.255",
      "         > allow outgoing UDP to port 3334 (a firewall rule, a container or a VPN forbids it), or list the other nodes' addresses in peers"
    ].join("\n")
  )
  assert.strictEqual(Diagnose.worst([]), "ok")
})
