/** What a server and a page do for each other. */
import { Schema } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"

export const networkId = "web-test"

export class Numbers extends RpcGroup.make(
  Rpc.make("double", { payload: { n: Schema.Int }, success: Schema.Int }),
  Rpc.make("count", { payload: { to: Schema.Int }, success: Schema.Int, stream: true }),
  /** Asks the caller for its title. */
  Rpc.make("callBack", { success: Schema.String })
) {}

export class Page extends RpcGroup.make(
  Rpc.make("title", { success: Schema.String })
) {}
