/** Calls: how many, how fast, and which fail, over time and by peer and function; and recent ones as they went from node to node. */
import { useMemo } from "preact/hooks"
import { look } from "../go.ts"
import { Empty, Name, Said, Segments } from "../parts/basic.tsx"
import * as Icon from "../parts/icons.tsx"
import { useMore } from "../parts/more.tsx"
import { Plot, type Series } from "../parts/Plot.tsx"
import { type Line, lines, percentile, type Point, points, total, type Which } from "../store/rates.ts"
import { hello, rates, route } from "../store/state.ts"
import { bytes, count, duration, plain, short } from "../text.ts"
import { Recent } from "./Recent.tsx"

const windows = {
  "1m": { ms: 60_000, step: 1_000, label: "1 min" },
  "5m": { ms: 300_000, step: 2_000, label: "5 min" },
  "15m": { ms: 900_000, step: 5_000, label: "15 min" }
} as const
type Window = keyof typeof windows

const directions = [{ value: "", label: "All" }, { value: "out", label: "From here" }, {
  value: "in",
  label: "To here"
}] as const

const whichOf = (query: Readonly<Record<string, string>>): Which => ({
  direction: query["way"] === "in" || query["way"] === "out" ? query["way"] : "",
  peer: query["peer"] ?? "",
  function: query["function"] ?? ""
})

const perSecond = (point: Point, n: number): number => point.span === 0 ? 0 : n * 1_000 / point.span

const palette = ["bad-mark", "warn-mark", "note-mark", "accent-solid", "quiet"]

/** The errors that are the most, each a series of its own, and all others. */
const errorSeries = (list: ReadonlyArray<Point>, all: Point): ReadonlyArray<Series> => {
  const tags = [...all.tags].sort((a, b) => b[1] - a[1]).map(([tag]) => tag)
  const own = tags.slice(0, tags.length > 4 ? 3 : 4)
  const made: Array<Series> = own.map((tag, i) => ({
    label: plain(tag, 28),
    colour: palette[i]!,
    values: list.map((point) => perSecond(point, point.tags.get(tag) ?? 0))
  }))
  if (tags.length > own.length) {
    const others = (point: Point) => tags.slice(own.length).reduce((sum, tag) => sum + (point.tags.get(tag) ?? 0), 0)
    made.push({ label: "others", colour: "quiet", values: list.map((point) => perSecond(point, others(point))) })
  }
  return made.length > 0 ? made : [{ label: "errors", colour: "bad-mark", values: list.map(() => 0) }]
}

const Plots = (
  { all, list, now, window }: {
    readonly list: ReadonlyArray<Point>
    readonly all: Point
    readonly now: number
    readonly window: number
  }
) => {
  const buckets = hello.value?.buckets ?? []
  const made = useMemo(() => {
    const of = (share: number) => list.map(({ latency }) => percentile(latency, buckets, share) ?? null)
    return {
      times: list.map(({ at }) => at),
      calls: [{
        label: "calls",
        colour: "accent-solid",
        fill: true,
        values: list.map((point) => perSecond(point, point.calls))
      }],
      errors: errorSeries(list, all),
      latency: [
        { label: "p99", colour: "warn-mark", values: of(0.99) },
        { label: "p95", colour: "note-mark", values: of(0.95) },
        { label: "p50", colour: "accent-solid", values: of(0.5) }
      ],
      bytes: [{ label: "sent", colour: "accent-solid", values: list.map((point) => perSecond(point, point.sent)) }, {
        label: "received",
        colour: "good-mark",
        values: list.map((point) => perSecond(point, point.received))
      }]
    }
  }, [list])
  const p95 = percentile(all.latency, buckets, 0.95)
  const common = { times: made.times, now, window }
  return (
    <div class="plots">
      <Plot
        {...common}
        label="Calls a second"
        series={made.calls}
        format={short}
        latest={short(perSecond(all, all.calls))}
      />
      <Plot
        {...common}
        label="Errors a second"
        series={made.errors}
        format={short}
        latest={all.calls === 0 ? "0" : `${short(100 * all.failed / all.calls)} %`}
      />
      <Plot
        {...common}
        label="How long calls take"
        series={made.latency}
        format={duration}
        latest={p95 === undefined ? "–" : `p95 ${duration(p95)}`}
      />
      <Plot
        {...common}
        label="Bytes a second"
        series={made.bytes}
        format={bytes}
        latest={bytes(perSecond(all, all.sent + all.received))}
      />
    </div>
  )
}

const LineRow = ({ line }: { readonly line: Line }) => {
  const buckets = hello.value?.buckets ?? []
  const [p50, p95] = [percentile(line.latency, buckets, 0.5), percentile(line.latency, buckets, 0.95)]
  const tags = [...line.tags].sort((a, b) => b[1] - a[1])
  return (
    <tr
      class="goes"
      onClick={(event) => {
        if (!(event.target instanceof HTMLElement) || event.target.closest("a, button") === null) {
          look({
            peer: line.peer,
            function: line.function
          })
        }
      }}
    >
      <td>
        <button type="button" class="link" onClick={() => look({ peer: line.peer, function: line.function })}>
          <Name text={line.function} most={48} />
        </button>
      </td>
      <td>
        <Name text={line.peer} most={40} />
      </td>
      <td class="quiet nowrap">{line.direction === "out" ? "from here" : "to here"}</td>
      <td class="number">{count(line.calls)}</td>
      <td class="number">
        {line.failed === 0
          ? <span class="faint">0</span>
          : (
            <span
              class="errors"
              title={tags.map(([tag, n]) => `${plain(tag, 60)}: ${n}`).join("\n")}
            >
              {count(line.failed)}
            </span>
          )}
      </td>
      <td class="number nowrap">{p50 === undefined ? "–" : duration(p50)}</td>
      <td class="number nowrap">{p95 === undefined ? "–" : duration(p95)}</td>
      <td class="number nowrap column-bytes">{bytes(line.sent + line.received)}</td>
    </tr>
  )
}

const Lines = ({ which, window, now }: { readonly which: Which; readonly window: number; readonly now: number }) => {
  const frames = rates.value.frames
  const list = useMemo(() => lines(frames, which, now, window), [frames, which, window])
  const [shown, more] = useMore(list.length, "functions")
  return (
    <section class="card">
      <div class="card-head">
        <h2>
          By function and peer<span class="count">{count(list.length)}</span>
        </h2>
      </div>
      {list.length === 0
        ? (
          <Empty icon={<Icon.Pulse />} title="No calls in this time">
            Calls that this node makes or answers are counted here.
          </Empty>
        )
        : (
          <div class="table-wrap">
            <table class="table lines">
              <caption class="unseen">Calls by function and peer</caption>
              <thead>
                <tr>
                  <th scope="col">Function</th>
                  <th scope="col">Peer</th>
                  <th scope="col">Way</th>
                  <th scope="col" class="number">Calls</th>
                  <th scope="col" class="number">Errors</th>
                  <th scope="col" class="number">p50</th>
                  <th scope="col" class="number">p95</th>
                  <th scope="col" class="number column-bytes">Bytes</th>
                </tr>
              </thead>
              <tbody>{list.slice(0, shown).map((line) => <LineRow key={line.id} line={line} />)}</tbody>
            </table>
          </div>
        )}
      {more}
    </section>
  )
}

export const CallsView = () => {
  const { query } = route.value
  const which = useMemo(() => whichOf(query), [query])
  const window: Window = Object.hasOwn(windows, query["window"] ?? "") ? query["window"] as Window : "1m"
  const { ms, step } = windows[window]
  const frames = rates.value.frames
  // The end of the plots is when something was heard last, by the node's clock: they do not run on while it says nothing.
  const now = Math.ceil((frames.at(-1)?.at ?? Date.now()) / step) * step
  const list = useMemo(() => points(frames, which, now, ms, step), [frames, which, ms, step])
  const all = useMemo(() => total(list), [list])
  const isOne = which.peer !== "" || which.function !== ""
  return (
    <>
      <div class="view-head">
        <div>
          <h1>Calls</h1>
          <p class="calls-of">
            {isOne
              ? (
                <>
                  {which.function !== "" && (
                    <>
                      of <Said text={which.function} most={48} />
                    </>
                  )}
                  {which.peer !== "" && (
                    <>
                      with <Said text={which.peer} most={40} />
                    </>
                  )}{" "}
                  <button type="button" class="link" onClick={() => look({ peer: "", function: "" })}>Show all</button>
                </>
              )
              : "Calls that this node makes and answers, while it is looked at"}
          </p>
        </div>
        <div class="view-tools">
          <Segments label="Which way" value={which.direction} choices={directions} onChoose={(way) => look({ way })} />
          <Segments
            label="Time"
            value={window}
            choices={(Object.keys(windows) as Array<Window>).map((value) => ({ value, label: windows[value].label }))}
            onChoose={(value) => look({ window: value === "1m" ? undefined : value })}
          />
        </div>
      </div>
      <Plots list={list} all={all} now={now} window={ms} />
      <Recent which={which} />
      <Lines which={which} window={ms} now={now} />
    </>
  )
}
