/** Checks as data: one rule each, and how it is seen from outside. */
import type { Effect, Scope } from "effect"
import type { Kit } from "./kit.ts"
import type { Mismatch, NotThere } from "./subject.ts"

/** How much of the protocol a peer speaks; each level has those before it. */
export const levels = ["raw", "sessions", "commands", "typed"] as const
export type Level = (typeof levels)[number]

/** What a check cannot do without. */
export type Need =
  /** A network with a key, or without one. */
  | "a network key"
  | "no network key"
  /** Adverts by UDP. */
  | "a LAN"
  /** That the peer can be made to call the kit. */
  | "orders"
  /** That it publishes and subscribes by orders. */
  | "topics"
  /** That names are pinned to the first key that proves them. */
  | "pins"
  /** That the peer was started less than half a minute ago. */
  | "a fresh start"

/** What a check is about, and how it is done. */
export interface Check {
  /** The anchor of the rule in the text, without `r-`. */
  readonly rule: string
  readonly title: string
  readonly level: Level
  readonly needs: ReadonlyArray<Need>
  /** How long it takes of itself, where it waits for something; those over 2 s are for the patient. */
  readonly seconds: number
  /** Whether it takes what the peer has for all checks together, so that no other may run beside it. */
  readonly alone: boolean
  readonly run: (kit: Kit) => Effect.Effect<unknown, Mismatch | NotThere, Scope.Scope>
}

export interface CheckOptions {
  readonly needs?: ReadonlyArray<Need>
  readonly seconds?: number
  readonly alone?: boolean
}

/** Makes checks of one level. */
export const checksOf = (level: Level, ...always: ReadonlyArray<Need>) =>
(
  rule: string,
  title: string,
  run: Check["run"],
  { alone = false, needs = [], seconds = 0 }: CheckOptions = {}
): Check => ({
  rule,
  title,
  level,
  needs: [...always, ...needs],
  seconds,
  alone,
  run
})
