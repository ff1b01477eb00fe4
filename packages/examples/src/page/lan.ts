/** What the server does for its pages: it tells them of the nodes of the LAN, and calls them. */
import { Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"

export const Node = Schema.Struct({ name: Schema.String, functions: Schema.Array(Schema.String) })

export class Lan extends RpcGroup.make(
  /** All that are there, again each time that somebody comes or goes. */
  Rpc.make("nodes", { success: Schema.Array(Node), stream: true }),
  /** Calls a function of a node by its name, with arguments as JSON, and gives what it answers, as JSON. */
  Rpc.make("call", {
    payload: { node: Schema.String, name: Schema.String, args: Schema.String },
    success: Schema.String,
    error: Schema.String
  })
) {}
