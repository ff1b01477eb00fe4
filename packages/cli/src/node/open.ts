/**
 * A node of the settings, for one command: it takes the key of its name, or of the next free number, is told of the network, and says that it leaves
 * when the scope closes.
 */
import * as CommandNode from "@pnet/core/CommandNode"
import type { Crypto } from "@pnet/core/Crypto"
import * as Diagnose from "@pnet/core/Diagnose"
import type { Finding } from "@pnet/core/Finding"
import type { NodeConfig } from "@pnet/core/NodeOptions"
import { NodeName } from "@pnet/core/Packet"
import type { Peers } from "@pnet/core/Peers"
import type { PublicKey } from "@pnet/core/PublicKey"
import * as Trust from "@pnet/core/Trust"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { FileSystem } from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type { Path } from "effect/Path"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Problem } from "../errors.ts"
import type { Machine } from "../machine.ts"
import { Output } from "../output/Output.ts"
import { Settings } from "../settings/Settings.ts"
import { beyond } from "./beyond.ts"
import { bound, noNetwork } from "./bound.ts"
import { followKeys } from "./followKeys.ts"
import { type KeyHeldError, NodeParts, type PartError } from "./NodeParts.ts"
import { place } from "./place.ts"
import { remember } from "./remember.ts"

/** The node, and what was found out on the way. */
export interface Opened {
  readonly node: CommandNode.CommandNodeService
  /** Its name: that of the settings, or a numbered one. */
  readonly name: string
  readonly publicKey: PublicKey
  /** Whether the network has a key. */
  readonly sealed: boolean
  /** Whom it trusts. */
  readonly trust: Trust.Trust["Service"]
  /** Whether that can grant anybody roles or functions: trust on first use alone does not. */
  readonly canGrant: boolean
  /** For what stands beside it, and acts as it. */
  readonly context: Context.Context<NodeConfig | Peers | Crypto | Trust.Trust>
  /** Finds out what is wrong with the machine and the network, with the node's own options. */
  readonly diagnose: Effect.Effect<ReadonlyArray<Finding>, unknown>
}

/** What a node is opened for, besides what the settings say. */
export interface Options extends
  Pick<
    CommandNode.Options<any, any, any, any>,
    "functions" | "commands" | "streams" | "onMessage" | "roles" | "meta" | "grace" | "allow" | "limits"
  >
{
  /**
   * What is done where the name's key is in use: `number` takes the next name that is free, `fail` says who has it. Default: `fail` where the name was
   * given by its flag.
   */
  readonly taken?: "number" | "fail"
}

/** Why there is no node. */
export type OpenError = PartError | Effect.Error<ReturnType<typeof CommandNode.make>>

// So many commands of one user run at once.
const most = 99

const hold = Effect.fnUntraced(function*(name: string, mayNumber: boolean): Effect.fn.Return<
  { readonly name: string; readonly identity: Effect.Success<ReturnType<NodeParts["Service"]["hold"]>> },
  PartError,
  NodeParts | Settings | Scope.Scope
> {
  const parts = yield* NodeParts
  const settings = yield* Settings
  yield* Effect.mapError(Schema.decodeEffect(NodeName)(name), (error) =>
    new Problem({
      exit: "usage",
      what: `${settings.sources.name.where} ${JSON.stringify(name)} is no name of a node: ${
        error.message.replaceAll("\n", " ")
      }`
    }))
  if (!mayNumber) return { name, identity: yield* parts.hold(name, settings, "1 second") }
  for (let number = 1; number <= most; number++) {
    const tried = number === 1 ? name : `${name}-${number}`
    const identity = yield* parts.hold(tried, settings, 0).pipe(
      Effect.catchTag("KeyHeldError", (error: KeyHeldError) => number === most ? Effect.fail(error) : Effect.undefined)
    )
    if (identity !== undefined) return { name: tried, identity }
  }
  return yield* new Problem({ exit: "conflict", what: `all names from ${name} to ${name}-${most} are in use` })
})

/** Starts a node, until the scope closes. */
export const open = Effect.fnUntraced(function*(options: Options = {}): Effect.fn.Return<
  Opened,
  OpenError,
  NodeParts | Settings | Output | Machine | FileSystem | Path | Scope.Scope
> {
  const parts = yield* NodeParts
  const settings = yield* Settings
  const output = yield* Output
  const { sources, values } = settings
  const { taken = sources.name.from === "flag" ? "fail" : "number", ...rest } = options
  const placed = yield* place
  if (sources.networkKey.from === "flag" || sources.networkKey.from === "environment") {
    yield* output.warn(
      `others on this machine may see the network key in ${sources.networkKey.where}; ` +
        "use --network-key-file, --network-key-stdin or --network-key-command"
    )
  }
  const networkKeys = yield* parts.networkKeys(settings)
  const { identity, name } = yield* hold(values.name, taken === "number")
  // Whoever has the network's key was let in by somebody; lists and authorities say themselves who may do what.
  const granting = values.open ||
    networkKeys.length > 0 && values.allowList === undefined && values.authority === undefined
  const machine = yield* beyond(yield* Layer.build(parts.machine))
  const { alone, bindIp } = yield* Effect.provideContext(bound(settings), machine)
  if (alone) yield* output.warn(`${noNetwork.what}; ${noNetwork.remedy}`)
  const trust = yield* Layer.build(Layer.provide(
    granting ? Trust.open(parts.trust(settings)) : parts.trust(settings),
    Layer.succeedContext(machine)
  ))
  const there = { ...placed, ...(networkKeys.length === 0 ? {} : { networkKeys }), bindIp }
  const layer = CommandNode.layerWithConfig({
    ...rest,
    name,
    identity,
    serverPort: values.port,
    ...there
  } as CommandNode.Options).pipe(Layer.provide(Layer.succeedContext(Context.merge(machine, trust))))
  const context = yield* Layer.build(layer)
  const node = Context.get(context, CommandNode.CommandNode)
  if (networkKeys.length > 0) yield* followKeys(node)
  yield* remember(node, values.network)
  return {
    node,
    name,
    publicKey: identity.publicKey,
    sealed: networkKeys.length > 0,
    trust: Context.get(trust, Trust.Trust),
    canGrant: granting || values.allowList !== undefined || values.authority !== undefined,
    context: Context.merge(Context.merge(machine, trust), context),
    // Its own port is in use, by the node itself.
    diagnose: Effect.suspend(() => Diagnose.run({ ...there, serverPort: 0 } as Diagnose.Options)).pipe(
      Effect.provideContext(machine)
    )
  }
})
