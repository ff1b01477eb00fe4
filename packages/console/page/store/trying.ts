/** What is tried: one call at a time, which goes on while another view is looked at, and what was filled in for each function. */
import type { CallEvent, CallInput, Function } from "@pnet/console/ConsoleApi"
import { signal } from "@preact/signals"
import { type Failure, follow } from "../api/link.ts"
import type { Draft } from "../form/draft.ts"
import { cancelled, type Results, withEvents } from "../form/results.ts"

export interface Run {
  readonly input: CallInput
  readonly since: number
  readonly results: Results
  readonly state: "running" | "over" | "cancelled"
  readonly failure: Failure | undefined
}

export const run = signal<Run | undefined>(undefined)

let stop = (): void => {}

export const begin = (input: CallInput): void => {
  stop()
  const since = Date.now()
  run.value = { input, since, results: new Map(), state: "running", failure: undefined }
  const change = (change: (run: Run) => Run) => {
    if (run.value?.since === since && run.value.input === input) run.value = change(run.value)
  }
  // What comes within one frame is shown at once.
  let waiting: Array<CallEvent> = []
  const flush = () => {
    const events = waiting
    waiting = []
    if (events.length > 0) change((run) => ({ ...run, results: withEvents(run.results, events) }))
  }
  stop = follow((client) => client.call(input), (events) => {
    if (waiting.length === 0) setTimeout(flush, 30)
    waiting.push(...events)
  }, (failure) => {
    flush()
    change((run) => ({
      ...run,
      state: "over",
      failure,
      results: failure === undefined ? run.results : cancelled(run.results)
    }))
  })
}

export const cancel = (): void => {
  stop()
  const now = run.value
  if (now?.state === "running") run.value = { ...now, state: "cancelled", results: cancelled(now.results) }
}

export interface Filled {
  readonly args: Draft
  readonly kwargs: Draft | undefined
}

/** What was filled in, by function and what it takes. */
export const filled = new Map<string, Filled>()
const mostFilled = 50

export const fill = (of: string, draft: Filled): void => {
  filled.delete(of)
  filled.set(of, draft)
  if (filled.size > mostFilled) filled.delete(filled.keys().next().value!)
}

/** What peers have described, by key, so that it is there when they are looked at again. */
export const described = new Map<string, ReadonlyArray<Function>>()
