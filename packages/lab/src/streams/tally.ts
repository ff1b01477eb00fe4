/** What came of a run so far, by kind, and whatever must not happen, in words. */
export class Tally {
  readonly outcomes: Record<string, number> = {}
  readonly faults: Record<string, number> = {}
  readonly problems: Array<string> = []

  /** A call came to this. */
  outcome(what: string): void {
    this.outcomes[what] = (this.outcomes[what] ?? 0) + 1
  }

  /** Something was made to fail. */
  fault(kind: string): void {
    this.faults[kind] = (this.faults[kind] ?? 0) + 1
  }

  problem(text: string): void {
    this.problems.push(text)
  }
}
