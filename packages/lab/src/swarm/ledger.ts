/** Every call of a run, by its token: when it was made, how long it has, and how often each node ran it. */
import type { Journal } from "./journal.ts"
import type { Planting } from "./planted.ts"
import { changeGrace, type Slot } from "./slot.ts"
import type { Weather } from "./weather.ts"

/** One call, as its caller sees it. */
interface Asked {
  readonly at: number
  readonly timeout: number | undefined
  /** How often it was run, by the name of the node. */
  readonly runs: Map<string, number>
}

export class Ledger {
  readonly #asked = new Map<string, Asked>()
  readonly #seed: number
  readonly #journal: Journal
  readonly #weather: Weather
  readonly #planted: Planting
  #tokens = 0

  constructor(seed: number, journal: Journal, weather: Weather, planted: Planting) {
    this.#seed = seed
    this.#journal = journal
    this.#weather = weather
    this.#planted = planted
  }

  /** A call is made for a step, with so many milliseconds: its token. */
  ask(step: number | "end", timeout: number | undefined): string {
    const token = `${this.#seed}.${step}.${this.#tokens++}`
    this.#asked.set(token, { at: this.#journal.now(), timeout, runs: new Map() })
    return token
  }

  /** A function begins for a call, as it may. */
  begin(slot: Slot, token: string, from: { readonly name: string; readonly publicKey: string }): void {
    const journal = this.#journal
    journal.note(`${slot.name} runs ${token} for ${from.name}`)
    const call = this.#asked.get(token)
    if (call === undefined) {
      return journal.problem("an answer belongs to its call", `${slot.name} runs ${token}, which nobody asked`)
    }
    const runs = (call.runs.get(slot.name) ?? 0) + (this.#planted.sow("run twice") ? 2 : 1)
    call.runs.set(slot.name, runs)
    if (runs > 1) journal.problem("a function runs once for a call", `${slot.name} ran ${token} ${runs} times`)
    if (!slot.permits(from.name, from.publicKey) && journal.now() - slot.changedAt > changeGrace && !slot.frozen) {
      journal.problem("no session with a key that the policy refuses", `${slot.name} ran ${token} for ${from.name}`)
    }
    if (call.timeout !== undefined) {
      const late = journal.now() - call.at - call.timeout + (this.#planted.sow("late run") ? 60_000 : 0)
      if (late > this.#weather.transitSince(call.at)) {
        journal.problem("no function begins after its deadline", `${slot.name} began ${token} ${late} ms after it`)
      }
    }
  }

  /** A node answered a call with a value, so it has to have run it once. */
  answered(peer: string, token: string): void {
    const runs = this.#asked.get(token)!.runs.get(peer) ?? 0
    if (runs !== 1) {
      this.#journal.problem("a function runs once for a call", `${peer} answered ${token}, and ran it ${runs} times`)
    }
  }
}
