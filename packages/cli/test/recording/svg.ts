/** A picture of terminals in which lines appear one after another, as somebody types them and commands answer. It plays once, and stays as it ends. */
import { displayWidth } from "effect/cli/CliOutput"
import type { Piece } from "./cells.ts"

/** A line, and when it appears, in milliseconds. */
export interface Line {
  readonly at: number
  readonly pieces: ReadonlyArray<Piece>
  /** How long it takes to type; left out where it is there at once. */
  readonly typing?: number
}

/** A terminal. */
export interface Pane {
  readonly title: string
  readonly lines: ReadonlyArray<Line>
}

const cell = 7.8
const size = 13
const height = 20
const margin = 14
const bar = 28

const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("\"", "&quot;")

const widthOf = (pieces: ReadonlyArray<Piece>): number =>
  pieces.reduce((sum, { text }) => sum + displayWidth(text), 0) * cell

const spans = (pieces: ReadonlyArray<Piece>): string => {
  let x = 0
  return pieces.map(({ look: { bold, colour, dim }, text }) => {
    const classes = [...(bold ? ["b"] : []), ...(dim ? ["d"] : []), ...(colour === undefined ? [] : [colour])]
    const at = x
    x += displayWidth(text) * cell
    // Each piece has its place and its length, so that the font matters little.
    return `<tspan x="${(margin + at).toFixed(1)}" textLength="${(displayWidth(text) * cell).toFixed(1)}"${
      classes.length === 0 ? "" : ` class="${classes.join(" ")}"`
    }>${escape(text)}</tspan>`
  }).join("")
}

const lineOf = ({ at, pieces, typing }: Line, i: number, columns: number): string => {
  const y = bar + margin + i * height
  const text = `<text y="${y + size}" class="l" style="animation-delay:${at}ms" xml:space="preserve">${
    spans(pieces)
  }</text>`
  if (typing === undefined) return text
  const count = Math.max(1, Math.round(widthOf(pieces) / cell))
  // What covers a line goes away as it is typed.
  const cover = `<rect x="${margin}" y="${y}" width="${(columns * cell).toFixed(1)}" height="${height}" class="c" ` +
    `style="animation-delay:${at}ms;animation-duration:${typing}ms;animation-timing-function:steps(${count});` +
    `--w:${widthOf(pieces).toFixed(1)}px"/>`
  return text + cover
}

const style = `
svg{--page:#ffffff;--ink:#1f2328;--quiet:#59636e;--bar:#f0f2f4;--edge:#d1d9e0;--red:#cf222e;--green:#1a7f37;--yellow:#9a6700;--cyan:#1b7c83}
@media (prefers-color-scheme:dark){svg{--page:#0d1117;--ink:#f0f6fc;--quiet:#9198a1;--bar:#161b22;--edge:#3d444d;--red:#ff7b72;--green:#3fb950;--yellow:#d29922;--cyan:#39c5cf}}
text{font:${size}px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:var(--ink)}
.t{fill:var(--quiet);text-anchor:middle}.p{fill:var(--page);stroke:var(--edge)}.h{fill:var(--bar);stroke:var(--edge)}
.b{font-weight:600}.d{fill:var(--quiet)}.red{fill:var(--red)}.green{fill:var(--green)}.yellow{fill:var(--yellow)}.cyan{fill:var(--cyan)}
.l{animation:show 1ms both}.c{fill:var(--page);animation:type 1s both}
@keyframes show{from{visibility:hidden}to{visibility:visible}}
@keyframes type{from{transform:none}99%{transform:translateX(var(--w))}to{transform:translateX(var(--w));visibility:hidden}}
@media (prefers-reduced-motion:reduce){.l{animation:none}.c{display:none}}
`.trim()

/** The picture. `columns` are those of each terminal; `says` is what it shows, in words. */
export const picture = (panes: ReadonlyArray<Pane>, columns: number, says: string): string => {
  const width = Math.ceil(columns * cell + 2 * margin)
  const gap = 12
  const tops: Array<number> = []
  let top = 1
  for (const { lines } of panes) {
    tops.push(top)
    top += bar + 2 * margin + lines.length * height + gap
  }
  const whole = top - gap + 1
  const drawn = panes.map(({ lines, title }, i) => {
    const tall = bar + 2 * margin + lines.length * height
    return [
      `<svg x="1" y="${tops[i]}" width="${width}" height="${tall}" overflow="hidden">`,
      `<rect width="${width}" height="${tall}" rx="8" class="p"/>`,
      `<path d="M0 ${bar}V8a8 8 0 0 1 8-8H${width - 8}a8 8 0 0 1 8 8V${bar}z" class="h"/>`,
      `<text x="${width / 2}" y="${bar / 2 + 5}" class="t">${escape(title)}</text>`,
      ...lines.map((line, at) => lineOf(line, at, columns)),
      "</svg>"
    ].join("\n")
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width + 2} ${whole}" width="${
      width + 2
    }" height="${whole}" role="img" aria-label="${escape(says)}">`,
    `<title>${escape(says)}</title>`,
    `<style>${style}</style>`,
    ...drawn,
    "</svg>",
    ""
  ].join("\n")
}
