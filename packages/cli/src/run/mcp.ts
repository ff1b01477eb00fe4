/** What `pnet mcp` does. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { mcp } from "../commands/mcp.ts"
import { Problem } from "../errors.ts"
import { parsePatterns } from "../mcp/patterns.ts"
import * as Server from "../mcp/server.ts"
import { gather } from "../node/find.ts"
import { open } from "../node/open.ts"
import { Output } from "../output/Output.ts"
import { Settings } from "../settings/Settings.ts"
import type { Input } from "../spec.ts"

export const run = Effect.fnUntraced(function*(input: Input<typeof mcp>) {
  const output = yield* Output
  const { sources } = yield* Settings
  if (output.json && sources.json.from === "flag") {
    return yield* new Problem({
      exit: "usage",
      what: "what mcp writes is the protocol's, and nothing that --json would change",
      hint: "leave --json out"
    })
  }
  const allow = yield* parsePatterns("--allow", input.allow)
  const readOnly = yield* parsePatterns("--read-only", input.readOnly)
  const { name, node } = yield* open()
  yield* output.note(
    input.allow.length === 0
      ? `${name} serves assistants what lists peers, and calls nothing: say what may be called with --allow FUNCTION@PEER`
      : `${name} serves assistants ${input.allow.join(", ")}`
  )
  // An assistant asks for the tools once, at its start, and may not ask again.
  yield* Effect.timeoutOption(gather(node), "2 seconds")
  const bounds = {
    timeout: Option.getOrElse(input.timeout, () => Duration.seconds(60)),
    bytes: Option.getOrElse(input.maxBytes, () => 65_536),
    items: Option.getOrElse(input.maxItems, () => 100)
  }
  // The server ends itself by an interruption when its input ends, and so does what it runs in.
  const serving = yield* Effect.forkChild(
    Layer.launch(Server.stdio({ node, allow, readOnly, generic: input.generic, bounds }))
  )
  const exit = yield* Fiber.await(serving)
  if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) return yield* Effect.failCause(exit.cause)
})
