/** What has come of a call so far, by peer. */
import type { CallEvent } from "@pnet/console/ConsoleApi"
import type { Json } from "effect/Schema"

export interface Got {
  readonly index: number
  readonly value: Json | undefined
  readonly text: string | undefined
  readonly bytes: number
}

export interface Result {
  readonly peer: string
  readonly state: "waiting" | "streaming" | "value" | "done" | "failed" | "cancelled"
  /** Elements of a stream, the last 200, or the answer. */
  readonly got: ReadonlyArray<Got>
  readonly count: number
  readonly cut: boolean
  readonly ms: number | undefined
  readonly failure: {
    readonly tag: string
    readonly message: string
    readonly hint: string | undefined
    readonly error: Json | undefined
  } | undefined
}

export type Results = ReadonlyMap<string, Result>

const mostGot = 200

const none = (peer: string): Result => ({
  peer,
  state: "waiting",
  got: [],
  count: 0,
  cut: false,
  ms: undefined,
  failure: undefined
})

export const withEvents = (before: Results, events: ReadonlyArray<CallEvent>): Results => {
  const now = new Map(before)
  // What comes in one go is put together at once.
  const more = new Map<string, Array<Got>>()
  const put = (peer: string) => {
    const got = more.get(peer)
    if (got === undefined) return
    const result = now.get(peer)!
    now.set(peer, { ...result, got: [...result.got, ...got].slice(-mostGot), count: result.count + got.length })
    more.delete(peer)
  }
  for (const event of events) {
    const result = now.get(event.peer) ?? none(event.peer)
    switch (event._tag) {
      case "Started":
        now.set(event.peer, result)
        break
      case "Element": {
        now.set(event.peer, { ...result, state: "streaming" })
        const got = more.get(event.peer) ?? []
        got.push({ index: event.index, value: event.value, text: event.text, bytes: event.bytes })
        more.set(event.peer, got)
        break
      }
      case "Value":
        now.set(event.peer, {
          ...result,
          state: "value",
          ms: event.ms,
          count: 1,
          got: [{ index: 0, value: event.value, text: event.text, bytes: event.bytes }]
        })
        break
      case "Done":
        put(event.peer)
        now.set(event.peer, {
          ...now.get(event.peer) ?? result,
          state: "done",
          ms: event.ms,
          count: event.count,
          cut: event.cut
        })
        break
      case "Failed":
        put(event.peer)
        now.set(event.peer, {
          ...now.get(event.peer) ?? result,
          state: "failed",
          ms: event.ms,
          failure: { tag: event.tag, message: event.message, hint: event.hint, error: event.error }
        })
    }
  }
  for (const peer of more.keys()) put(peer)
  return now
}

/** What was going on is over, since nobody waits for it any more. */
export const cancelled = (before: Results): Results =>
  new Map(
    [...before].map((
      [peer, one]
    ) => [peer, one.state === "waiting" || one.state === "streaming" ? { ...one, state: "cancelled" } : one])
  )

export const isOver = ({ state }: Result): boolean => state !== "waiting" && state !== "streaming"
