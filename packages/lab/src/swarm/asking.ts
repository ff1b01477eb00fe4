/** One call that a node makes: what it is made with, and whether what comes back is what may come back. */
import { Cause, Effect, Exit } from "effect"
import { errorsOf, impossibleCodes } from "./contract.ts"
import { format, type Order, type Step, type Work } from "./plan.ts"
import type { Running, Slot } from "./slot.ts"
import type { World } from "./world.ts"

/** A step that makes a call. */
export type WorkStep = Step & Work

const tagOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "_tag" in error ? String(error._tag) : `${typeof error}`

export class Asking {
  readonly world: World
  readonly step: WorkStep
  readonly slot: Slot
  readonly running: Running
  readonly token: string
  readonly order: Order
  readonly ballast: string
  readonly timeout: `${number} millis` | undefined

  constructor(world: World, step: WorkStep, slot: Slot, running: Running, token: string) {
    this.world = world
    this.step = step
    this.slot = slot
    this.running = running
    this.token = token
    this.order = step.order
    this.ballast = "x".repeat(step.order.ballast)
    this.timeout = step.timeout === undefined ? undefined : `${step.timeout} millis`
  }

  get node(): Running["node"] {
    return this.running.node
  }

  describe(): string {
    return `${this.token} of ${this.slot.name}: ${format(this.step)}`
  }

  // --- whom it asks ------------------------------------------------------------------------------------------------------------

  nameOf(i: number): string {
    return this.world.plan.nodes[i]!.name
  }

  namesOf(to: ReadonlyArray<number> | "*"): ReadonlyArray<string> | "*" {
    return to === "*" ? "*" : to.map((i) => this.nameOf(i))
  }

  /** Those who are to have an outcome each: for all, the peers that are known now. */
  addressed(to: ReadonlyArray<number> | "*"): Effect.Effect<ReadonlyArray<string>> {
    return to === "*"
      ? Effect.map(this.node.peers.all, (all) => [...new Set<string>(all.map(({ name }) => name))])
      : Effect.succeed(to.map((i) => this.nameOf(i)))
  }

  // --- values ------------------------------------------------------------------------------------------------------------------

  wrong(text: string): void {
    this.world.journal.problem(
      "an answer belongs to its call",
      `${this.slot.name} got ${text.slice(0, 200)} for ${this.token}`
    )
  }

  /** Each of these answered, so each ran it once. */
  answered(...peers: ReadonlyArray<string>): void {
    for (const peer of peers) this.world.ledger.answered(peer, this.token)
  }

  /** A value came from a peer. */
  value(peer: string, answer: unknown, ballast: unknown): void {
    if (answer !== `${this.token}@${peer}`) return this.wrong(String(answer))
    if (ballast !== this.ballast) this.wrong("other ballast")
    if (this.order.way !== "ok") this.wrong("a value in place of a failure")
    this.answered(peer)
  }

  // --- failures ----------------------------------------------------------------------------------------------------------------

  /** A failure that a function was told to end with belongs to its call as a value does. */
  told(cause: Cause.Cause<unknown>): void {
    const failure = cause.reasons.find(Cause.isFailReason)?.error as any
    if (failure?._tag === "Told" && failure.token !== this.token) this.wrong(`the failure of ${failure.token}`)
    if (failure?._tag === "RemoteError" && failure.error?._tag === "Told" && failure.error.token !== this.token) {
      this.wrong(`the failure of ${failure.error.token}`)
    }
  }

  /** What a failure is, in a word. It has to be one of those that its type lists. */
  judge(where: string, cause: Cause.Cause<unknown>): string {
    const { journal, planted } = this.world
    const failure = cause.reasons.find(Cause.isFailReason)
    const defect = cause.reasons.find(Cause.isDieReason)
    if (defect !== undefined) {
      journal.problem("every failure is a typed error", `${where}: ${Cause.pretty(cause)}`)
      return "defect"
    }
    if (failure === undefined) {
      // One that is stopped is alive until it has.
      return this.running.process.isAlive() ? "interrupted" : "died with its node"
    }
    const error = planted.sow("untyped error") ? new Error("a text") : failure.error
    const tag = tagOf(error)
    const { code, reason } = error as { readonly code?: string; readonly reason?: { readonly code?: string } }
    const detail = reason?.code ?? code
    if (!errorsOf[this.step.kind].includes(tag)) {
      journal.problem("every failure is a typed error", `${where}: ${tag} ${Cause.pretty(cause)}`)
    }
    if (detail !== undefined && impossibleCodes.has(detail)) {
      journal.problem("every failure is a typed error", `${where}: ${tag} ${detail}`)
    }
    return detail === undefined ? tag : `${tag} ${detail}`
  }

  // --- outcomes of several -----------------------------------------------------------------------------------------------------

  /** The outcomes of several, of whom each that was addressed has one. */
  outcomes<A>(
    addressed: ReadonlyArray<string>,
    outcomes: Iterable<readonly [string, Exit.Exit<A, unknown>]>,
    onValue: (peer: string, value: A) => void
  ): void {
    const { journal, planted } = this.world
    const all = [...outcomes]
    const got = all.map(([peer]) => peer)
    if (planted.sow("missing outcome")) got.pop()
    const sorted = (names: ReadonlyArray<string>) => [...new Set(names)].sort().join()
    if (sorted(got) !== sorted(addressed) || got.length !== new Set(addressed).size) {
      journal.problem("each known peer has one outcome", `${this.token}: asked ${addressed}, got ${got}`)
    }
    for (const [peer, exit] of all) {
      if (Exit.isSuccess(exit)) {
        onValue(peer, exit.value)
        journal.count(`${this.step.kind}: success`)
      } else {
        this.told(exit.cause)
        journal.count(`${this.step.kind}: ${this.judge(`${this.token} at ${peer}`, exit.cause)}`)
      }
    }
  }
}
