/** The service of the processes here: what must not run twice, and what may. */
import { Balance } from "@pnet/core"
import { Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"

export class Work extends RpcGroup.make(
  Rpc.make("work", { payload: { id: Schema.Int }, success: Schema.String }),
  Rpc.make("look", { payload: { id: Schema.Int }, success: Schema.String }).annotate(Balance.Idempotent, true)
) {}
