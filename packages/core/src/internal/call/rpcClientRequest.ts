/**
 * How a call is made: to the peer of the name, in the time that it has, by a contract that both sides know, and again where that
 * is sure to be right: the peer had no room for it, or has another contract that goes with this side's.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Headers } from "effect/http/Headers"
import type * as Tracer from "effect/Tracer"
import { CurrentDeadline, nowUnsafe } from "../../Deadline.ts"
import type { Peer } from "../../Peers.ts"
import type * as Sessions from "../../Sessions.ts"
import { concat } from "../base/bytes.ts"
import { toTraceparent } from "../base/trace.ts"
import { lostBefore } from "../peers/lostBefore.ts"
import { isRefused, refusedRetries } from "../session/refused.ts"
import { isObject } from "../wire/json.ts"
import { compatible } from "./contractCompatible.ts"
import type { Call, Client, RpcError } from "./rpcClientCall.ts"
import { invalid } from "./rpcPayload.ts"
import * as Wire from "./rpcWire.ts"

export type OpenOptions = Sessions.OpenOptions & { readonly limit: number }

/** The peer has another contract that goes with this one: the call is made again, by that one's hash. */
class Again {
  readonly _tag = "Again"
}
export const isAgain = (error: unknown): boolean => error instanceof Again
const again = (): Effect.Effect<never> => Effect.fail(new Again() as never)

/** What a mismatch comes to: the call is made again, or the two sides do not go together. */
export const disagreement = (call: Call, peer: Peer, body: unknown): Effect.Effect<never, RpcError> => {
  const { client, wire } = call
  const theirs = wire.form.mismatch(body)
  if (theirs === undefined) return Effect.fail(call.disagree(undefined, false, "the peer's answer is malformed"))
  const { contract, description, hash } = theirs
  const mine = wire.contractFor(contract)
  const fails = () => call.disagree(contract, false, description)
  // One writes other bytes than the other reads, whatever the Schemas are: JSON is the same for both.
  if (!call.json && mine["form"] !== formOf(contract)) {
    call.disagreed = fails()
    if (!call.mayChangeForm) return Effect.fail(call.disagreed)
    client.known.adopt(peer, call.name, { json: true, hash: undefined })
    return again()
  }
  if (hash === undefined || Wire.sameHash(hash, call.hash!) || !compatible(mine, contract)) return Effect.fail(fails())
  return call.adopt(peer, hash)
    ? again()
    : Effect.fail(call.disagree(undefined, false, "the peer's contract changes with every call"))
}

const formOf = (contract: unknown): unknown => isObject(contract) ? contract["form"] : undefined

/** A stream's failure, as what became of the call. What the peer does not speak may be tried in the other form. */
export const failed = (
  call: Call,
  peer: Peer,
  error: Sessions.OpenError | Sessions.StreamError
): Effect.Effect<never, RpcError> => {
  if (error._tag !== "StreamResetError" || error.code !== "unsupported" || !error.remote || call.heard) {
    return Effect.fail(call.mapError(error))
  }
  const { known } = call.client
  if (call.json) known.forget(peer, call.name)
  // It speaks bytes, and other ones.
  if (call.disagreed !== undefined) return Effect.fail(call.disagreed)
  if (!call.mayChangeForm) return Effect.fail(call.mapError(error))
  if (!call.json) known.adopt(peer, call.name, { json: true, hash: undefined })
  return again()
}

const resolve = ({ at, client, to }: Call): Effect.Effect<Peer, RpcError> =>
  at !== undefined ? Effect.succeed(at) : Effect.mapError(client.peers.resolveOne(to), (error) => {
    // Where it is known why nobody is there, that says more than that somebody was.
    const told = error._tag !== "PeerUnknownError" || error.conflict !== undefined || error.self === true
    const known = told ? undefined : client.known.met(to)
    return known === undefined ? error : lostBefore(known, "Disconnected")
  })

export const openOptions = (call: Call, millis: number): OpenOptions => {
  const { message } = call
  const traceparent = message.spanId === undefined ? undefined : toTraceparent(message as unknown as Tracer.AnySpan)
  return {
    protocol: call.wire.form.protocol,
    name: call.name,
    deadline: millis === Infinity ? undefined : Duration.millis(millis),
    traceparent,
    limit: call.client.limit + call.wire.form.room
  }
}

/** A request with its payload, as its form and contract have it; `undefined` where it is too much. */
export const requestOf = (call: Call, payload: Uint8Array): ReadonlyArray<Uint8Array> | undefined => {
  const { client, message, wire } = call
  const headers = Wire.headersText(message.headers as Headers)
  call.sent = payload.length
  if (payload.length > client.limit || headers !== undefined && headers.length > Wire.maxHeaders) return undefined
  return wire.form.request(
    {
      hash: call.hash!,
      window: wire.isStream ? client.window : 0,
      discard: message.discard === true,
      raw: wire.isRaw,
      stream: wire.isStream,
      foreign: wire.foreign,
      headers
    },
    payload
  )
}

/** What is left of the time that the call may take: its client's and that of the work it is part of. */
const millisOf = ({ clock, timeout }: Client, inherited: number | undefined, begun: number): number =>
  Math.min(timeout, inherited === undefined ? Infinity : inherited - nowUnsafe(clock)) -
  (timeout === Infinity ? 0 : nowUnsafe(clock) - begun)

/**
 * Does it again while the peer has no room, which is known not to have run it. `left` is the time that there is for it: what is
 * done keeps to that by itself, and the waits in between have to.
 */
const patiently = <A>(
  call: Call,
  left: () => number,
  once: Effect.Effect<A, RpcError>
): Effect.Effect<A, RpcError> => {
  const refused = (error: RpcError) => !call.heard && isRefused(error)
  return Effect.catch(once, (error) => {
    if (!refused(error)) return Effect.fail(error)
    const retried = Effect.retry(once, { while: refused, schedule: refusedRetries })
    const duration = left()
    return duration === Infinity
      ? retried
      : Effect.timeoutOrElse(retried, { duration: Math.max(0, duration), orElse: () => Effect.fail(call.late) })
  })
}

/** The payload as it travels: one that its Schema makes it may not encode. */
const encoded = ({ message, name, wire }: Call, peer: Peer): Effect.Effect<Uint8Array, RpcError> =>
  Effect.mapError(wire.encodePayload(message.payload), (error) => invalid(name, peer.name, error))

/** Calls with the peer and the time that is left. */
export const begin = <A>(
  call: Call,
  run: (peer: Peer, options: OpenOptions, request: Uint8Array) => Effect.Effect<A, RpcError>
): Effect.Effect<A, RpcError> => {
  const { client } = call
  return Effect.withFiber((fiber) => {
    const inherited = fiber.getRef(CurrentDeadline)
    const begun = client.timeout === Infinity ? 0 : nowUnsafe(client.clock)
    const once = Effect.flatMap(resolve(call), (peer) => {
      call.use(client.known.way(peer, call.name, call.untried))
      return Effect.flatMap(encoded(call, peer), (payload) => {
        const millis = millisOf(client, inherited, begun)
        const parts = requestOf(call, payload)
        return parts === undefined
          ? Effect.fail(call.tooLarge)
          : run(peer, openOptions(call, millis), concat(parts))
      })
    })
    // Not for ever: in each form once, and once more by the contract that the peer has said it has.
    const agreed: Effect.Effect<A, RpcError> = Effect.catch(
      once,
      (error) => isAgain(error) ? agreed : Effect.fail(error)
    )
    return call.at !== undefined ? agreed : patiently(call, () => millisOf(client, inherited, begun), agreed)
  })
}
