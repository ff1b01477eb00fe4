/**
 * Where the node of the command is: its network, where it listens and whom it asks, as the settings have it. What the library would refuse is refused here, where
 * it is known which flag, variable or file it came from.
 */
import * as NodeOptions from "@pnet/core/NodeOptions"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Problem } from "../errors.ts"
import { settings } from "../settings/declared.ts"
import { Settings } from "../settings/Settings.ts"

const { advertisePort, bindIp, networkId, peers } = NodeOptions.NodeOptions.fields

type Name = "network" | "bind" | "advertisePort" | "peers"

/** The options of a node that say where it is. */
export const place: Effect.Effect<
  {
    readonly networkId: string
    readonly bindIp: string
    readonly advertisePort: number
    readonly peers: ReadonlyArray<string>
  },
  Problem,
  Settings
> = Effect.gen(function*() {
  const { sources, values } = yield* Settings
  const check = (name: Name, schema: Schema.Decoder<unknown>, value: unknown, shown: unknown = value) => {
    const { give } = settings[name]
    return Effect.mapError(
      Schema.decodeUnknownEffect(schema)(value),
      (error) =>
        new Problem({
          exit: "usage",
          // The first line has what was expected, the next ones where in the options, which is nothing to whoever gave a flag.
          what: `${sources[name].where} ${JSON.stringify(String(shown))} was refused: ${
            error.message.split("\n")[0]!.replace(/^E/, "e")
          }`,
          ...(give === undefined ? {} : { hint: give })
        })
    )
  }
  yield* check("network", networkId, values.network)
  yield* check("bind", bindIp, values.bind)
  yield* check("advertisePort", advertisePort, values.advertisePort)
  for (const one of values.peers) yield* check("peers", peers, [one], one)
  return {
    networkId: values.network,
    bindIp: values.bind,
    advertisePort: values.advertisePort,
    peers: values.peers
  }
})
