/**
 * What peers say of their functions.
 */
import type { CommandNodeService } from "@pnet/core/CommandNode"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Problem } from "../errors.ts"
import { Settings } from "../settings/Settings.ts"
import { noteFunctions } from "./remember.ts"

/** A function, as its peer describes it. Its schemas are whatever the peer sent. */
export const Description = Schema.Struct({
  name: Schema.String,
  kind: Schema.Literals(["function", "command", "rpc"]),
  description: Schema.optionalKey(Schema.String),
  args: Schema.optionalKey(Schema.Json),
  kwargs: Schema.optionalKey(Schema.Json),
  success: Schema.optionalKey(Schema.Json),
  error: Schema.optionalKey(Schema.Json),
  stream: Schema.optionalKey(Schema.Boolean),
  contract: Schema.optionalKey(Schema.String)
})

/** A function, as its peer describes it. */
export type Description = typeof Description.Type

const decode = Schema.decodeUnknownEffect(Schema.Array(Description))

// Looking up what a function takes is quick, or is not worth the wait.
const patience = Duration.seconds(10)

/** What a peer says of its functions, or of some of them. */
export const describe = Effect.fnUntraced(
  function*(node: CommandNodeService, peer: string, ...names: ReadonlyArray<string>) {
    const { values } = yield* Settings
    const answer = yield* node.target(peer, { timeout: Duration.max(values.wait, patience) })("describe", ...names)
    const described = yield* Effect.mapError(decode(answer), () =>
      new Problem({
        exit: "theirs",
        what: `what ${JSON.stringify(peer)} says of its functions is not to be understood`
      }))
    yield* noteFunctions(node, peer, described.map(({ name }) => name))
    return described
  }
)
