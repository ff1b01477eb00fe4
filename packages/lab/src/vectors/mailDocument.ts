/** The documents of the section "mail" of `docs/vectors.json`. */
import type { Rule } from "./rules.ts"

export interface Entry {
  readonly name: string
  readonly description: string
  readonly rule: Rule
  /** Network keys of the reader; none is a network in clear. */
  readonly networkKeys: ReadonlyArray<"new" | "old">
  /** Hex. */
  readonly letter: string
  readonly reads?: {
    readonly id: string
    readonly name: string
    readonly publicKey: string
    readonly postedAt: number
    readonly payload: string
  }
  readonly fault?: string
}

export interface Section {
  readonly description: ReadonlyArray<string>
  readonly clock: number
  readonly maxAge: number
  readonly entries: ReadonlyArray<Entry>
}
