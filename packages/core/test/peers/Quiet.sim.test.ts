/** Whole nodes on a LAN of few, where some are not heard, protocol section 7, "r-table-quiet". */
import { assert, describe, it } from "@effect/vitest"
import type { NetworkInterface } from "@pnet/core/Network"
import * as NetworkKey from "@pnet/core/NetworkKey"
import * as Crowd from "@pnet/lab/membership/crowd"
import type { SimNetwork, SimWorld } from "@pnet/testing"
import { advertPacket } from "@pnet/testing/DiscoverySuite"
import { Clock, Effect, Redacted, type Scope } from "effect"

const test = (title: string, body: Effect.Effect<void, never, Scope.Scope>) =>
  it.effect(title, () => Crowd.alone(body), 60_000)

const few = { seed: 3, nodes: 6, loss: 0 }

const isWho = (payload: Uint8Array) => new TextDecoder().decode(payload.subarray(5, 9)) === "who|"

/** Questions that went out by a datagram since it was last asked, by where they went; those to one node arrive where they may. */
const questions = (network: SimNetwork.SimNetwork["Service"], pass: (from: string) => boolean = () => true) =>
  Effect.gen(function*() {
    let asked: Array<{ readonly host: string; readonly to: string; readonly at: number }> = []
    const clock = yield* Clock.Clock
    yield* network.intercept(({ host, payload, protocol, to }) => {
      if (protocol !== "udp" || !isWho(payload)) return "pass"
      asked.push({ host, to: to.slice(0, to.lastIndexOf(":")), at: clock.currentTimeMillisUnsafe() })
      return to.endsWith(".255:3334") || pass(host) ? "pass" : "drop"
    })
    return () => {
      const all = asked
      asked = []
      return all
    }
  })

/** Whom nodes suspect and lose from now on. */
const said = (nodes: ReadonlyArray<SimWorld.SimNode>) =>
  Effect.gen(function*() {
    const lines: Array<readonly [what: "Suspected" | "Lost", by: string, peer: string, at: number]> = []
    yield* Crowd.watch(nodes, (by, event, at) => {
      if (event._tag === "Suspected" || event._tag === "Lost") {
        lines.push([event._tag, by.node.name, event.peer.name, at])
      }
    })
    return lines
  })

/** Two of the nodes cannot broadcast any more. */
const muted = (nodes: ReadonlyArray<SimWorld.SimNode>) =>
  Effect.forEach(nodes.slice(0, 2), ({ host }) => host.setBroadcastAllowed(false))

/** Whether a datagram is an advert to one socket of somebody. */
const isAnswerTo = ({ payload, protocol, to }: SimNetwork.Packet, address: string) =>
  protocol === "udp" && to.startsWith(`${address}:`) && new TextDecoder().decode(payload.subarray(5, 9)) === "adv|"

describe("a newcomer of few", () => {
  test(
    "asks all that it does not know: it knows at once who cannot broadcast, though answers of that one are lost",
    Effect.gen(function*() {
      const { network, nodes, start } = yield* Crowd.open(few)
      yield* muted(nodes)
      yield* Effect.sleep("10 seconds")
      for (const lost of [0, 1, 3]) {
        const host = yield* network.host(`newcomer${lost}`)
        const answers: Array<string> = []
        let asked = 0
        yield* network.intercept((packet) => {
          if (packet.host === host.name && packet.to.endsWith(".255:3334") && isWho(packet.payload)) asked++
          if (!isAnswerTo(packet, host.address)) return "pass"
          answers.push(packet.host)
          return answers.filter((from) => from === "node0").length <= lost && packet.host === "node0" ? "drop" : "pass"
        })
        const newcomer = yield* start(host.name, {}, host)
        yield* Effect.sleep("2 seconds")
        assert.strictEqual(yield* Crowd.knownTo(newcomer), nodes.length)
        // Who was heard answers no question.
        assert.strictEqual(new Set(answers).size, nodes.length)
        assert.strictEqual(answers.length, nodes.length + lost)
        yield* Effect.sleep("10 seconds")
        // The rounds as far as the one that brought it, and three that brought nobody.
        assert.strictEqual(asked, lost + 3)
        yield* newcomer.process.kill
        yield* Effect.sleep("60 seconds")
      }
    })
  )
})

describe("newcomers of few on one machine", () => {
  test(
    "know all, though each node answers five of them in a second",
    Effect.gen(function*() {
      const { network, nodes, start } = yield* Crowd.open(few)
      yield* muted(nodes)
      yield* Effect.sleep("10 seconds")
      const host = yield* network.host("newcomers")
      const newcomers = yield* Effect.forEach(
        ["a", "b", "c", "d", "e", "f", "g", "h"],
        (name) => start(name, {}, host),
        { concurrency: "unbounded" }
      )
      yield* Effect.sleep("2 seconds")
      const known = yield* Effect.forEach(newcomers, Crowd.knownTo)
      assert.deepStrictEqual(known, newcomers.map(() => nodes.length + newcomers.length - 1))
    })
  )
})

/** The first answer of the first node to an address is lost. */
const firstAnswerLost = (network: SimNetwork.SimNetwork["Service"], address: string) => {
  let lost = false
  return network.intercept((packet) => {
    if (lost || packet.host !== "node0" || !isAnswerTo(packet, address)) return "pass"
    lost = true
    return "drop"
  })
}

describe("a newcomer of few whose first adverts nobody takes", () => {
  test(
    "for it had no interface as it started, asks when one comes",
    Effect.gen(function*() {
      const { network, nodes, start } = yield* Crowd.open(few)
      yield* muted(nodes)
      const host = yield* network.host("newcomer")
      const [{ name }] = (yield* host.interfaces).filter(({ loopback }) => !loopback) as [NetworkInterface]
      yield* host.setLinkUp(name, false)
      const newcomer = yield* start(host.name, {}, host)
      yield* Effect.sleep("30 seconds")
      for (let i = 0; i < 2; i++) {
        yield* firstAnswerLost(network, host.address)
        yield* host.setLinkUp(name, true)
        // An interval until it is noticed.
        yield* Effect.sleep("4 seconds")
        assert.strictEqual(yield* Crowd.knownTo(newcomer), nodes.length)
        yield* host.setLinkUp(name, false)
        yield* Effect.sleep("1 minute")
        assert.strictEqual(yield* Crowd.knownTo(newcomer), 0)
      }
    })
  )

  test(
    "for it left within this second, on a network with a key, asks in the next one",
    Effect.gen(function*() {
      const networkKey = NetworkKey.NetworkKey.make(Redacted.make(`${Buffer.alloc(32, 7).toString("base64url")}=`))
      const { crypto, network, nodes, start } = yield* Crowd.open({ ...few, networkKey })
      yield* muted(nodes)
      const host = yield* network.host("newcomer")
      const identity = crypto.generateKeyPair()
      const before = yield* start(host.name, { identity }, host)
      yield* Effect.sleep("10 seconds")
      yield* Effect.sleep(1_005 - (yield* Clock.currentTimeMillis) % 1_000)
      yield* before.process.stop
      yield* firstAnswerLost(network, host.address)
      const asked = yield* questions(network)
      const since = yield* Clock.currentTimeMillis
      const newcomer = yield* start(host.name, { identity }, host)
      yield* Effect.sleep("2 seconds")
      assert.strictEqual(yield* Crowd.knownTo(newcomer), nodes.length)
      // Before that each would drop it, as a question that brings nobody.
      const times = asked().filter((one) => one.host === host.name).map(({ at }) => at - since)
      assert.isAtLeast(times.length, 3)
      assert.isAbove(Math.min(...times), 1_000)
    })
  )
})

describe("a peer of few that is not heard", () => {
  test(
    "for its broadcasts are forbidden, is asked by datagrams: nobody suspects it, or connects for that, and its crash is noticed as any",
    Effect.gen(function*() {
      const { clear, connects, network, nodes } = yield* Crowd.open(few)
      const asked = yield* questions(network)
      yield* Effect.sleep("10 seconds")
      // Who is heard is not asked, but in all those that start ask.
      const byStart = asked()
      assert.isTrue(byStart.every(({ to }) => to === "10.0.255.255"))
      assert.strictEqual(byStart.length, 3 * nodes.length)
      yield* muted(nodes)
      const lines = yield* said(nodes)
      clear()
      yield* Effect.sleep("60 seconds")
      assert.deepStrictEqual(lines, [])
      assert.strictEqual(connects(), 0)
      // Five others each, some ten times a minute: each answer, and each question, is heard for 2.25 intervals.
      const toSilent = asked()
      assert.isTrue(toSilent.every(({ to }) => nodes.slice(0, 2).some(({ host }) => host.address === to)))
      assert.isAtLeast(toSilent.length, 2 * 4 * 8)
      assert.isAtMost(toSilent.length, 2 * 5 * 12)
      const crashedAt = yield* Clock.currentTimeMillis
      yield* nodes[0]!.host.crash
      yield* Effect.sleep("12 seconds")
      const lost = lines.filter(([what]) => what === "Lost")
      assert.deepStrictEqual(lost.map(([, , peer]) => peer), Array(5).fill("node0"))
      assert.isTrue(lost.every(([, , , at]) => at - crashedAt < 12_000))
      // Before anybody connected it had had its questions, and no more.
      const after = asked().filter(({ host, to }) => host === "node2" && to === nodes[0]!.host.address)
      assert.isAtLeast(after.length, 2)
      assert.isAtMost(after.length, 4)
    })
  )

  test(
    "and came just after its peers were looked at has time for its second question as any",
    Effect.gen(function*() {
      const { network, nodes, start } = yield* Crowd.open({ ...few, nodes: 1 })
      // That one looks at all in its first slice, and then only when somebody can have been silent for long.
      yield* Effect.sleep("600 millis")
      const bob = yield* start("bob")
      let isFirst = true
      const asked = yield* questions(network, () => {
        const isLost = isFirst
        isFirst = false
        return !isLost
      })
      yield* Effect.sleep("1 second")
      const lines = yield* said(nodes)
      yield* bob.host.setBroadcastAllowed(false)
      asked()
      yield* Effect.sleep("12 seconds")
      assert.isAtLeast(asked().length, 2)
      assert.deepStrictEqual(lines, [])
    })
  )

  test(
    "and knows no question by datagram is asked by a connection as before, and is not lost",
    Effect.gen(function*() {
      const { clear, connects, network, nodes } = yield* Crowd.open(few)
      const asked = yield* questions(network, () => false)
      yield* Effect.sleep("10 seconds")
      yield* muted(nodes)
      const lines = yield* said(nodes)
      clear()
      yield* Effect.sleep("60 seconds")
      assert.isNotEmpty(asked())
      assert.isAtLeast(connects(), 2 * 4)
      assert.isNotEmpty(lines)
      assert.deepStrictEqual(lines.filter(([what]) => what === "Lost"), [])
    })
  )

  test(
    "but was made up at the address of another has each node ask there 16 times a second at most, however many are made up",
    Effect.gen(function*() {
      const { crypto, network, nodes } = yield* Crowd.open(few)
      const asked = yield* questions(network)
      yield* Effect.sleep("5 seconds")
      const victim = yield* network.host("victim")
      for (let i = 0; i < 60; i++) {
        const { publicKey } = crypto.generateKeyPair()
        const advert = { networkId: "pnet", name: `made-up-${i}`, host: victim.address, port: 4_000 + i, publicKey }
        const payload = advertPacket(crypto, advert)
        yield* network.inject(victim, { from: `${victim.address}:${6_000 + i}`, to: "10.0.255.255:3334", payload })
      }
      yield* Effect.sleep("1 second")
      assert.isAtLeast(yield* Crowd.knownTo(nodes[1]!), 60)
      asked()
      yield* Effect.sleep("20 seconds")
      const of = asked().filter(({ host }) => host === "node1").map(({ at }) => at)
      assert.isNotEmpty(of)
      for (const from of of) assert.isAtMost(of.filter((at) => at >= from && at < from + 1_000).length, 16)
      // All of them are gone, and what was asked of them with them.
      assert.strictEqual(yield* Crowd.knownTo(nodes[1]!), 5)
      assert.isAtMost(of.length, 16 * 3)
    })
  )
})
