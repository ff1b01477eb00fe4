/**
 * What peers say of their functions.
 */
import * as Described from "@pnet/console/Described"
import type { CommandNodeService } from "@pnet/core/CommandNode"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Problem } from "../errors.ts"
import { didYouMean } from "../nearest.ts"
import { quoted } from "../output/quoted.ts"
import { Settings } from "../settings/Settings.ts"
import { noteFunctions } from "./remember.ts"

/** Functions that every node has, and does not say. */
export const everyNode: ReadonlySet<string> = new Set(["describe", "get_funcs", "get_peers"])

// Looking up what a function takes is quick, or is not worth the wait.
const patience = Duration.seconds(10)

/** What a peer says of its functions, or of some of them. */
export const describe = Effect.fnUntraced(
  function*(node: CommandNodeService, peer: string, ...names: ReadonlyArray<string>) {
    const { values } = yield* Settings
    const answer = yield* node.target(peer, { timeout: Duration.max(values.wait, patience) })("describe", ...names)
    const described = yield* Effect.mapError(Effect.fromOption(Described.read(answer)), () =>
      new Problem({
        exit: "theirs",
        what: `what ${JSON.stringify(peer)} says of its functions is not to be understood`
      }))
    yield* noteFunctions(node, peer, described.map(({ name }) => name))
    return described
  }
)

/**
 * What is said of functions that a peer has not: those that may have been meant, of all that it says it has. Where one was to be called those are meant as well that every node has, and
 * says nothing of.
 */
export const noFunction = Effect.fnUntraced(
  function*(node: CommandNodeService, peer: string, names: ReadonlyArray<string>, forWhat: "call" | "description") {
    const all = yield* Effect.orElseSucceed(describe(node, peer), () => [])
    const there = [...all.map((one) => one.name), ...(forWhat === "call" ? everyNode : [])]
    const meant = names.flatMap((name) => didYouMean(name, there) ?? [])
    return new Problem({
      exit: "notFound",
      tag: "UnknownFunctionError",
      what: `${JSON.stringify(peer)} has no function ${names.map((name) => JSON.stringify(name)).join(", ")}`,
      hint: [...meant, `run: pnet functions ${quoted(peer)}`].join(" or ")
    })
  }
)
