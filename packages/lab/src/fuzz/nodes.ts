/**
 * A node that is fed whatever bytes on TCP and UDP: made up, altered, cut short, repeated, never ended. Shared by a test (a few
 * seeds) and the command that goes on for as long as it is told. The clock is a `TestClock`, whose time passes here.
 */
import { Advert, Crypto, Identity, NetworkKey, Packet, Raw } from "@pnet/core"
import * as NodeCrypto from "@pnet/node/NodeCrypto"
import { SimNetwork, SimWorld } from "@pnet/testing"
import { Cause, Clock, Context, Effect, Layer, Logger, Random } from "effect"
import { TestClock } from "effect/testing"
import { concat } from "./mutate.ts"

export interface Scenario {
  readonly seed: number
  /** Packets and connections to try. */
  readonly cases: number
  /** Whether the network has a key. */
  readonly encrypted: boolean
}

export interface Result {
  /** Packets and connections that were tried. */
  readonly cases: number
  /** Log entries that tell of a defect. */
  readonly defects: ReadonlyArray<string>
  /** Whether an honest peer was still served at the end. */
  readonly served: boolean
  /** The most that the node held at any time. */
  readonly peers: number
  readonly sockets: number
  /** Sockets of the node and its peer after both were stopped. */
  readonly left: number
}

const networkId = "fuzz" as Packet.NetworkId

// --- chance ------------------------------------------------------------------------------------------------------------------

/** Random choices, all from the seed that `Random` was given. */
const draw = Effect.map(Effect.service(Random.Random), (random) => {
  const below = (n: number) => Math.floor(random.nextDoubleUnsafe() * n)
  const bytes = (length: number) => Uint8Array.from({ length }, () => below(256))
  const pick = <A>(items: ReadonlyArray<A>): A => items[below(items.length)]!
  return { below, bytes, pick, chance: (p: number) => random.nextDoubleUnsafe() < p }
})

type Draw = Effect.Success<typeof draw>

/** Alters bytes in one of the ways that go wrong on the wire or in an attacker's hands. */
const mutate = ({ below, bytes, pick }: Draw, input: Uint8Array): Uint8Array => {
  const at = below(input.length + 1)
  switch (below(8)) {
    case 0: {
      const out = input.slice()
      if (out.length > 0) out[below(out.length)]! ^= 1 << below(8)
      return out
    }
    case 1:
      return input.slice(0, at)
    case 2:
      return concat(input.slice(0, at), bytes(below(40)), input.slice(at))
    case 3:
      return concat(input.slice(0, at), input.slice(at + below(20)))
    case 4:
      return concat(input, input)
    case 5:
      return concat(input.slice(0, at), Uint8Array.of(pick([0x7c, 0x0a, 0x00, 0xff, 0x40])), input.slice(at))
    case 6:
      return concat(input.slice(at), input.slice(0, at))
    default:
      return input
  }
}

// --- the world ---------------------------------------------------------------------------------------------------------------

interface World {
  readonly random: Draw
  readonly network: SimNetwork.SimNetwork["Service"]
  readonly crypto: Crypto.Crypto["Service"]
  readonly networkKey: NetworkKey.NetworkKey
  /** The node that is attacked. */
  readonly bob: SimWorld.SimNode
  /** Its peer, which keeps the rules. */
  readonly alice: SimWorld.SimNode
  readonly attackers: ReadonlyArray<SimNetwork.Host>
  /** A key of theirs. */
  readonly identity: Identity.Identity["Service"]
}

const makeWorld = ({ encrypted, seed }: Scenario) =>
  Effect.gen(function*() {
    const random = yield* draw
    const network = yield* SimNetwork.make({ seed, traceCapacity: 0 })
    const crypto = Context.get(yield* Layer.build(NodeCrypto.layer), Crypto.Crypto)
    const networkKey = yield* NetworkKey.generate.pipe(Effect.provideService(Crypto.Crypto, crypto))
    const shared = encrypted ? { networkId, networkKey } : { networkId }
    const bob = yield* SimWorld.startNode(network, {
      ...shared,
      name: "bob",
      onMessage: ({ data }) => Effect.succeed(data)
    })
    const alice = yield* SimWorld.startNode(network, { ...shared, name: "alice" })
    const attackers = yield* Effect.forEach([1, 2, 3], (i) => network.host(`attacker${i}`))
    yield* SimWorld.passing()(alice.node.peers.awaitPeer("bob"))
    // Pins the name to its key: before that, anybody who calls itself bob is a conflict, as it should be.
    yield* SimWorld.passing()(alice.node.send("bob", "hello"))
    const identity = yield* Identity.generate.pipe(Effect.provideService(Crypto.Crypto, crypto))
    const world: World = { random, network, crypto, networkKey, bob, alice, attackers, identity }
    return world
  })

// --- what is sent ------------------------------------------------------------------------------------------------------------

/** Packets of every kind that a node reads, true to the rules but for who made them; and bytes that are none. */
const packets = ({ attackers, bob, crypto, identity, networkKey, random }: World) =>
  Effect.gen(function*() {
    const packet = (type: Packet.PacketType, content: Uint8Array) =>
      Packet.encode({ networkId, type, content, publicKey: identity.publicKey })
    const command = Raw.seal(crypto, crypto.sharedKey(bob.node.publicKey, identity.secretKey), {
      kind: random.chance(0.9) ? "request" : "answer",
      to: bob.node.publicKey,
      networkId,
      name: "eve" as Packet.NodeName,
      stamp: Math.floor((yield* Clock.currentTimeMillis) * 1_000) + random.below(1_000_000),
      payload: random.bytes(random.below(200))
    })
    const advert = Advert.encode({
      name: random.pick(["eve", "alice", "bob"]) as Packet.NodeName,
      host: attackers[0]!.address,
      port: random.below(65_536)
    })
    const token = crypto.fernetEncrypt(
      NetworkKey.toBytes(networkKey),
      random.bytes(80),
      yield* Clock.currentTimeMillis
    )
    return [
      packet("msg", Raw.toText(command)),
      packet("adv", advert),
      packet("rsp", Raw.toText(command)),
      packet("err", new TextEncoder().encode("ERR_BUSY")),
      packet("msg", token),
      packet("adv", token),
      packet("msg", Raw.toText(Uint8Array.of(5, 72, 69, 76, 76, 79))),
      random.bytes(random.below(3_000))
    ]
  })

/** A connection with a few of them. */
const onTcp = (world: World) =>
  Effect.gen(function*() {
    const { attackers, bob, random } = world
    const connection = yield* SimWorld.dial(random.pick(attackers), {
      host: bob.host.address,
      port: bob.node.endpoint.port
    })
    const pieces: Array<Uint8Array> = []
    // A line that never ends.
    if (random.chance(0.02)) pieces.push(new Uint8Array(200_000).fill(0x61))
    for (let i = random.below(4); i >= 0; i--) pieces.push(mutate(random, random.pick(yield* packets(world))))
    for (const piece of pieces) if (piece.length > 0) yield* connection.write(piece)
    // Some end in order, some vanish, some stay and say nothing more.
    if (random.chance(0.3)) yield* connection.end
    if (random.chance(0.5)) yield* Effect.sleep(random.below(7_000))
  }).pipe(Effect.scoped, Effect.ignore)

/** A datagram with one of them, from some address of the LAN. */
const onUdp = (world: World) =>
  Effect.gen(function*() {
    const { attackers, network, random } = world
    const host = random.pick(attackers)
    const source = random.chance(0.8) ? host.address : `10.0.0.${1 + random.below(250)}`
    yield* network.inject(host, {
      from: `${source}:${1 + random.below(65_535)}`,
      to: `10.0.0.255:3334`,
      payload: mutate(random, random.pick(yield* packets(world))).slice(0, 3_000)
    })
  })

// --- the run -----------------------------------------------------------------------------------------------------------------

/** Feeds the node, in rounds between which time passes, and gives the most that it held after any. */
const feed = (world: World, cases: number) =>
  Effect.gen(function*() {
    const { bob, network, random } = world
    let peers = 0
    let sockets = 0
    for (let done = 0; done < cases;) {
      const round = Math.min(20, cases - done)
      for (let i = 0; i < round; i++) {
        if (random.chance(0.5)) yield* Effect.forkScoped(onTcp(world))
        else yield* onUdp(world)
      }
      done += round
      yield* TestClock.adjust("500 millis")
      peers = Math.max(peers, (yield* bob.node.peers.all).length)
      sockets = Math.max(sockets, network.openSockets().filter(({ host }) => host === "bob").length)
    }
    return { peers, sockets }
  })

/** Feeds one node `cases` times; then its peer asks it once more, and both stop. */
export const fuzz = (options: Scenario) =>
  Effect.suspend(() => {
    const defects: Array<string> = []
    const watch = Logger.make<unknown, void>(({ cause, message }) => {
      if (Cause.hasDies(cause) || String(message).includes("Unhandled")) {
        defects.push(`${String(message)} ${Cause.pretty(cause)}`)
      }
    })
    return Effect.gen(function*() {
      const world = yield* makeWorld(options)
      const { alice, bob, network } = world
      const most = yield* feed(world, options.cases)
      const echo = yield* SimWorld.passing()(Effect.exit(alice.node.sendText("bob", "still there?")))
      yield* TestClock.adjust("2 minutes")
      yield* Effect.all([bob.process.stop, alice.process.stop])
      const left = network.openSockets().filter(({ host }) => host === "bob" || host === "alice").length
      const served = echo._tag === "Success" && echo.value === "still there?"
      const result: Result = { cases: options.cases, defects, served, ...most, left }
      return result
    }).pipe(Effect.scoped, Effect.provide(Logger.layer([watch])))
  }).pipe(Random.withSeed(options.seed))
