/** What came of a run so far, and whatever must not happen, in words. */
export class Tally {
  /** Exits by what they were: `success`, or the tag of the error. */
  readonly exits: Record<string, number> = {}
  /** What happened to nodes while calls were under way, by kind. */
  readonly faults: Record<string, number> = {}
  readonly problems: Array<string> = []
  /** The longest that a call of everyone took beyond its timeout, in virtual milliseconds; negative where none came near. */
  over = -Infinity

  exit(what: string): void {
    this.exits[what] = (this.exits[what] ?? 0) + 1
  }

  fault(kind: string): void {
    this.faults[kind] = (this.faults[kind] ?? 0) + 1
  }

  problem(text: string): void {
    this.problems.push(text)
  }
}
