/** Recent calls, and one of them as a waterfall across the nodes that it went to. */
import type { Span } from "@pnet/console/ConsoleApi"
import { useEffect, useMemo, useState } from "preact/hooks"
import { ask } from "../api/link.ts"
import { look } from "../go.ts"
import { useFollowed } from "../parts/asked.ts"
import { Clock, Empty, Name, Said } from "../parts/basic.tsx"
import * as Icon from "../parts/icons.tsx"
import type { Which } from "../store/rates.ts"
import { type Call, waterfall, withSpans } from "../store/spans.ts"
import { calls, hello, isOpen, route } from "../store/state.ts"
import { count, duration, plain } from "../text.ts"

const most = 60

const isLooked = ({ root }: Call, { direction, function: name, peer }: Which): boolean =>
  (peer === "" || root.peer === peer) && (name === "" || root.function === name) &&
  (direction === "" || (direction === "out") === (root.kind !== "server"))

const Mark = ({ span }: { readonly span: Span }) => {
  const colour = span.status === "ok"
    ? "good"
    : span.status === "failed"
    ? "bad"
    : span.status === "running"
    ? "hollow"
    : "warn"
  const word = { ok: "went well", failed: "failed", running: "goes on", interrupted: "was interrupted" }[span.status]
  return (
    <span class={`dot ${colour}`} title={word}>
      <span class="unseen">{word}</span>
    </span>
  )
}

const Row = ({ call, chosen }: { readonly call: Call; readonly chosen: boolean }) =>
  useMemo(() => {
    const { root } = call
    return (
      <li>
        <button
          type="button"
          class={`recent ${chosen ? "chosen" : ""}`}
          aria-expanded={chosen}
          data-trace={call.trace}
          onClick={() => look({ trace: chosen ? undefined : call.trace })}
        >
          <Mark span={root} />
          <span class="recent-name">
            <Name text={root.function ?? root.name} most={48} />
          </span>
          <span class="recent-peer quiet">
            {root.peer !== undefined && (
              <>
                {root.kind === "server" ? "from " : "at "}
                <Said text={root.peer} most={32} />
              </>
            )}
          </span>
          <span class="recent-tag">
            {root.tag !== undefined && (
              <span class="badge bad">
                <Said text={root.tag} most={40} />
              </span>
            )}
          </span>
          <span class="number quiet nowrap">{root.ms === undefined ? "…" : duration(root.ms)}</span>
          <span class="number faint small recent-time">
            <Clock at={root.start} />
          </span>
        </button>
      </li>
    )
  }, [call, chosen])

export const Recent = ({ which }: { readonly which: Which }) => {
  useFollowed("traces", (client) => client.traces(), () => {}, (lists) => {
    calls.value = withSpans(calls.value, lists.flat())
  })
  const [held, setHeld] = useState<typeof calls.value | undefined>(undefined)
  const trace = route.value.query["trace"]
  const all = held ?? calls.value
  const list = useMemo(() => all.filter((call) => isLooked(call, which)).slice(0, most), [all, which])
  const isTraced = hello.value?.traced !== false
  const chosen = all.find((call) => call.trace === trace)
  return (
    <section class="card">
      <div class="card-head">
        <h2>
          Recent calls<span class="count">{count(list.length)}</span>
        </h2>
        <button
          type="button"
          class="button tiny"
          aria-pressed={held !== undefined}
          onClick={() => setHeld(held === undefined ? calls.value : undefined)}
        >
          {held === undefined
            ? (
              <>
                <Icon.Stop />Hold
              </>
            )
            : (
              <>
                <Icon.Play />Go on
              </>
            )}
        </button>
      </div>
      {trace !== undefined && <Trace key={trace} trace={trace} known={chosen} />}
      {list.length === 0
        ? (
          <Empty icon={<Icon.List />} title={isTraced ? "No calls yet" : "Calls are not traced here"}>
            {isTraced
              ? "Calls are recorded while this view is open."
              : "The program has a tracer of its own, which keeps the spans."}
          </Empty>
        )
        : (
          <ul class="recents">
            {list.map((call) => <Row key={call.trace} call={call} chosen={call.trace === trace} />)}
          </ul>
        )}
    </section>
  )
}

const Trace = ({ known, trace }: { readonly trace: string; readonly known: Call | undefined }) => {
  const [more, setMore] = useState<
    {
      readonly spans: ReadonlyArray<Span>
      readonly without: ReadonlyArray<{ readonly peer: string; readonly why: string }>
    } | undefined
  >(undefined)
  const size = known?.spans.size ?? 0
  const isOver = known?.root.ms !== undefined
  useEffect(() => {
    let isWanted = true
    void ask((client) => client.trace({ trace })).then((answer) => isWanted && answer.ok && setMore(answer.value))
    return () => {
      isWanted = false
    }
  }, [trace, size, isOver, isOpen.value])
  const { bars, ms } = useMemo(() => {
    const all = new Map([...known?.spans.values() ?? []].map((span) => [span.span, span]))
    for (const span of more?.spans ?? []) all.set(span.span, span)
    return waterfall([...all.values()], Date.now())
  }, [known, more])
  const moved = bars.some((bar) => bar.moved)
  return (
    <div class="trace" data-open-trace={trace}>
      <div class="trace-head">
        <span class="faint small">
          Trace <span class="mono">{plain(trace, 32)}</span>
          {ms > 0 && ` · ${duration(ms)}`}
        </span>
        <button
          type="button"
          class="button plain icon tiny"
          aria-label="Close"
          onClick={() => look({ trace: undefined })}
        >
          <Icon.Close />
        </button>
      </div>
      {bars.length === 0
        ? <p class="quiet">{more === undefined ? "Asking for its spans" : "Nothing is kept of it any more."}</p>
        : (
          <ol class="waterfall">
            {bars.map(({ depth, from, ms: own, span }) => (
              <li key={span.span} class="bar-row">
                <span
                  class="bar-name"
                  ref={(element) => element?.style.setProperty("--depth", String(Math.min(depth, 10)))}
                >
                  <Mark span={span} />
                  <Name text={span.function ?? span.name} most={48} />
                  <span class="bar-at faint small">
                    <Said text={span.at} most={24} />
                  </span>
                </span>
                <span class="bar-line">
                  <span
                    class={`bar ${span.status} ${span.kind}`}
                    ref={(element) => {
                      element?.style.setProperty("left", `${100 * from / ms}%`)
                      element?.style.setProperty("width", `${Math.max(0.4, 100 * own / ms)}%`)
                    }}
                  />
                </span>
                <span class="number quiet small nowrap">{span.status === "running" ? "…" : duration(own)}</span>
              </li>
            ))}
          </ol>
        )}
      {moved && (
        <p class="faint small">
          The clocks of the nodes differ: spans of other nodes are put into those that asked for them.
        </p>
      )}
      {more !== undefined && more.without.length > 0 && (
        <p class="faint small">
          Without what happened at{" "}
          {more.without.slice(0, 5).map(({ peer, why }, i) => (
            <span key={peer} title={plain(why)}>
              {i > 0 && ", "}
              <Said text={peer} most={32} />
            </span>
          ))}
          {more.without.length > 5 && ` and ${more.without.length - 5} more`}: a peer shows its spans where it serves
          the console's agent.
        </p>
      )}
    </div>
  )
}
