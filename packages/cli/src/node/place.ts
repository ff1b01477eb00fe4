/**
 * Where the node of the command is: its network, where it listens and whom it asks, as the settings have it. What the library would refuse is refused here, where
 * it is known which flag, variable or file it came from.
 */
import * as NodeOptions from "@pnet/core/NodeOptions"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Problem } from "../errors.ts"
import { Settings } from "../settings/Settings.ts"

const { advertisePort, bindIp, networkId, peers } = NodeOptions.NodeOptions.fields

type Name = "network" | "bind" | "advertisePort" | "peers"

/** What to give instead. */
const such: { readonly [_ in Name]: string } = {
  network: "give a short name, the same on all machines of the network",
  bind:
    "give 0.0.0.0 for every network, 127.0.0.1 for this machine alone, or the address of one of this machine's interfaces",
  advertisePort: "give a port of UDP that is the same on the whole network, such as 3334",
  peers: "give addresses or names of hosts, each with a port, such as 192.168.1.7:4000,[fd00::7]:4000,bob.local:4000"
}

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
  const check = (name: Name, schema: Schema.Decoder<unknown>, value: unknown, shown: unknown = value) =>
    Effect.mapError(
      Schema.decodeUnknownEffect(schema)(value),
      (error) =>
        new Problem({
          exit: "usage",
          // The first line has what was expected, the next ones where in the options, which is nothing to whoever gave a flag.
          what: `${sources[name].where} ${JSON.stringify(String(shown))} was refused: ${
            error.message.split("\n")[0]!.replace(/^E/, "e")
          }`,
          hint: such[name]
        })
    )
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
