/**
 * Names of topics, and patterns, as they stand on the command line.
 */
import * as Topic from "@pnet/core/Topic"
import * as Effect from "effect/Effect"
import { Problem } from "../errors.ts"

const wrong = (text: string, kind: string, what: string, hint?: string) =>
  new Problem({
    exit: "usage",
    what: `${JSON.stringify(text)} is no ${kind}: ${what}`,
    ...(hint === undefined ? {} : { hint })
  })

const judge = (text: string, name: string, kind: string): Effect.Effect<void, Problem> =>
  Effect.try({
    try: () => void Topic.bytes(name),
    catch: (error) => wrong(text, kind, error instanceof Error ? error.message.replace(/^.*: /, "") : "")
  })

/** Where one of its dots has nothing beside it: where that is, and what there is without it; `undefined` where each has. */
const emptyIn = (segments: ReadonlyArray<string>) => {
  const at = segments.indexOf("")
  if (at < 0 || segments.length < 2) return undefined
  const where = at === 0
    ? "before its first dot"
    : at === segments.length - 1
    ? "behind its last dot"
    : "between two of its dots"
  return { what: `there is nothing ${where}`, without: segments.filter((one) => one !== "").join(".") }
}

/** Fails where it is no name of a topic. */
export const checkName = (text: string): Effect.Effect<void, Problem> => {
  const kind = "name of a topic"
  const empty = emptyIn(text.split("."))
  if (empty === undefined) return judge(text, text, kind)
  const { what, without } = empty
  return Effect.fail(wrong(text, kind, what, without === "" ? undefined : `did you mean ${JSON.stringify(without)}?`))
}

/** Fails where it is neither a name nor a pattern. */
export const checkPattern = (text: string): Effect.Effect<void, Problem> => {
  const kind = "topic to subscribe to"
  const segments = text.split(".")
  const empty = emptyIn(segments)
  if (empty !== undefined) {
    const { what, without } = empty
    const pattern = segments.map((one) => one === "" ? "*" : one).join(".")
    return Effect.fail(wrong(
      text,
      kind,
      what,
      without === ""
        ? "> is all topics"
        : `did you mean ${JSON.stringify(without)}? or ${JSON.stringify(pattern)}, where * is any one segment`
    ))
  }
  const last = segments.length - 1
  if (segments.some((one, i) => one.includes(">") && (one !== ">" || i !== last))) {
    return Effect.fail(wrong(text, kind, "expected > as the last segment alone, for one or more"))
  }
  if (segments.some((one) => one.includes("*") && one !== "*")) {
    return Effect.fail(wrong(text, kind, "expected * as a whole segment, for any one"))
  }
  // What stands for segments is one, as far as everything else goes.
  return judge(text, segments.map((one) => one === "*" || one === ">" ? "x" : one).join("."), kind)
}
