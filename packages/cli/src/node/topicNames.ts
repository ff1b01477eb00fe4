/**
 * Names of topics, and patterns, as they stand on the command line.
 */
import * as Topic from "@pnet/core/Topic"
import * as Effect from "effect/Effect"
import { Problem } from "../errors.ts"

const judge = (text: string, name: string, kind: string): Effect.Effect<void, Problem> =>
  Effect.try({
    try: () => void Topic.bytes(name),
    catch: (error) =>
      new Problem({
        exit: "usage",
        what: `${JSON.stringify(text)} is no ${kind}: ${
          error instanceof Error ? error.message.replace(/^.*: /, "") : ""
        }`
      })
  })

/** Fails where it is no name of a topic. */
export const checkName = (text: string): Effect.Effect<void, Problem> => judge(text, text, "name of a topic")

/** Fails where it is neither a name nor a pattern. */
export const checkPattern = (text: string): Effect.Effect<void, Problem> => {
  const segments = text.split(".")
  // What stands for segments is one, as far as everything else goes.
  const name = segments.map((one, i) => one === "*" || one === ">" && i === segments.length - 1 ? "x" : one)
  return judge(text, name.join("."), "topic to subscribe to")
}
