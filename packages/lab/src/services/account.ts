/** Every call of a service: how often it ran, and what its caller was told, which has to be true. */
import { Cause, type Exit } from "effect"

export type Kind = "work" | "look"

type Ended = Exit.Exit<string, { readonly _tag: string; readonly mayHaveRun?: boolean; readonly retryable?: boolean }>

interface Call {
  readonly kind: Kind
  runs: number
  ended: Ended | undefined
  /** Whether its time was up when it ended. */
  isLate: boolean
}

/** What a caller is told of a call that failed: whether it may have run. `undefined`: it is not told, as by no error of pnet's. */
const mayHaveRun = (error: { readonly _tag: string; readonly mayHaveRun?: boolean; readonly retryable?: boolean }) => {
  switch (error._tag) {
    case "PeerLostError":
    case "DeadlineError":
      return error.mayHaveRun
    case "StreamResetError":
      return error.retryable !== true
    case "NobodyThereError":
    case "OverloadedError":
    case "DialError":
    case "UnknownFunctionError":
      return false
    default:
      return undefined
  }
}

/** What a call that may run twice may fail with: that nobody was there, or its time was up. Whatever else happened, another peer was asked. */
const excuses = new Set(["DeadlineError", "NobodyThereError", "OverloadedError"])

export class Account {
  readonly #calls = new Map<number, Call>()
  readonly #counts: Record<string, number> = {}
  readonly #problems: Array<string> = []
  /** Milliseconds after which who joins has work. */
  readonly #soon: number

  constructor(soon: number) {
    this.#soon = soon
  }

  count(what: string): void {
    this.#counts[what] = (this.#counts[what] ?? 0) + 1
  }

  #problem(text: string): void {
    this.#problems.push(text)
  }

  made(id: number, kind: Kind): void {
    this.#calls.set(id, { kind, runs: 0, ended: undefined, isLate: false })
  }

  ran(id: number): void {
    this.#calls.get(id)!.runs++
  }

  ended(id: number, exit: Ended, isLate: boolean): void {
    const call = this.#calls.get(id)!
    call.ended = exit
    call.isLate = isLate
  }

  joined(server: string, millis: number): void {
    this.count("joined")
    if (millis > this.#soon) this.#problem(`${server} joined, and got its first call after ${Math.round(millis)} ms`)
  }

  /** What each came to, when nothing goes on any more. */
  settled(): { readonly counts: Readonly<Record<string, number>>; readonly problems: ReadonlyArray<string> } {
    for (const [id, call] of this.#calls) this.#look(id, call)
    return { counts: this.#counts, problems: this.#problems }
  }

  #look(id: number, { ended, isLate, kind, runs }: Call): void {
    const what = `call ${id} (${kind})`
    this.count("calls")
    if (runs > 1) this.count("ran again elsewhere")
    if (kind === "work" && runs > 1) this.#problem(`${what} ran ${runs} times`)
    if (ended === undefined) return this.#problem(`${what} never ended`)
    if (ended._tag === "Success") {
      this.count("answered")
      if (runs === 0) this.#problem(`${what} was answered by ${ended.value}, and never ran`)
      return
    }
    const [reason] = ended.cause.reasons
    if (reason?._tag !== "Fail") {
      return this.#problem(`${what} failed with no typed error: ${Cause.pretty(ended.cause)}`)
    }
    const { error } = reason
    const may = mayHaveRun(error)
    this.count(`${error._tag}, ${may === true ? "may have run" : "has not run"}`)
    this.count("failed")
    if (may === undefined) {
      return this.#problem(`${what} failed with ${error._tag}, which says nothing of whether it ran`)
    }
    if (!may && runs > 0) this.#problem(`${what} failed with ${error._tag} as not run, and ran ${runs} times`)
    // One that may have run at a peer says so, when its time is up at the next.
    if (kind === "look" && !excuses.has(error._tag) && !isLate) {
      this.#problem(`${what} failed with ${error._tag}, where another could have been asked`)
    }
  }
}
