/** What is printed of a run: each failure in a line of its own, and how many of what at the end. */
import type { Done } from "./run.ts"
import { sectionOf } from "./text.ts"

/** One failure: the section, the rule's anchor, what was sent, what was expected, what came. */
export const failureLine = ({ check, outcome }: Done): string =>
  outcome._tag === "Failed"
    ? `FAILED section ${sectionOf(check.rule)}, r-${check.rule}: ${check.title}: ` +
      `sent ${outcome.sent}; expected ${outcome.expected}; came ${outcome.came}`
    : ""

const counted = (done: ReadonlyArray<Done>, tag: Done["outcome"]["_tag"]) =>
  done.filter(({ outcome }) => outcome._tag === tag)

/** The lines of a run. */
export const lines = (done: ReadonlyArray<Done>): ReadonlyArray<string> => {
  const failed = counted(done, "Failed")
  const reasons = new Map<string, number>()
  for (const { outcome } of done) {
    if (outcome._tag === "LeftOut") reasons.set(outcome.why, (reasons.get(outcome.why) ?? 0) + 1)
  }
  const why = [...reasons].map(([reason, times]) => `${times} as ${reason}`).join(", ")
  const left = counted(done, "LeftOut").length
  return [
    ...failed.map(failureLine),
    `${done.length} checks of ${new Set(done.map(({ check }) => check.rule)).size} rules: ` +
    `${counted(done, "Passed").length} passed, ${failed.length} failed, ${left} left out${
      why === "" ? "" : ` (${why})`
    }`
  ]
}
