/**
 * Where peers are on the map. It stays as it is while nobody comes, goes, or sees somebody else: a peer keeps its place by its key, one that is new begins near
 * those that it knows, and what moves moves little. Work is done in steps of a few milliseconds each.
 */
import { forceCollide, forceLink, forceManyBody, forceSimulation, forceX, forceY, type Simulation } from "d3-force"

export interface Place {
  readonly id: number
  readonly key: string
  x: number
  y: number
  vx?: number
  vy?: number
  fx?: number | null
  fy?: number | null
}

interface Bond {
  source: Place | number
  target: Place | number
}

/** A number between 0 and 1 that is always the same for a text. */
const chance = (text: string): number => {
  let state = 0x811c9dc5
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193)
  state = Math.imul(state ^ state >>> 15, 0x2c1b3c6d)
  return ((state ^ state >>> 12) >>> 0) / 2 ** 32
}

// Of whom each one sees so many hold it in its place: all of them would not move it elsewhere, and cost a hundred times as much.
const bonds = 5

// Whom a peer sees is the same set until it changes: who holds it is drawn once.
const drawn = new WeakMap<ReadonlySet<number>, ReadonlyArray<number>>()

/** Of whom a peer sees the nearest by lot, around a circle: neighbours of that kind are bonded from both sides. */
const draw = (from: number, to: ReadonlySet<number>, lots: ReadonlyMap<number, number>): ReadonlyArray<number> => {
  const known = drawn.get(to)
  if (known !== undefined) return known
  const seed = lots.get(from)!
  const nearest: Array<{ readonly id: number; readonly far: number }> = []
  for (const id of to) {
    const lot = lots.get(id)
    if (lot === undefined || id === 0 || id === from) continue
    const far = Math.min(Math.abs(seed - lot), 1 - Math.abs(seed - lot))
    if (nearest.length === bonds && far >= nearest[bonds - 1]!.far) continue
    const at = nearest.findIndex((one) => far < one.far)
    nearest.splice(at === -1 ? nearest.length : at, 0, { id, far })
    if (nearest.length > bonds) nearest.pop()
  }
  const ids = nearest.map(({ id }) => id)
  drawn.set(to, ids)
  return ids
}

/** Pairs that hold each other: of each peer those that are drawn by lot, always the same ones, so that one that comes or goes moves few. */
export const bonded = (
  sees: ReadonlyMap<number, ReadonlySet<number>>,
  keys: ReadonlyMap<number, string>
): ReadonlyArray<readonly [number, number]> => {
  const lots = new Map([...keys].map(([id, key]) => [id, chance(key)]))
  const made = new Map<number, readonly [number, number]>()
  for (const [from, to] of sees) {
    if (from === 0 || !lots.has(from)) continue
    for (const id of draw(from, to, lots)) {
      if (!lots.has(id)) continue
      const [a, b] = from < id ? [from, id] : [id, from]
      made.set(a * 0x1000000 + b, [a, b])
    }
  }
  return [...made.values()]
}

const rest = 0.02

export class Layout {
  readonly places = new Map<number, Place>()
  readonly #kept = new Map<string, { readonly x: number; readonly y: number }>()
  readonly #simulation: Simulation<Place, Bond>
  #bonds = ""
  #isFirst = true

  constructor() {
    this.#simulation = forceSimulation<Place, Bond>([])
      .force("apart", forceManyBody<Place>().strength(-180).distanceMax(420).theta(1.1))
      .force("bonds", forceLink<Place, Bond>([]).id((one) => one.id).distance(70).strength(0.08))
      .force("room", forceCollide<Place>(24).strength(0.7))
      .force("x", forceX<Place>(0).strength(0.045))
      .force("y", forceY<Place>(0).strength(0.06))
      .alphaMin(rest)
      .velocityDecay(0.5)
      .stop()
    this.#simulation.alpha(0)
  }

  /** Whether something is still moving. */
  get moves(): boolean {
    return this.#simulation.alpha() > rest
  }

  /** Takes who is there, and who sees whom. Gives whether there is something to move. */
  update(
    keys: ReadonlyMap<number, string>,
    sees: ReadonlyMap<number, ReadonlySet<number>>
  ): boolean {
    let come = 0
    let gone = 0
    for (const [id, place] of this.places) {
      if (keys.get(id) === place.key) continue
      this.#kept.set(place.key, { x: place.x, y: place.y })
      this.places.delete(id)
      gone++
    }
    const pairs = bonded(sees, keys)
    for (const [id, key] of keys) {
      if (this.places.has(id)) continue
      this.places.set(id, this.#placed(id, key, pairs))
      come++
    }
    // What is forgotten first went first.
    for (const key of this.#kept.keys()) {
      if (this.#kept.size <= 2_000) break
      this.#kept.delete(key)
    }
    const written = pairs.map(([a, b]) => `${a} ${b}`).sort().join()
    if (come + gone === 0 && written === this.#bonds) return this.moves
    this.#bonds = written
    if (come + gone > 0) this.#simulation.nodes([...this.places.values()])
    this.#simulation.force<ReturnType<typeof forceLink<Place, Bond>>>("bonds")!.links(
      pairs.map(([source, target]) => ({ source, target }))
    )
    const heat = this.#isFirst ? 1 : come + gone === 0 ? 0.05 : Math.min(0.5, 0.06 + 2 * (come + gone) / keys.size)
    if (this.places.size > 1) this.#isFirst = false
    this.#simulation.alpha(Math.max(this.#simulation.alpha(), heat))
    return true
  }

  #placed(id: number, key: string, pairs: ReadonlyArray<readonly [number, number]>): Place {
    // The console's own node is where everything is seen from.
    if (id === 0) return { id, key, x: 0, y: 0, fx: 0, fy: 0 }
    const kept = this.#kept.get(key)
    this.#kept.delete(key)
    if (kept !== undefined) return { id, key, ...kept }
    const near = pairs.flatMap(([a, b]) =>
      a === id ? this.places.get(b) ?? [] : b === id ? this.places.get(a) ?? [] : []
    )
    const turn = 2 * Math.PI * chance(key)
    const far = 90 + 18 * Math.sqrt(this.places.size)
    if (near.length === 0 || this.#isFirst) return { id, key, x: far * Math.cos(turn), y: far * Math.sin(turn) }
    const mean = (of: (place: Place) => number) => near.reduce((sum, one) => sum + of(one), 0) / near.length
    return { id, key, x: mean((one) => one.x) + 40 * Math.cos(turn), y: mean((one) => one.y) + 40 * Math.sin(turn) }
  }

  /** Moves for some milliseconds, at least one step and at most `most`. Gives whether there is more to move. */
  step(clock: () => number, ms: number, most = Infinity): boolean {
    const end = clock() + ms
    for (let i = 0; i < most && this.moves; i++) {
      this.#simulation.tick()
      if (clock() >= end) break
    }
    return this.moves
  }

  /** The box that all are in. */
  bounds(): { readonly left: number; readonly top: number; readonly right: number; readonly bottom: number } {
    let [left, top, right, bottom] = [0, 0, 0, 0]
    for (const { x, y } of this.places.values()) {
      left = Math.min(left, x)
      right = Math.max(right, x)
      top = Math.min(top, y)
      bottom = Math.max(bottom, y)
    }
    return { left, top, right, bottom }
  }
}
