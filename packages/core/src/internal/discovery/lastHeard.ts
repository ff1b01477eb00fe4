/**
 * What each source said last, if it was an advert of another node: most often it says it again. It is nobody's sign of life, and says of
 * nobody that he is there.
 */
import type { Endpoint } from "../../Network.ts"
import { remember } from "../base/remember.ts"
import type { Heard } from "./heard.ts"
import * as Sources from "./sources.ts"

export class LastHeard {
  readonly #capacity: number
  readonly #perHost: number
  /** Most hosts have one node. */
  readonly #byHost = new Map<string, Heard | Map<number, Heard>>()
  /** Those of hosts that have one, by the numbers of their sources: a shorter way to most of them. */
  #near: Array<Heard | undefined> = []
  #size = 0

  /** Of so many sources, and so many of one host; the oldest are forgotten. */
  constructor(capacity: number, perHost: number) {
    this.#capacity = capacity
    this.#perHost = perHost
  }

  get(host: string, port: number): Heard | undefined {
    return Sources.find(this.#near, host, port) ?? this.#find(host, port)
  }

  #find(host: string, port: number): Heard | undefined {
    const there = this.#byHost.get(host)
    return there instanceof Map ? there.get(port) : there?.source.port === port ? there : undefined
  }

  set(heard: Heard): void {
    const { host, port } = heard.source
    this.delete(heard.source)
    const there = this.#byHost.get(host)
    if (there === undefined) {
      this.#byHost.set(host, heard)
      this.#put(heard)
    } else if (there instanceof Map) {
      this.#size -= there.size
      remember(there, port, heard, this.#perHost)
      this.#size += there.size - 1
    } else {
      this.#drop(there)
      this.#byHost.set(host, new Map([[there.source.port, there], [port, heard]]))
    }
    this.#size++
    if (this.#size > this.#capacity) this.#forget()
  }

  delete({ host, port }: Endpoint): void {
    const there = this.#byHost.get(host)
    if (there === undefined) return
    if (there instanceof Map) {
      if (!there.delete(port)) return
      if (there.size === 0) this.#byHost.delete(host)
    } else if (there.source.port === port) {
      this.#drop(there)
      this.#byHost.delete(host)
    } else return
    this.#size--
  }

  #put(heard: Heard): void {
    const number = Sources.numberOf(heard.source)
    if (number >= this.#near.length) {
      const near = this.#near
      // As long as it is to become at once: one with many gaps would be a table of its own.
      this.#near = Array.from({ length: Math.ceil(number * 1.25) + 16 }, (_, i) => near[i])
    }
    this.#near[number] = heard
  }

  #drop(heard: Heard): void {
    const number = Sources.numberOf(heard.source)
    if (this.#near[number] === heard) this.#near[number] = undefined
  }

  #forget(): void {
    const [oldest] = this.#byHost
    if (oldest === undefined) return
    const [host, there] = oldest
    if (there instanceof Map) {
      const [port] = there.keys()
      this.delete({ host, port: port! })
    } else this.delete(there.source)
  }
}
