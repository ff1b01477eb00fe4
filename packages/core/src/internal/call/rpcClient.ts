/**
 * Calls RPC groups of peers: Effect's own client, over one stream a call. A call is made by `rpcClientRequest`; its answer comes by
 * `rpcClientUnary`, or as a stream by `rpcClientStream`.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import { type FromServer, type Request, RequestId } from "effect/rpc/RpcMessage"
import type * as Scope from "effect/Scope"
import { nowUnsafe } from "../../Deadline.ts"
import type { NodeName } from "../../Packet.ts"
import { Peers } from "../../Peers.ts"
import * as Sessions from "../../Sessions.ts"
import { limitOf } from "../base/bytes.ts"
import { Call, type Client, Meters, type RpcError } from "./rpcClientCall.ts"
import { type CallOptions, Direct, type Make } from "./rpcClientDirect.ts"
import { Known } from "./rpcClientKnown.ts"
import { streaming } from "./rpcClientStream.ts"
import { Unary } from "./rpcClientUnary.ts"
import * as Codec from "./rpcCodec.ts"
import * as Payload from "./rpcPayload.ts"
import * as Wire from "./rpcWire.ts"

export type { RpcError } from "./rpcClientCall.ts"

export interface Options {
  readonly timeout?: Duration.Input | undefined
  readonly window?: number | undefined
  readonly limit?: number | undefined
  readonly spanPrefix?: string | undefined
  readonly spanAttributes?: Readonly<Record<string, unknown>> | undefined
}

/** Which peer a call is for, where a client has several. */
const To: Context.Reference<string | undefined> = Context.Reference("@pnet/core/internal/rpcClient/To", {
  defaultValue: (): string | undefined => undefined
})

/** The context of a call that is for this peer. */
export const addressed = (peer: string, context: Context.Context<never> = Context.empty()): Context.Context<never> =>
  Context.add(context, To, peer)

interface ToOptions {
  readonly context?: Context.Context<never> | undefined
}

const toOf = (options: ToOptions | undefined): string | undefined =>
  Context.get(options?.context ?? Context.empty(), To)

export const clientOf = (
  options: Options,
  write: Client["write"]
): Effect.Effect<Client, never, Sessions.Sessions | Peers> =>
  Effect.gen(function*() {
    const { limit, timeout, window = Wire.defaultWindow } = options
    const clock = yield* Clock.Clock
    return {
      sessions: yield* Sessions.Sessions,
      peers: yield* Peers,
      clock,
      known: new Known(() => nowUnsafe(clock)),
      limit: limitOf(limit, Wire.defaultLimit),
      window: Math.min(255, Math.max(1, window)),
      timeout: timeout === undefined ? Infinity : Duration.toMillis(Duration.fromInputUnsafe(timeout)),
      meters: new Meters(),
      write
    }
  })

/** Whether something of the program's is around each call of a function at its caller. */
const hasMiddleware = (rpc: Rpc.AnyWithProps, context: Context.Context<never>): boolean =>
  [...rpc.middlewares].some(({ key }) => context.mapUnsafe.has(`${key}/Client`))

/** Has the calls of a client that have one answer made directly, where that is all there is to them. */
const directly = (
  group: RpcGroup.RpcGroup<any>,
  client: object,
  direct: Direct,
  codec: Codec.Codec,
  only: string | undefined,
  context: Context.Context<never>
): void => {
  for (const rpc of group.requests.values() as Iterable<unknown> as Iterable<Rpc.AnyWithProps>) {
    const wire = Wire.wireOf(rpc, codec)
    if (wire.isStream || hasMiddleware(rpc, context)) continue
    const otherwise = (client as Record<string, Make>)[rpc._tag]!
    const value: Make = (payload, options?: CallOptions & ToOptions) =>
      direct.calling(wire, only ?? toOf(options)!, payload, options, otherwise)
    Object.defineProperty(client, rpc._tag, { value, enumerable: true, configurable: true, writable: true })
  }
}

export const make = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  only: string | undefined,
  options: Options = {}
): Effect.Effect<
  RpcClient.RpcClient<Rpcs, RpcError>,
  never,
  Rpc.MiddlewareClient<Rpcs> | Sessions.Sessions | Peers | Scope.Scope
> =>
  Effect.gen(function*() {
    const client: Client = yield* clientOf(options, (message): Effect.Effect<void> =>
      made.write(message as FromServer<Rpcs>))
    const codec = yield* Codec.Current
    const unary = new Unary()
    yield* Effect.addFinalizer(() =>
      unary.pending.close
    )
    let lastRequest = 0

    const made = yield* RpcClient.makeNoSerialization<Rpcs, RpcError>(Payload.forMade(group), {
      supportsAck: false,
      generateRequestId: () => RequestId(++lastRequest),
      spanPrefix: options.spanPrefix,
      spanAttributes: { ...(only === undefined ? {} : { "pnet.peer": only }), ...options.spanAttributes },
      onFromClient: ({ context, message }) => {
        if (message._tag !== "Request") {
          return message._tag === "Interrupt" ? unary.pending.interrupt(Number(message.requestId)) : Effect.void
        }
        const rpc = group.requests.get(message.tag)! as unknown as Rpc.AnyWithProps
        const wire = Wire.wireOf(rpc, codec)
        const calling = (to: string) => {
          const call = new Call(client, to as NodeName, wire, message as unknown as Request<Rpc.Any>)
          return wire.isStream ? streaming(call) : unary.run(call)
        }
        if (only !== undefined) return calling(only)
        const to = Context.get(context, To)!
        return Effect.andThen(Effect.annotateCurrentSpan("pnet.peer", to), calling(to))
      }
    })

    Payload.making(group, made.client, (options?: ToOptions) => only ?? toOf(options))
    if (client.timeout === Infinity) {
      const direct = new Direct(client)
      yield* Effect.addFinalizer(() => direct.close)
      directly(group, made.client, direct, codec, only, yield* Effect.context<never>())
    }
    return made.client as RpcClient.RpcClient<Rpcs, RpcError>
  }) as Effect.Effect<RpcClient.RpcClient<Rpcs, RpcError>, never, any>
