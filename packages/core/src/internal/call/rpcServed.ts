/** One function of an RPC group as a node serves it: its handler, its middlewares, its Schemas, and what calls of it have in common. */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Headers from "effect/http/Headers"
import * as References from "effect/References"
import * as Rpc from "effect/rpc/Rpc"
import type { RequestId } from "effect/rpc/RpcMessage"
import type * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import type * as Semaphore from "effect/Semaphore"
import type { Allow } from "../../Allow.ts"
import type * as Balance from "../../Balance.ts"
import { Authenticated, type Caller, CurrentCaller } from "../../Caller.ts"
import type { PublicKey } from "../../PublicKey.ts"
import type { Limiter } from "../balance/limiter.ts"
import * as Given from "../base/given.ts"
import { quote } from "../base/quote.ts"
import * as Seldom from "../base/seldom.ts"
import { watching } from "../base/trace.ts"
import { type CallMeter, meterOf } from "./callMetrics.ts"
import { onCall, telling } from "./onCall.ts"
import * as Codec from "./rpcCodec.ts"
import * as Wire from "./rpcWire.ts"

/** What the requests of a peer may take together: `room` as one comes, all of it given back by `free`. */
export type Memory = (peer: PublicKey) => {
  readonly fits?: (bytes: number) => boolean
  readonly room: (bytes: number) => boolean
  readonly free: () => void
}

export interface Options {
  readonly concurrency?: number | "unbounded" | typeof Balance.Concurrency.Encoded | undefined
  readonly spanPrefix?: string | undefined
  readonly spanAttributes?: Readonly<Record<string, unknown>> | undefined
  readonly limit?: number | undefined
  readonly memory?: Memory | undefined
  readonly allow?: Allow | undefined
}

/** What all functions of a group share. */
export interface Shared {
  readonly clock: Clock.Clock
  readonly services: Context.Context<never>
  readonly lines: Seldom.Lines
  /** The calls that may run at once, where they are bounded. */
  readonly semaphore: Semaphore.Semaphore | undefined
  /** The same, where further calls are refused. */
  readonly limiter: Limiter | undefined
  readonly limit: number
  readonly memory: Memory
}

/** What a handler and its middlewares are told about a call, as in Effect's own server. */
export interface Metadata {
  readonly rpc: Rpc.AnyWithProps
  readonly client: Rpc.ServerClient
  readonly requestId: RequestId
  readonly headers: Headers.Headers
  readonly payload: unknown
}

/** What the calls of one session, or of one command, have in common. */
export interface From {
  readonly caller: Caller["Service"]
  readonly meter: CallMeter
  /** What the handlers of middlewares see, and may annotate. */
  readonly client: Rpc.ServerClient
  /** That of the handlers, with the caller in it. */
  readonly context: Context.Context<never>
  readonly attributes: Record<string, unknown>
}

export interface Served extends Shared {
  readonly rpc: Rpc.AnyWithProps
  readonly wire: Wire.Wire
  /** Who may call it. */
  readonly allow: Allow | undefined
  readonly handler: (payload: unknown, metadata: Metadata) => unknown
  /** The innermost first; `undefined` is pnet's own, which needs no service. */
  readonly middlewares: ReadonlyArray<RpcMiddleware.Any | undefined>
  /** The context of its handler. */
  readonly base: Context.Context<never>
  /** The name of its spans, whether there are any, and whether somebody sees them. */
  readonly span: string
  readonly traced: boolean
  readonly watched: () => boolean
  /** Its handler, in what is said about it. */
  readonly who: () => string
  readonly fromOf: (caller: Caller["Service"]) => From
  /** Says in the log that a call broke. */
  readonly broke: (peer: string, cause: Cause.Cause<unknown>) => Effect.Effect<void>
}

let clients = 0

const serverClients = new WeakMap<object, Rpc.ServerClient>()
const clientOf = (peer: object): Rpc.ServerClient => {
  let client = serverClients.get(peer)
  if (client === undefined) {
    client = new Rpc.ServerClient(clients++)
    serverClients.set(peer, client)
  }
  return client
}

const spanName = (prefix: string | undefined, tag: string) => prefix === undefined ? tag : `${prefix}.${tag}`

export const make = (rpc: Rpc.AnyWithProps, shared: Shared, options: Options): Served => {
  const { lines, services } = shared
  const told = Context.get(services, onCall)
  const entry = Context.getUnsafe(services, { key: rpc.key } as Context.Key<any, any>) as Rpc.Handler<string>
  // Merged once, and not on each call.
  const base = Context.merge(entry.context, services) as Context.Context<never>
  const froms = new WeakMap<object, From>()
  return {
    ...shared,
    rpc,
    allow: options.allow,
    wire: Wire.wireOf(rpc, Context.get(services, Codec.Current)),
    handler: entry.handler as Served["handler"],
    middlewares: [
      ...[...rpc.middlewares].map((service) =>
        service.key === Authenticated.key
          ? undefined
          : Context.getUnsafe(services, service) as RpcMiddleware.Any
      ),
      ...(told === undefined ? [] : [telling(told)])
    ],
    base,
    span: spanName(options.spanPrefix, rpc._tag),
    traced: Context.get(base, References.TracerEnabled),
    watched: watching(base),
    who: Given.titled("the handler of", rpc._tag),
    fromOf: (peer) => {
      let from = froms.get(peer)
      if (from === undefined) {
        from = {
          caller: peer,
          meter: meterOf("in", "rpc", peer.name, rpc._tag),
          client: clientOf(peer),
          context: Context.add(base, CurrentCaller, peer),
          attributes: {
            "rpc.system.name": "effect_rpc",
            "rpc.method": rpc._tag,
            "pnet.peer": peer.name,
            ...options.spanAttributes
          }
        }
        froms.set(peer, from)
      }
      return from
    },
    broke: (peer, cause) => {
      const text = `the call ${quote(rpc._tag)} broke for ${quote(peer)}`
      return lines(Seldom.defect(rpc._tag, cause), rpc._tag, (more) => Effect.logError(text + more, cause))
    }
  }
}
