/** The map of many drawn on a canvas. */
import { useEffect, useLayoutEffect, useRef } from "preact/hooks"
import { colours } from "../store/state.ts"
import { plain } from "../text.ts"
import { lookOf, radius } from "./look.ts"
import type { Drawing } from "./Svg.tsx"

const names = [
  "surface",
  "text",
  "quiet",
  "node",
  "edge",
  "accent-solid",
  "good-mark",
  "warn-mark",
  "bad-mark",
  "note-mark",
  "ground"
] as const
type Colours = Record<typeof names[number], string>

/** The colours of the style sheet as they are now. */
const coloursOf = (element: HTMLElement): Colours => {
  const probe = document.createElement("i")
  element.append(probe)
  const made = Object.fromEntries(names.map((name) => {
    probe.style.color = `var(--${name})`
    return [name, getComputedStyle(probe).color]
  })) as Colours
  probe.remove()
  return made
}

const discs: Readonly<Record<string, keyof Colours>> = {
  self: "accent-solid",
  online: "node",
  unproved: "edge",
  suspect: "warn-mark",
  draining: "note-mark",
  contested: "bad-mark"
}

const paint = (context: CanvasRenderingContext2D, width: number, height: number, colour: Colours, drawing: Drawing) => {
  const { chosen, contested, found, hovered, lines, map, named, peers, self } = drawing
  context.clearRect(0, 0, width, height)
  const isSeen = (x: number, y: number) => x > -40 && y > -40 && x < width + 40 && y < height + 40
  const styles: Record<string, readonly [colour: string, width: number, dashes: ReadonlyArray<number>]> = {
    mutual: [colour.edge, 1, []],
    oneway: [colour["warn-mark"], 1.2, [5, 4]],
    "way-lan": [colour["accent-solid"], 1, []],
    "way-nats": [colour["note-mark"], 1, []],
    "way-web": [colour["good-mark"], 1, []],
    "way-other": [colour.quiet, 1, []],
    looked: [colour["accent-solid"], 1.2, []],
    lookedback: [colour["warn-mark"], 1.2, [5, 4]]
  }
  for (const [name, pairs] of Object.entries(lines)) {
    const [stroke, wide, dashes] = styles[name] ?? styles["mutual"]!
    context.strokeStyle = stroke
    context.lineWidth = wide
    context.globalAlpha = name.startsWith("way-") ? 0.45 : pairs.length > 100 ? 0.3 : 0.8
    // Dashes of so many lines are not seen, and cost more than all the rest.
    context.setLineDash(pairs.length > 60 ? [] : [...dashes])
    context.beginPath()
    for (const [from, to] of pairs) {
      const a = map.layout.places.get(from)
      const b = map.layout.places.get(to)
      if (a === undefined || b === undefined) continue
      context.moveTo(...map.at(a))
      context.lineTo(...map.at(b))
    }
    context.stroke()
  }
  context.setLineDash([])
  context.lineWidth = 2
  for (const ghost of map.ghosts) {
    const [x, y] = map.at(ghost)
    context.globalAlpha = Math.max(0, (ghost.until - performance.now()) / 5_000)
    context.strokeStyle = colour["bad-mark"]
    context.beginPath()
    context.arc(x, y, 6, 0, 2 * Math.PI)
    context.stroke()
  }
  const texts: Array<readonly [text: string, x: number, y: number, quiet: boolean]> = []
  const size = Math.min(1, Math.max(0.5, map.camera.scale * 1.2))
  for (const place of map.layout.places.values()) {
    const [x, y] = map.at(place)
    if (!isSeen(x, y)) continue
    const peer = peers.get(place.id)
    const isDim = found !== undefined && !found.has(place.id)
    const large = radius(place.id) * (place.id === chosen || place.id === hovered || place.id === 0 ? 1 : size)
    context.globalAlpha = isDim ? 0.18 : 1
    context.fillStyle = colour[discs[lookOf(peer, peer !== undefined && contested.has(peer.name))] ?? "node"]
    context.strokeStyle = colour.ground
    context.beginPath()
    context.arc(x, y, large, 0, 2 * Math.PI)
    context.fill()
    context.stroke()
    if (place.id === chosen) {
      context.strokeStyle = colour["accent-solid"]
      context.beginPath()
      context.arc(x, y, large + 5, 0, 2 * Math.PI)
      context.stroke()
    }
    if (named(place.id) && texts.length < 200) {
      const name = place.id === 0 ? self.name : peer?.name ?? ""
      texts.push([plain(name, 20), x, y + large + 14, place.id !== chosen && place.id !== hovered])
    }
  }
  context.globalAlpha = 1
  context.lineWidth = 3
  context.lineJoin = "round"
  context.strokeStyle = colour.ground
  for (const [text, x, y, isQuiet] of texts) {
    context.fillStyle = isQuiet ? colour.quiet : colour.text
    context.strokeText(text, x, y)
    context.fillText(text, x, y)
  }
}

export const Canvas = (drawing: Drawing & { readonly drawRef: { current: () => void } }) => {
  const ref = useRef<HTMLCanvasElement>(null)
  const last = useRef(drawing)
  last.current = drawing
  const colour = useRef<Colours | undefined>(undefined)
  useEffect(() => {
    colour.current = undefined
    drawing.drawRef.current()
  }, [colours.value])
  drawing.drawRef.current = () => {
    const canvas = ref.current
    const context = canvas?.getContext("2d")
    if (canvas === null || context === null || context === undefined) return
    const { clientHeight: height, clientWidth: width } = canvas
    const dense = devicePixelRatio
    if (canvas.width !== Math.round(width * dense) || canvas.height !== Math.round(height * dense)) {
      canvas.width = Math.round(width * dense)
      canvas.height = Math.round(height * dense)
    }
    context.setTransform(dense, 0, 0, dense, 0, 0)
    context.font = "12px system-ui, sans-serif"
    context.textAlign = "center"
    paint(context, width, height, colour.current ??= coloursOf(canvas.parentElement!), last.current)
  }
  useLayoutEffect(() => drawing.map.wake())
  return <canvas ref={ref} class="map" aria-hidden="true" />
}
