/**
 * The map as it is drawn: where the peers are, what is looked at, and when it is drawn anew, which is only while something moves. It outlives the view, so that who
 * comes back finds it as it was. How it is drawn is the business of who shows it.
 */
import type { Network } from "../store/network.ts"
import { between, type Camera, fitted, isNear, zoomed } from "./camera.ts"
import { type Edges, edgesOf } from "./edges.ts"
import { Layout, type Place } from "./layout.ts"

/** One that is there no more, for the seconds that it is still shown. */
export interface Ghost {
  readonly id: number
  readonly key: string
  readonly name: string
  readonly x: number
  readonly y: number
  readonly until: number
}

const ghostly = 5_000
const frameBudget = 6
const room = 64
const large = 150

export class NetworkMap {
  readonly layout = new Layout()
  camera: Camera = { scale: 1, x: 0, y: 0 }
  edges: Edges = { mutual: [], oneWay: [], pairs: 0 }
  ghosts: ReadonlyArray<Ghost> = []
  /** Whether all is kept in sight, until somebody looks closer. */
  follows = true
  #width = 0
  #height = 0
  #shape = -1
  #names = new Map<number, string>()
  #frame = 0
  #drawn = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #latest: Network | undefined
  #isNew = true
  readonly #draw: () => void
  readonly #changed: () => void
  readonly #calm: () => boolean

  /** `draw` draws; `changed` says that there are other lines or ghosts; `calm`: whether nothing is to be seen moving. */
  constructor(draw: () => void, changed: () => void, calm: () => boolean) {
    this.#draw = draw
    this.#changed = changed
    this.#calm = calm
  }

  /** Takes what is known now. Of a large network it is taken at most once a second. */
  update(network: Network): void {
    this.#latest = network
    if (network.shape === this.#shape || this.#timer !== undefined) return
    if (this.#isNew || network.peers.size < 60) return this.#take()
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#take()
    }, 1_000)
  }

  #take(): void {
    const network = this.#latest!
    this.#shape = network.shape
    const now = performance.now()
    const keys = new Map([...network.peers.values()].map(({ id, key }) => [id, key]))
    if (!keys.has(0)) keys.set(0, "")
    const gone: Array<Ghost> = []
    for (const [id, place] of this.layout.places) {
      if (keys.get(id) === place.key || id === 0) continue
      gone.push({ id, key: place.key, name: this.#names.get(id) ?? "", x: place.x, y: place.y, until: now + ghostly })
    }
    const here = new Set(keys.values())
    this.ghosts = [...this.ghosts.filter(({ key, until }) => until > now && !here.has(key)), ...gone].slice(-40)
    this.#names = new Map([...network.peers.values()].map(({ id, name }) => [id, name]))
    this.layout.update(keys, network.sees)
    this.edges = edgesOf(network)
    this.#changed()
    if (this.#isNew && this.layout.places.size > 1) {
      this.#isNew = false
      // What can be done before anything is seen is.
      this.layout.step(() => performance.now(), 20)
      this.camera = this.#fit()
    }
    if (this.#calm()) this.#settle()
    else this.wake()
  }

  /** Where nothing is to be seen moving all is moved at once, in slices between which the page goes on. */
  #settle(): void {
    const go = () => {
      if (this.layout.step(() => performance.now(), 12)) setTimeout(go, 0)
      else {
        if (this.follows) this.camera = this.#fit()
        this.wake()
      }
    }
    go()
  }

  /** Forgets ghosts whose time is over. Gives whether there were any. */
  bury(): boolean {
    const now = performance.now()
    const left = this.ghosts.filter(({ until }) => until > now)
    if (left.length === this.ghosts.length) return false
    this.ghosts = left
    return true
  }

  resize(width: number, height: number): void {
    if (width === this.#width && height === this.#height) return
    const isFirst = this.#width === 0
    this.camera = {
      ...this.camera,
      x: this.camera.x + (width - this.#width) / 2,
      y: this.camera.y + (height - this.#height) / 2
    }
    this.#width = width
    this.#height = height
    if (isFirst || this.follows) this.camera = this.#fit()
    this.wake()
  }

  /** Draws in the next frame, and in those after it for as long as something moves. */
  wake(): void {
    if (this.#frame !== 0) return
    this.#frame = requestAnimationFrame((at) => {
      this.#frame = 0
      const isLarge = this.layout.places.size > large
      // Of many every second frame is enough, and leaves time for everything else.
      if (isLarge && at - this.#drawn < 30) return this.wake()
      this.#drawn = at
      const moves = !this.#calm() && this.layout.step(() => performance.now(), frameBudget, isLarge ? 1 : 2)
      let glides = false
      if (this.follows) {
        const goal = this.#fit()
        glides = !isNear(this.camera, goal) && !this.#calm()
        this.camera = glides ? between(this.camera, goal, 0.12) : goal
      }
      this.#draw()
      if (moves || glides) this.wake()
    })
  }

  sleep(): void {
    cancelAnimationFrame(this.#frame)
    this.#frame = 0
  }

  #fit(): Camera {
    return fitted(this.layout.bounds(), this.#width, this.#height, Math.min(room, this.#width / 6))
  }

  fit(): void {
    this.follows = true
    this.wake()
  }

  zoom(by: number, x = this.#width / 2, y = this.#height / 2): void {
    this.follows = false
    this.camera = zoomed(this.camera, by, x, y)
    this.wake()
  }

  pan(dx: number, dy: number): void {
    this.follows = false
    this.camera = { ...this.camera, x: this.camera.x + dx, y: this.camera.y + dy }
    this.wake()
  }

  /** Where a place is on the screen. */
  at({ x, y }: { readonly x: number; readonly y: number }): readonly [number, number] {
    return [x * this.camera.scale + this.camera.x, y * this.camera.scale + this.camera.y]
  }

  /** The one at a point of the screen. */
  hit(x: number, y: number): Place | undefined {
    let nearest: Place | undefined
    let least = 18 ** 2
    for (const place of this.layout.places.values()) {
      const [px, py] = this.at(place)
      const far = (px - x) ** 2 + (py - y) ** 2
      if (far < least) [least, nearest] = [far, place]
    }
    return nearest
  }

  /** The next one from a place in a direction. */
  next(from: number, dx: number, dy: number): Place | undefined {
    const here = this.layout.places.get(from) ?? this.layout.places.get(0)
    if (here === undefined) return undefined
    let best: Place | undefined
    let least = Infinity
    for (const place of this.layout.places.values()) {
      const along = (place.x - here.x) * dx + (place.y - here.y) * dy
      const aside = Math.abs((place.x - here.x) * dy - (place.y - here.y) * dx)
      if (place === here || along <= 0 || aside > along * 1.5) continue
      if (along + 2 * aside < least) [least, best] = [along + 2 * aside, place]
    }
    return best
  }

  /** Brings a place into sight. */
  show(id: number): void {
    const place = this.layout.places.get(id)
    if (place === undefined) return
    const [x, y] = this.at(place)
    if (x > 40 && y > 40 && x < this.#width - 40 && y < this.#height - 40) return
    this.pan(this.#width / 2 - x, this.#height / 2 - y)
  }
}
