/** What a view asks the node for: kept while it is asked for anew, so that nothing that was there goes away. */
import type { Effect } from "effect/Effect"
import type { Stream } from "effect/Stream"
import { useEffect, useState } from "preact/hooks"
import { type Answer, ask, type Client, type Failure, follow } from "../api/link.ts"
import { epoch, isOpen } from "../store/state.ts"

export interface Asked<A> {
  readonly value: A | undefined
  readonly failure: Failure | undefined
  readonly busy: boolean
  readonly again: () => void
}

/** Asks when it is first drawn, with each connection, and when `of` changes. */
export const useAsked = <A, E>(of: string, request: (client: Client) => Effect<A, E>): Asked<A> => {
  const [state, setState] = useState<
    {
      readonly of: string
      readonly answer: Answer<A> | undefined
      readonly value: A | undefined
      readonly busy: boolean
    }
  >({
    of,
    answer: undefined,
    value: undefined,
    busy: true
  })
  const [times, setTimes] = useState(0)
  const connected = epoch.value
  useEffect(() => {
    let isWanted = true
    setState((before) => ({
      of,
      answer: before.of === of ? before.answer : undefined,
      value: before.of === of ? before.value : undefined,
      busy: true
    }))
    void ask(request).then((answer) => {
      if (!isWanted) return
      setState((before) => ({
        of,
        answer,
        value: answer.ok ? answer.value : before.of === of ? before.value : undefined,
        busy: false
      }))
    })
    return () => {
      isWanted = false
    }
  }, [of, times, connected])
  const isSame = state.of === of
  return {
    value: isSame ? state.value : undefined,
    failure: isSame && state.answer?.ok === false && state.answer.failure.tag !== "Lost"
      ? state.answer.failure
      : undefined,
    busy: state.busy || !isSame,
    again: () => setTimes((n) => n + 1)
  }
}

/** Follows a stream for as long as it is drawn, with each connection anew, and while `of` is the same. Gives what it ended with. */
export const useFollowed = <A, E>(
  of: string,
  request: (client: Client) => Stream<A, E>,
  begin: () => void,
  each: (list: ReadonlyArray<A>) => void
): Failure | undefined => {
  const [failure, setFailure] = useState<Failure | undefined>(undefined)
  const connected = epoch.value
  const open = isOpen.value
  useEffect(() => {
    if (!open) return
    setFailure(undefined)
    let isFirst = true
    return follow(request, (list) => {
      if (isFirst) begin()
      isFirst = false
      each(list)
    }, setFailure)
  }, [of, connected, open])
  return failure?.tag === "Lost" ? undefined : failure
}
