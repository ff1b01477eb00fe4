/** The topics of the network here: of values with a Schema that are retained, or not; of plain names; and those that groups hear. */
import { Topic } from "@pnet/core"
import { Schema } from "effect"

/** What is published: by whom, its number, and its key. */
export interface Value {
  readonly by: string
  readonly n: number
  readonly key: string
}

export interface Subject {
  readonly index: number
  readonly name: string
  readonly topic: Topic.Topic<Value> | string
  readonly kind: "table" | "typed" | "plain" | "waited" | "group"
  /** Its values have keys. */
  readonly isKeyed: boolean
  readonly keyOf: (n: number) => string
  readonly retain: { readonly keys?: number; readonly timeToLive?: number } | undefined
  /** All its publications wait for those who are to lose none. */
  readonly isWaitedFor: boolean
}

const Payload = Schema.Struct({ by: Schema.String, n: Schema.Int, key: Schema.String })

const kinds = ["table", "typed", "plain", "waited", "group"] as const

/** What is retained of a topic of those that tables show: all, few keys, or for a while. */
const retains = [{}, { keys: 3 }, { timeToLive: 4_000 }]

export const subject = (index: number): Subject => {
  const kind = kinds[index % kinds.length]!
  const retain = kind === "table" ? retains[Math.floor(index / kinds.length) % retains.length]! : undefined
  const name = kind === "table" || kind === "typed"
    ? `${kind}.${index}`
    : kind === "group"
    ? `work.${index}`
    : `plain.${Math.floor(index / kinds.length) % 3}.${index}`
  const isTyped = kind === "table" || kind === "typed"
  return {
    index,
    name,
    topic: isTyped
      ? Topic.make(name, { payload: Payload, key: ({ key }) => key, ...(retain === undefined ? {} : { retain }) })
      : name,
    kind,
    isKeyed: isTyped,
    keyOf: (n) => `k${n * 7 % 5}`,
    retain,
    isWaitedFor: kind === "waited"
  }
}

const meanings: Readonly<Record<string, RegExp>> = {
  "plain.>": /^plain\./,
  "plain.*.*": /^plain\./,
  "plain.0.*": /^plain\.0\./,
  "plain.1.>": /^plain\.1\./
}

/** Patterns that mean several of those with plain names. */
export const patterns = Object.keys(meanings)

/** Whether a subscription to something means a topic. */
export const isMeant = (asked: string, name: string): boolean => meanings[asked]?.test(name) ?? asked === name
