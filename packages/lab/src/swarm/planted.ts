/**
 * Faults of the nodes themselves, made on purpose to see that they are noticed. One of them to a run at most, and it shows itself
 * once. What bites: what is planted is asked for in the middle of what the nodes do, so whoever moves that moves this with it.
 */
import type { Plan, Step } from "./plan.ts"

export type Planted =
  | "run twice"
  | "swapped answer"
  | "late run"
  | "late answer"
  | "lost answer"
  | "untyped error"
  | "defect"
  | "missing outcome"
  | "wrong bytes"
  | "untrusted session"
  | "leaked fiber"
  | "leaked socket"
  | "deaf node"
  | "too many sessions"

/** The fault that is planted in a run, if one is. */
export class Planting {
  readonly #what: Planted | undefined
  readonly #answered: Array<string> = []
  #sown = false

  constructor(what: Planted | undefined) {
    this.#what = what
  }

  is(which: Planted): boolean {
    return this.#what === which
  }

  /** Whether a fault is to show itself here and now. */
  sow(which: Planted): boolean {
    if (this.#what !== which || this.#sown) return false
    this.#sown = true
    return true
  }

  /** The call that an answer claims to belong to. */
  claim(token: string): string {
    this.#answered.push(token)
    return this.#answered.length > 1 && this.sow("swapped answer") ? this.#answered[0]! : token
  }

  /** What those who look on believe the plan to be: of one limit, where the nodes keep to another. */
  plan(plan: Plan): Plan {
    if (!this.is("too many sessions")) return plan
    return { ...plan, nodes: plan.nodes.map((node) => ({ ...node, limits: { sessions: 1 } })) }
  }

  /** The steps of a plan. Whoever is deaf to a change of its policy has to be told of one. */
  steps(plan: Plan): ReadonlyArray<Step> {
    if (!this.is("untrusted session")) return plan.steps
    const last: Step = { id: plan.steps.length, at: plan.duration / 2, kind: "revoke", node: 0, judges: "*" }
    return [...plan.steps, last].sort((a, b) => a.at - b.at)
  }
}
