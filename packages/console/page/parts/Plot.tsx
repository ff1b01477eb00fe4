/** A plot of what happened over time. */
import { useEffect, useRef } from "preact/hooks"
import type uPlot from "uplot"
import { colours } from "../store/state.ts"
import { clock } from "../text.ts"
import { plots } from "./plots.ts"

export interface Series {
  readonly label: string
  /** The name of a colour of the style sheet. */
  readonly colour: string
  readonly values: ReadonlyArray<number | null>
  readonly fill?: boolean
}

interface Shape {
  readonly series: ReadonlyArray<Pick<Series, "label" | "colour" | "fill">>
  readonly format: (value: number) => string
  readonly window: number
}

const height = 150

const read = (element: HTMLElement, name: string): string => {
  const probe = document.createElement("i")
  probe.style.color = `var(--${name})`
  element.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}

const faded = (colour: string): string => colour.replace(/^rgb\(([^)]*)\)$/, "rgba($1, .12)")

const optionsOf = (element: HTMLElement, { format, series }: Shape, range: () => [number, number]): uPlot.Options => {
  const axis = {
    stroke: read(element, "quiet"),
    font: "11px system-ui, sans-serif",
    ticks: { show: false },
    grid: { stroke: read(element, "line"), width: 1 }
  }
  return {
    width: Math.max(200, element.clientWidth),
    height,
    legend: { show: false },
    padding: [8, 6, 0, 0],
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false }, sync: { key: "calls" } },
    scales: { x: { time: true, range }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.15 : 1] } },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 26,
        space: 80,
        values: (_, ticks) => ticks.map((at) => clock(at * 1_000).slice(0, 8))
      },
      { ...axis, size: 56, space: 34, values: (_, ticks) => ticks.map(format) }
    ],
    series: [
      {},
      ...series.map(({ colour, fill, label }) => {
        const stroke = read(element, colour)
        return {
          label,
          stroke,
          width: 1.5,
          points: { show: false },
          spanGaps: false,
          ...(fill === true ? { fill: faded(stroke) } : {})
        }
      })
    ]
  }
}

/** Draws series over times, in a frame that has its height from the beginning. */
export const Plot = ({ format, label, latest, now, series, times, window }: {
  readonly label: string
  readonly times: ReadonlyArray<number>
  readonly series: ReadonlyArray<Series>
  readonly format: (value: number) => string
  /** What is in the corner. */
  readonly latest: string
  readonly now: number
  readonly window: number
}) => {
  const ref = useRef<HTMLDivElement>(null)
  const tip = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const range = useRef<[number, number]>([0, 1])
  range.current = [(now - window) / 1_000, now / 1_000]
  const shape = series.map(({ colour, label }) => `${label} ${colour}`).join()
  const data = useRef<uPlot.AlignedData>([[]])
  data.current = [times.map((at) => at / 1_000), ...series.map(({ values }) => [...values])]
  useEffect(() => {
    const element = ref.current!
    let isWanted = true
    let end = () => {}
    void plots().then((Plot) => {
      if (!isWanted) return
      const options = optionsOf(element, { series, format, window }, () => range.current)
      const hooks = { setCursor: [(plot: uPlot) => tell(plot, tip.current!, format)] }
      const made = new Plot({ ...options, hooks }, data.current, element)
      plot.current = made
      const observer = new ResizeObserver(() => made.setSize({ width: Math.max(200, element.clientWidth), height }))
      observer.observe(element)
      end = () => {
        observer.disconnect()
        made.destroy()
        plot.current = undefined
      }
    })
    return () => {
      isWanted = false
      end()
    }
  }, [shape, colours.value])
  useEffect(() => plot.current?.setData(data.current), [times, series])
  return (
    <section class="card plot" aria-label={label}>
      <div class="plot-head">
        <h2>{label}</h2>
        <div class="plot-legend">
          {series.length > 1 && series.map(({ colour, label }) => (
            <span key={label}>
              <i class={`stroke fill-${colour}`} />
              {label}
            </span>
          ))}
        </div>
        <strong class="plot-latest">{latest}</strong>
      </div>
      <div class="plot-body" ref={ref} role="img" aria-label={`${label}: ${latest}`} />
      <div class="plot-tip" ref={tip} aria-hidden="true" />
    </section>
  )
}

/** Says what is where the pointer is. */
const tell = (plot: uPlot, tip: HTMLElement, format: (value: number) => string): void => {
  const { idx, left } = plot.cursor
  const at = idx === null || idx === undefined ? undefined : plot.data[0][idx]
  if (at === undefined || left === undefined || left < 0) {
    tip.textContent = ""
    return
  }
  const said = plot.series.slice(1).map((one, i) => {
    const value = plot.data[i + 1]?.[idx!]
    const name = plot.series.length > 2 ? `${String(one.label)} ` : ""
    return value === null || value === undefined ? "" : `${name}${format(value)}`
  }).filter((text) => text !== "")
  tip.textContent = [clock(at * 1_000), ...said].join("  ")
}
