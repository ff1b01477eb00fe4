/** What `pnet functions` does. */
import type { Description } from "@pnet/console/Described"
import { argumentsOf, keywordsOf, signatureOf } from "@pnet/console/Signature"
import * as Effect from "effect/Effect"
import type { functions } from "../commands/functions.ts"
import { describe, noFunction } from "../node/describe.ts"
import { awaitOne } from "../node/find.ts"
import { open } from "../node/open.ts"
import { Output } from "../output/Output.ts"
import type { Shape } from "../output/shapes.ts"
import type { Input } from "../spec.ts"

const shapeOf = (peer: string, described: Description): Shape<"function"> => {
  const { args, contract, description, kind, kwargs, name, stream } = described
  const positional = argumentsOf(args)
  const keywords = keywordsOf(kwargs)
  return {
    peer,
    name,
    kind,
    signature: signatureOf(described),
    ...(description === undefined ? {} : { description }),
    ...(positional === undefined
      ? {}
      : { arguments: kind === "rpc" && keywords.length > 0 ? [] : positional, keywords }),
    ...(args === undefined ? {} : { args }),
    ...(kwargs === undefined ? {} : { kwargs }),
    ...(described.success === undefined ? {} : { success: described.success }),
    ...(described.error === undefined ? {} : { failure: described.error }),
    ...(stream === undefined ? {} : { stream }),
    ...(contract === undefined ? {} : { contract })
  }
}

export const run = Effect.fnUntraced(function*({ names, peer }: Input<typeof functions>) {
  const output = yield* Output
  const opened = yield* open()
  const { node } = opened
  yield* awaitOne(opened, peer)
  const found = yield* output.during(`asking ${peer}`, describe(node, peer, ...names))
  const missing = names.filter((name) => !found.some((one) => one.name === name))
  if (missing.length > 0) {
    return yield* Effect.fail(yield* noFunction(node, peer, missing, "description"))
  }
  const shapes = found.map((one) => shapeOf(peer, one))
  yield* names.length === 1 ? output.value("function", shapes[0]!) : output.rows("function", shapes)
})
