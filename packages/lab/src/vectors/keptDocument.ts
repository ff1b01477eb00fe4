/** The documents of the section "kept" of `docs/vectors.json`. */
import type { Rule } from "./rules.ts"

export interface Entry {
  readonly name: string
  readonly description: string
  readonly rule: Rule
  /** Network keys of the reader; none is a network in clear. */
  readonly networkKeys: ReadonlyArray<"new" | "old">
  /** Hex. */
  readonly item: string
  readonly reads?: {
    readonly topic: string
    readonly id: string
    readonly name: string
    readonly publicKey: string
    readonly at: number
    /** Hex. */
    readonly run: string
    readonly number: number
    readonly key: string
    readonly kind: "json" | "bytes"
    readonly payload: string
  }
  readonly fault?: string
}

/** The key of Ed25519 by which signatures of a node are verified. */
export interface SigningKey {
  readonly name: string
  readonly rule: Rule
  readonly publicKey: string
  /** Hex. */
  readonly ed25519: string
}

/** The tokens of a topic in a subject. */
export interface TopicTokens {
  readonly name: string
  readonly rule: Rule
  readonly topic: string
  readonly tokens: string
}

export interface Section {
  readonly description: ReadonlyArray<string>
  readonly clock: number
  readonly signingKeys: ReadonlyArray<SigningKey>
  readonly topics: ReadonlyArray<TopicTokens>
  readonly entries: ReadonlyArray<Entry>
}
