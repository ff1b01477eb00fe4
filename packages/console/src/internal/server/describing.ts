/** What peers say of their functions. */
import type { CommandNodeService } from "@pnet/core/CommandNode"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type * as Api from "../../ConsoleApi.ts"
import * as Described from "../../Described.ts"
import * as Signature from "../../Signature.ts"
import { cut } from "./cut.ts"
import { isAgents } from "./people.ts"

const patience = 10_000
const mostFunctions = 1_024
/** Characters of one schema, of a documentation, and of all that is given of a peer. */
const mostSchema = 65_536
const mostDescription = 4_000
const mostOfAll = 4_194_304

/** Built into every node, and called by the page itself. */
const everyNode = new Set(["describe", "get_funcs", "get_peers"])

const schemas = ["args", "kwargs", "success", "error"] as const

/** What is given of functions that a peer describes. */
const functionsOf = (described: ReadonlyArray<Described.Description>): ReadonlyArray<Api.Function> => {
  let room = mostOfAll
  return described.slice(0, mostFunctions + everyNode.size).filter(({ name }) =>
    !everyNode.has(name) && !isAgents(name)
  ).map((one) => {
    const kept: Partial<Record<typeof schemas[number], Schema.Json>> = {}
    for (const name of schemas) {
      const schema = one[name]
      const size = schema === undefined ? 0 : JSON.stringify(schema).length
      if (schema === undefined || size > mostSchema || size > room) continue
      room -= size
      kept[name] = schema
    }
    return {
      name: cut(one.name, 255),
      kind: one.kind,
      signature: cut(Signature.signatureOf({ ...one, name: cut(one.name) }), 1_000),
      ...(one.description === undefined ? {} : { description: cut(one.description, mostDescription) }),
      ...kept,
      stream: one.stream === true,
      ...(one.contract === undefined ? {} : { contract: cut(one.contract) })
    }
  })
}

/** The functions of a peer, by its name. */
export const describe = (node: CommandNodeService, name: string) =>
  Effect.map(
    Effect.flatMap(node.target(name, { timeout: patience })("describe"), (answer) =>
      Effect.mapError(Effect.fromOption(Described.read(answer)), () => ({
        _tag: "NotUnderstood",
        message: "what it says of its functions is not to be understood"
      }))),
    functionsOf
  )
