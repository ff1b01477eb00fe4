/** What is looked at while a swarm runs: that tables stay within their limits, and no session is with whom a policy refuses. */
import type { Sessions } from "@pnet/core"
import { Effect } from "effect"
import { changeGrace, type Running, type Slot } from "./slot.ts"
import type { World } from "./world.ts"

/** The limits of a node that is told of none. */
const bound = { sessions: 1_024, streams: 1_024, peers: 4_096 + 1_024 }

/** Milliseconds that what has ended may take to say goodbye, to a peer that may not read. */
const goodbye = 15_000

export class Watch {
  readonly #world: World
  /** When a session was first seen that its node's policy refuses. */
  readonly #refusedSince = new Map<string, number>()

  /** Looks at all nodes, but those that are frozen. */
  readonly look: Effect.Effect<void>

  constructor(world: World) {
    this.#world = world
    const node = (slot: Slot, running: Running) => this.#node(slot, running)
    this.look = Effect.gen(function*() {
      for (const slot of world.slots) {
        const { frozen, running } = slot
        if (running !== undefined && !frozen && running.process.isAlive()) yield* node(slot, running)
      }
    })
  }

  #node(slot: Slot, running: Running): Effect.Effect<void> {
    const { limits } = slot.spec
    return Effect.flatMap(running.sessions.all, (all) => {
      // One that made room for another says goodbye before it goes.
      const staying = all.filter(({ draining }) => !draining).length
      const most = limits.sessions ?? bound.sessions
      if (staying > most) this.#over(`${slot.name} has ${staying} sessions, over ${most}`)
      for (const session of all) {
        this.#permitted(slot, running, session)
        if (session.streams > (limits.streams ?? bound.streams) + bound.streams) {
          this.#over(`${slot.name} has ${session.streams} streams with ${session.peer.name}`)
        }
      }
      return Effect.map(running.node.peers.all, (peers) => {
        if (peers.length > bound.peers) this.#over(`${slot.name} has ${peers.length} peers`)
      })
    })
  }

  #over(text: string): void {
    this.#world.journal.problem("tables stay within their limits", text)
  }

  /** A session with whom the policy refuses ends, once the change of the policy had its time. */
  #permitted(slot: Slot, running: Running, { draining, peer, streams }: Sessions.SessionInfo): void {
    const permits = slot.permits(peer.name, peer.publicKey)
    // Mostly so, and looked at hundreds of times in each virtual second.
    if (permits && this.#refusedSince.size === 0) return
    const { journal } = this.#world
    const now = journal.now()
    const id = `${slot.name} ${running.process.pid} ${peer.publicKey}`
    if (permits) {
      this.#refusedSince.delete(id)
      return
    }
    if (now - slot.changedAt <= changeGrace) return
    const since = this.#refusedSince.get(id) ?? now
    this.#refusedSince.set(id, since)
    if (!draining || streams > 0 || now - since > goodbye) {
      journal.problem(
        "no session with a key that the policy refuses",
        `${slot.name} has a session with ${peer.name}`
      )
    }
  }
}
