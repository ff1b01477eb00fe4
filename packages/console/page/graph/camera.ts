/** What part of the map is looked at, and how large. */

export interface Camera {
  /** Pixels of the screen for one of the map. */
  readonly scale: number
  /** Where the middle of the map is on the screen. */
  readonly x: number
  readonly y: number
}

export interface Box {
  readonly left: number
  readonly top: number
  readonly right: number
  readonly bottom: number
}

const smallest = 0.15
const largest = 4

const within = (scale: number): number => Math.min(largest, Math.max(smallest, scale))

/** All of a box, in a frame of so many pixels with room around it. */
export const fitted = (box: Box, width: number, height: number, room: number): Camera => {
  const wide = Math.max(1, box.right - box.left)
  const high = Math.max(1, box.bottom - box.top)
  const scale = within(Math.min((width - 2 * room) / wide, (height - 2 * room) / high, 1.5))
  return {
    scale,
    x: width / 2 - (box.left + box.right) / 2 * scale,
    y: height / 2 - (box.top + box.bottom) / 2 * scale
  }
}

/** Larger or smaller around a point of the screen that stays where it is. */
export const zoomed = ({ scale, x, y }: Camera, by: number, atX: number, atY: number): Camera => {
  const next = within(scale * by)
  const of = next / scale
  return { scale: next, x: atX - (atX - x) * of, y: atY - (atY - y) * of }
}

/** A part of the way from one to the other. */
export const between = (a: Camera, b: Camera, part: number): Camera => ({
  scale: a.scale + (b.scale - a.scale) * part,
  x: a.x + (b.x - a.x) * part,
  y: a.y + (b.y - a.y) * part
})

export const isNear = (a: Camera, b: Camera): boolean =>
  Math.abs(a.scale - b.scale) < 0.002 && Math.abs(a.x - b.x) < 0.5 && Math.abs(a.y - b.y) < 0.5
