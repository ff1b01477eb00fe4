/** What the nodes of a swarm serve each other, typed, and how a call of each kind may fail. */
import { Command } from "@pnet/core"
import { Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"
import type { Work } from "./plan.ts"

/** The failure of a function that is told to fail. */
export class Told extends Schema.TaggedError<Told>()("Told", { token: Schema.String }) {}

/** The text of the defect of a function that is told to break. */
export const toldToBreak = "told to break"

const OrderSchema = Schema.Struct({
  delay: Schema.Finite,
  way: Schema.Literals(["ok", "fail", "break"]),
  ballast: Schema.Int
})

export const Typed = Command.make("typed", {
  args: [Schema.String, OrderSchema, Schema.String],
  success: Schema.Struct({ token: Schema.String, node: Schema.String, ballast: Schema.String }),
  error: Told
})

export class Group extends RpcGroup.make(
  Rpc.make("ask", {
    payload: { token: Schema.String, order: OrderSchema, ballast: Schema.String },
    success: Schema.String,
    error: Told
  }),
  Rpc.make("count", {
    payload: { token: Schema.String, order: OrderSchema, to: Schema.Int },
    success: Schema.String,
    error: Told,
    stream: true
  })
) {}

const reaching = [
  "PeerUnknownError",
  "NameConflictError",
  "UntrustedPeerError",
  "DialError",
  "ProtocolError",
  "PeerLostError"
]
const raw = [...reaching, "DeadlineError", "NodeClosedError"]
const stream = [...reaching, "NodeClosedError", "StreamResetError", "DeadlineError", "RemoteError"]
const rpc = [
  ...reaching,
  "NodeClosedError",
  "StreamResetError",
  "UnknownFunctionError",
  "RemoteDefectError",
  "DeadlineError",
  "Told"
]
const command = [...rpc, "RemoteError"]

/** The tags of the errors that the type of a call lists. */
export const errorsOf: Record<Work["kind"], ReadonlyArray<string>> = {
  raw,
  "raw all": raw,
  command,
  "command all": command,
  relay: command,
  rpc,
  "rpc all": rpc,
  "rpc stream": rpc,
  stream
}

/** What nobody who keeps the rules is told by another who does. */
export const impossibleCodes: ReadonlySet<string> = new Set([
  "ERR_SECTION_COUNT",
  "ERR_PACKET_TOO_LARGE",
  "ERR_PACKET_TYPE",
  "ERR_ADV_FORMAT",
  "ERR_NETWORK_INCORRECT"
])
