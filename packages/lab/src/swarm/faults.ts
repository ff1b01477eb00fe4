/** What is done to the nodes and to their network, one function for each kind of fault. Each waits until its fault is over. */
import { Effect, type Scope } from "effect"
import { nextNetworkKey, wrongKey } from "./cryptography.ts"
import { launch, makeSlot, stop } from "./nodes.ts"
import { perform } from "./perform.ts"
import type { Fault, NodeSpec, Order } from "./plan.ts"
import { work } from "./served.ts"
import { changeGrace, type Slot } from "./slot.ts"
import type { Watch } from "./watch.ts"
import type { World } from "./world.ts"

type Of<Kind extends Fault["kind"]> = Extract<Fault, { readonly kind: Kind }>

/** Where no other fault is at work on a place; otherwise nothing is done. */
const alone = (slot: Slot, fault: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (slot.busy) return Effect.void
    slot.busy = true
    return Effect.ensuring(
      fault,
      Effect.sync(() => {
        slot.busy = false
      })
    )
  })

export class Faults {
  readonly #world: World
  readonly #watch: Watch
  #strangers = 0
  #rotating = false
  #rotations = 0

  constructor(world: World, watch: Watch) {
    this.#world = world
    this.#watch = watch
  }

  /** A fault, from its beginning to its end. */
  inflict(fault: Fault): Effect.Effect<void, never, Scope.Scope> {
    const { weather } = this.#world
    switch (fault.kind) {
      case "restart":
        return weather.disturbing(this.#restart(fault))
      case "pause":
        return weather.disturbing(this.#pause(fault))
      case "partition":
        return weather.disturbing(this.#partition(fault))
      case "delay":
        return fault.node === fault.other ? Effect.void : weather.disturbing(this.#delay(fault))
      case "link":
        return weather.disturbing(this.#link(fault))
      case "address":
        return weather.disturbing(Effect.asVoid(this.#host(fault.node).changeAddress("eth0")))
      case "clock":
        return this.#clock(fault)
      case "revoke":
        return this.#revoke(fault)
      case "register":
        return this.#register(fault)
      case "rotate":
        return this.#rotate(fault)
      case "stranger":
        return this.#stranger(fault)
    }
  }

  #slot(node: number): Slot {
    return this.#world.slots[node]!
  }

  #host(node: number): Slot["host"] {
    return this.#slot(node).host
  }

  #hosts(nodes: ReadonlyArray<number>): ReadonlyArray<Slot["host"]> {
    return nodes.map((i) => this.#host(i))
  }

  // --- nodes -------------------------------------------------------------------------------------------------------------------

  /** A node ends, in order or not, and comes back. */
  #restart({ accept, down, how, node, rekey }: Of<"restart">): Effect.Effect<void> {
    const world = this.#world
    const slot = this.#slot(node)
    return alone(
      slot,
      Effect.gen(function*() {
        const { running } = slot
        if (how === "stop") yield* stop(world, slot)
        else {
          slot.running = undefined
          if (running !== undefined) yield* how === "kill" ? running.process.kill : slot.host.crash
          if (how === "crash") yield* slot.host.restart
        }
        yield* Effect.sleep(down)
        if (rekey) {
          slot.identity = world.identities.after(slot.name, slot.identity)
          for (const other of accept ? world.slots : []) {
            if (other !== slot) yield* other.accept(slot.name, slot.identity.publicKey, other.running?.node.peers)
          }
        }
        yield* launch(world, slot)
      })
    )
  }

  /** A host stands still, as a laptop that is shut. */
  #pause({ lasting, node }: Of<"pause">): Effect.Effect<void> {
    const { journal } = this.#world
    const slot = this.#slot(node)
    const freeze = (frozen: boolean) => {
      slot.frozen = frozen
      slot.thawedAt = journal.now()
      slot.changedAt = journal.now()
    }
    return alone(
      slot,
      Effect.gen(function*() {
        freeze(true)
        yield* slot.host.pause
        yield* Effect.sleep(lasting)
        yield* slot.host.resume
        freeze(false)
      })
    )
  }

  /** A node serves one more function for a while. */
  #register({ lasting, node }: Of<"register">): Effect.Effect<void> {
    const slot = this.#slot(node)
    return Effect.suspend(() => {
      const { running } = slot
      if (running === undefined) return Effect.void
      return Effect.exit(running.process.run(Effect.scoped(Effect.andThen(
        Effect.ignore(running.node.register("extra", work(this.#world, slot))),
        Effect.sleep(lasting)
      )))).pipe(Effect.asVoid)
    })
  }

  /** The clock of a host goes wrong. */
  #clock({ lasting, node, skew }: Of<"clock">): Effect.Effect<void> {
    const host = this.#host(node)
    return Effect.gen(function*() {
      yield* host.setSkew(skew)
      yield* Effect.sleep(lasting)
      if (Math.abs(skew) > 60_000) yield* host.setSkew(0)
    })
  }

  // --- the network ---------------------------------------------------------------------------------------------------------------

  #partition({ lasting, oneWay, other, side }: Of<"partition">): Effect.Effect<void> {
    const { network } = this.#world
    const [a, b] = [this.#hosts(side), this.#hosts(other)]
    return Effect.gen(function*() {
      yield* network.partition(a, b, { oneWay })
      yield* Effect.sleep(lasting)
      yield* network.heal(a, b)
    })
  }

  #delay({ by, lasting, node, other }: Of<"delay">): Effect.Effect<void> {
    const { network } = this.#world
    const [a, b] = [this.#host(node), this.#host(other)]
    return Effect.gen(function*() {
      yield* network.setPath(a, b, { latency: `${by} millis` })
      yield* Effect.sleep(lasting)
      yield* network.setPath(a, b, undefined)
    })
  }

  #link({ lasting, node }: Of<"link">): Effect.Effect<void> {
    const host = this.#host(node)
    return Effect.gen(function*() {
      yield* host.setLinkUp("eth0", false)
      yield* Effect.sleep(lasting)
      yield* host.setLinkUp("eth0", true)
    })
  }

  // --- keys and trust ------------------------------------------------------------------------------------------------------------

  /** Some no longer trust a node, which ends what they have with it. */
  #revoke({ judges, node }: Of<"revoke">): Effect.Effect<void> {
    const { look } = this.#watch
    const victim = this.#slot(node)
    const at = judges === "*" ? this.#world.slots : judges.map((i) => this.#slot(i))
    return Effect.gen(function*() {
      for (const slot of at) {
        if (slot !== victim) yield* slot.revoke(victim.name, victim.identity.publicKey)
      }
      yield* Effect.sleep(changeGrace + 1)
      yield* look
    })
  }

  /** The key of the network changes, one node after the other, one change at a time. */
  #rotate({ pause }: Of<"rotate">): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.#rotating) return Effect.void
      this.#rotating = true
      const rings = this.#world.slots.map(({ keys }) => keys)
      const next = nextNetworkKey(++this.#rotations)
      return Effect.gen(function*() {
        const old = (yield* rings[0]!.keys)[0]!
        for (const step of ["add", "promote", "remove"] as const) {
          for (const ring of rings) {
            yield* Effect.orDie(step === "remove" ? ring.remove(old) : ring[step](next))
            yield* Effect.sleep(10)
          }
          yield* Effect.sleep(pause)
        }
      }).pipe(Effect.ensuring(Effect.sync(() => {
        this.#rotating = false
      })))
    })
  }

  /** Somebody comes whom the plan does not name, perhaps by the name of one whom it does, asks everybody, and goes. */
  #stranger({ as, hasKey, lan, lasting }: Of<"stranger">): Effect.Effect<void> {
    const world = this.#world
    return Effect.suspend(() => {
      const hostName = `stranger${this.#strangers++}`
      const spec: NodeSpec = {
        name: as === undefined ? hostName : world.plan.nodes[as]!.name,
        lans: [lan],
        broadcasts: true,
        listed: [],
        policy: "any",
        framing: "binary",
        drift: 0,
        limits: {}
      }
      const order: Order = { delay: 0, way: "ok", ballast: 0 }
      const asking = { id: -1, from: -1, order, timeout: undefined, patience: undefined, to: "*" as const }
      return Effect.gen(function*() {
        const identity = world.crypto.generateKeyPair()
        const slot = yield* makeSlot(world, { spec, index: -1, identity, stranger: true, hostName })
        if (world.plan.keyed) {
          yield* Effect.orDie(slot.keys.set(hasKey ? yield* world.slots[0]!.keys.keys : [wrongKey]))
        }
        yield* launch(world, slot)
        yield* Effect.sleep(lasting / 2)
        const at = world.journal.now()
        yield* perform(world, { ...asking, at, kind: "raw all" }, slot)
        yield* perform(world, { ...asking, at, kind: "command all", name: "work", concurrency: undefined }, slot)
        yield* Effect.sleep(lasting / 2)
        yield* stop(world, slot)
      })
    })
  }
}
