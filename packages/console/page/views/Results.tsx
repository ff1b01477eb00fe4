/** What has come of the call that was made last. */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks"
import { type Got, isOver, type Result } from "../form/results.ts"
import { Copy, Empty, Failed, Name, Said, Value } from "../parts/basic.tsx"
import * as Icon from "../parts/icons.tsx"
import { useMore } from "../parts/more.tsx"
import { run } from "../store/trying.ts"
import { bytes, count, duration, plain, several } from "../text.ts"

const words: Readonly<Record<Result["state"], readonly [colour: string, word: string]>> = {
  waiting: ["hollow", "Waiting"],
  streaming: ["accent", "Streaming"],
  value: ["good", "Answered"],
  done: ["good", "Ended"],
  failed: ["bad", "Failed"],
  cancelled: ["warn", "Cancelled"]
}

const State = ({ of }: { readonly of: Result }) => {
  const [colour, word] = words[of.state]
  return (
    <span class="status">
      <span class={`dot ${colour}`} />
      {word}
    </span>
  )
}

/** How long it takes already, while it does. */
const Elapsed = ({ since }: { readonly since: number }) => {
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 100)
    return () => clearInterval(timer)
  }, [])
  return <>{((now - since) / 1_000).toFixed(1)} s</>
}

const One = ({ got }: { readonly got: Got }) =>
  useMemo(() =>
    got.value === undefined
      ? (
        <div class="json">
          <Said text={got.text ?? ""} lines most={20_000} />
          <span class="left-out">… {bytes(got.bytes)} in all</span>
        </div>
      )
      : <Value of={got.value} />, [got])

const Stream = ({ of }: { readonly of: Result }) => {
  const ref = useRef<HTMLOListElement>(null)
  const sticks = useRef(true)
  useLayoutEffect(() => {
    const list = ref.current
    if (list !== null && sticks.current) list.scrollTop = list.scrollHeight
  })
  return (
    <>
      <div class="quiet small result-line">
        {several(of.count, "element")}
        {of.count > of.got.length && `, the last ${count(of.got.length)} are shown`}
        {of.cut && ", and there was more"}
      </div>
      <ol
        class="elements"
        ref={ref}
        tabIndex={0}
        aria-label="Elements"
        onScroll={(event) => {
          const list = event.currentTarget
          sticks.current = list.scrollTop + list.clientHeight >= list.scrollHeight - 24
        }}
      >
        {of.got.map((got) => (
          <li key={got.index}>
            <span class="faint small element-at">{count(got.index + 1)}</span>
            <One got={got} />
          </li>
        ))}
      </ol>
    </>
  )
}

const Answer = ({ of }: { readonly of: Result }) => (
  <>
    {of.state === "value" && of.got.map((got) => <One key={got.index} got={got} />)}
    {of.state !== "value" && of.count > 0 && <Stream of={of} />}
    {of.state === "done" && of.count === 0 && <p class="quiet">The stream ended without an element.</p>}
    {of.failure !== undefined && <Failed failure={of.failure} />}
    {of.failure?.error !== undefined && (
      <div class="own-error">
        <h3>The function's own error</h3>
        <Value of={of.failure.error} />
      </div>
    )}
  </>
)

/** One line of it. */
const brief = (of: Result): string => {
  if (of.failure !== undefined) return `${of.failure.tag}: ${of.failure.message}`
  const last = of.got.at(-1)
  if (last === undefined) return ""
  const text = last.value === undefined ? last.text ?? "" : JSON.stringify(last.value)
  return of.state === "value" ? text : `${count(of.count)} · ${text}`
}

const Row = ({ of }: { readonly of: Result }) => {
  const [open, setOpen] = useState(false)
  return useMemo(() => (
    <li class="result" data-result={plain(of.peer)}>
      <button type="button" class="result-row" aria-expanded={open} onClick={() => setOpen(!open)}>
        <span class="result-peer">
          <Name text={of.peer} most={40} />
        </span>
        <State of={of} />
        <span class={`result-brief mono ${of.failure === undefined ? "" : "bad-text"}`}>
          <Said text={brief(of)} most={160} />
        </span>
        <span class="number quiet small nowrap">{of.ms === undefined ? "" : duration(of.ms)}</span>
        <Icon.Down />
      </button>
      {open && (
        <div class="result-open">
          <Answer of={of} />
        </div>
      )}
    </li>
  ), [of, open])
}

const orders: Readonly<Record<Result["state"], number>> = {
  failed: 0,
  cancelled: 1,
  waiting: 2,
  streaming: 2,
  value: 3,
  done: 3
}

const Many = ({ list }: { readonly list: ReadonlyArray<Result> }) => {
  const [shown, more] = useMore(list.length, "peers")
  return (
    <>
      <ul class="results">{list.slice(0, shown).map((one) => <Row key={one.peer} of={one} />)}</ul>
      {more}
    </>
  )
}

export const Results = () => {
  const now = run.value
  if (now === undefined) {
    return (
      <section class="card results-card" aria-label="Answer">
        <Empty icon={<Icon.List />} title="The answer is shown here">
          Streams as they come, and of everybody one row a peer.
        </Empty>
      </section>
    )
  }
  const results = [...now.results.values()]
  const isMany = now.input.target === "*" || now.input.target.length > 1
  // While they come they stay where they are; then what went wrong is above.
  const list = now.state === "running" ? results : results.toSorted((a, b) => orders[a.state] - orders[b.state])
  const only = results[0]
  const failed = results.filter(({ state }) => state === "failed").length
  return (
    <section class="card results-card" aria-label="Answer" data-run={now.state}>
      <div class="card-head">
        <h2>
          <Name text={now.input.function} most={40} />
        </h2>
        <span class="quiet small result-summary">
          {isMany
            ? (
              <span>
                {`${count(results.filter(isOver).length)} of ${several(results.length, "peer")}${
                  failed > 0 ? `, ${failed} failed` : ""
                }`}
              </span>
            )
            : only !== undefined && <State of={only} />}
          {now.state === "running"
            ? (
              <span>
                <Elapsed since={now.since} />
              </span>
            )
            : !isMany && only?.ms !== undefined && duration(only.ms)}
          {!isMany && only?.state === "value" && only.got[0] !== undefined && (
            <Copy
              text={only.got[0].value === undefined
                ? only.got[0].text ?? ""
                : JSON.stringify(only.got[0].value, undefined, 2)}
              label="Copy the answer"
            />
          )}
        </span>
      </div>
      {now.failure !== undefined && (
        <div class="card-body">
          <Failed failure={now.failure} />
        </div>
      )}
      {isMany
        ? results.length === 0 && now.state !== "running"
          ? <Empty title="Nobody was called">Nobody is here to be called.</Empty>
          : <Many list={list} />
        : (
          <div class="card-body stack-small">
            {only === undefined || only.state === "waiting"
              ? now.state === "running" && <p class="quiet">Waiting for the answer</p>
              : <Answer of={only} />}
            {now.state === "cancelled" && (
              <p class="quiet">It was cancelled: the peer is told, and what it has sent until then is shown.</p>
            )}
          </div>
        )}
    </section>
  )
}
