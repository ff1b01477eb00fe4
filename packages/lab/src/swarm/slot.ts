/** A place for a node: what stays of it when it is started anew, and the node that runs there now. */
import type { CommandNode, Crypto, NetworkKeys, Peers, RpcRegistry, Sessions } from "@pnet/core"
import type { SimNetwork } from "@pnet/testing"
import type { Context, Scope } from "effect"
import type { NodeSpec } from "./plan.ts"
import type { Policy } from "./policy.ts"

export type Services =
  | CommandNode.CommandNode
  | Sessions.Sessions
  | Peers.Peers
  | RpcRegistry.RpcRegistry

export interface Running {
  readonly node: CommandNode.CommandNode["Service"]
  readonly sessions: Sessions.Sessions["Service"]
  readonly process: SimNetwork.Process<Services>
  /** The node's own scope, within its process. */
  readonly scope: Scope.Closeable
  /** What its own fibers run in. */
  readonly context: Context.Context<never>
  readonly fibers: { readonly count: number }
  /** Calls that it has made and that have not ended. */
  calls: number
}

export interface Slot extends Policy {
  readonly name: string
  readonly index: number
  readonly host: SimNetwork.Host
  readonly spec: NodeSpec
  readonly stranger: boolean
  /** One for each of its LANs. */
  readonly addresses: ReadonlyArray<string>
  identity: Crypto.KeyPair
  readonly keys: NetworkKeys.NetworkKeys["Service"]
  running: Running | undefined
  /** A fault is at work on it, and another has to wait for its turn, which it does not get. */
  busy: boolean
  frozen: boolean
  /** When it was frozen last, or its policy changed. */
  thawedAt: number
  changedAt: number
}

/** Milliseconds that a change of a policy may take to have its effect. */
export const changeGrace = 100
