/** What a number is meant to be, and whether it is. */
import * as Schema from "effect/Schema"

/** What a number is meant to be, and whether it is. */
export const GoalSchema = Schema.Struct({
  value: Schema.Number,
  bound: Schema.Literals(["at most", "at least"]),
  limit: Schema.Number,
  met: Schema.Boolean,
  /** All of it in one line. */
  text: Schema.String
})

/** What a number is meant to be, and whether it is. */
export type Goal = typeof GoalSchema.Type

/** Compares a number with what it is meant to be. */
export const goal = (what: string, value: number, bound: Goal["bound"], limit: number): Goal => {
  const met = bound === "at most" ? value <= limit : value >= limit
  return {
    value,
    bound,
    limit,
    met,
    text: `${met ? "met    " : "NOT MET"}  ${what}: ${value.toFixed(2)}, ${bound} ${limit}`
  }
}
