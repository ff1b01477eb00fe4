/**
 * Who calls: the peer at the other end of the session, as its handshake proved it.
 *
 * A handler has it in two ways. An RPC group with the middleware `Authenticated` has `Caller` as a service, so that the types say
 * that a handler is run for a peer and nobody else:
 *
 * ```ts
 * class Files extends RpcGroup.make(
 *   Rpc.make("remove", { payload: { path: Schema.String } })
 * ).middleware(Authenticated) {}
 *
 * const handlers = Files.toLayer({
 *   remove: ({ path }) => Effect.flatMap(Caller, ({ name }) => removeFor(name, path))
 * })
 * ```
 *
 * Any other handler may read `CurrentCaller`, which is `undefined` where nobody calls.
 *
 * What bites: a name is what the trust policy says it is. Under `AnyTrust.layer` everyone may have any; decide by `publicKey`,
 * or use a policy that pins names to keys, as the default does.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import type { NodeName } from "./Packet.ts"
import type { PublicKey } from "./PublicKey.ts"

/**
 * The peer that calls.
 *
 * @category services
 * @since 0.1.0
 */
export class Caller extends Context.Service<Caller, {
  readonly name: NodeName
  readonly publicKey: PublicKey
}>()("@pnet/core/Caller") {}

/**
 * The middleware that gives the handlers of a group their `Caller`. Whoever serves a group to peers provides it; where a
 * group is served in another way, provide one of your own.
 *
 * @category middleware
 * @since 0.1.0
 */
export class Authenticated
  extends RpcMiddleware.Service<Authenticated, { provides: Caller }>()("@pnet/core/Caller/Authenticated")
{}

/**
 * The peer whose call is being handled; `undefined` outside of the handler of a peer's call.
 *
 * @category references
 * @since 0.1.0
 */
export const CurrentCaller: Context.Reference<Caller["Service"] | undefined> = Context.Reference(
  "@pnet/core/Caller/CurrentCaller",
  { defaultValue: (): Caller["Service"] | undefined => undefined }
)
