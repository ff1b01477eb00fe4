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
import { compatible } from "./contractCompatible.ts"
import type { Call, Client, RpcError } from "./rpcClientCall.ts"
import * as Wire from "./rpcWire.ts"

export type OpenOptions = Sessions.OpenOptions & { readonly limit: number }

/** The peer has another contract that goes with this one: the call is made again, by that one's hash. */
class Again {
  readonly _tag = "Again"
}
export const isAgain = (error: unknown): boolean => error instanceof Again
const again = (): Effect.Effect<never> => Effect.fail(new Again() as never)

/** What a mismatch comes to: the call is made again, or the two sides do not go together. */
export const disagreement = (call: Call, peer: Peer, body: Uint8Array): Effect.Effect<never, RpcError> => {
  const theirs = Wire.contractOf(body)
  if (theirs === undefined) return Effect.fail(call.disagree(undefined, false, "the peer's answer is malformed"))
  if (Wire.sameHash(theirs.hash, call.hash!) || !compatible(call.wire.contractFor(theirs.contract), theirs.contract)) {
    return Effect.fail(call.disagree(theirs.contract, false))
  }
  call.client.known.adopt(peer, call.name, theirs.hash)
  return again()
}

const resolve = ({ client, to }: Call): Effect.Effect<Peer, RpcError> =>
  Effect.mapError(client.peers.resolveOne(to), (error) => {
    // Where it is known why nobody is there, that says more than that somebody was.
    const told = error._tag !== "PeerUnknownError" || error.conflict !== undefined || error.self === true
    const known = told ? undefined : client.known.met(to)
    return known === undefined ? error : lostBefore(known, "Disconnected")
  })

export const openOptions = (call: Call, millis: number): OpenOptions => {
  const { message } = call
  const traceparent = message.spanId === undefined ? undefined : toTraceparent(message as unknown as Tracer.AnySpan)
  return {
    protocol: Wire.protocol,
    name: call.name,
    deadline: millis === Infinity ? undefined : Duration.millis(millis),
    traceparent,
    // An answer, its kind, and a contract before it.
    limit: call.client.limit + 1 + Wire.maxContract + 5
  }
}

/** What is said before the payload, and the payload; `undefined` where it is too much. */
export const requestOf = (call: Call, payload: Uint8Array, peer: Peer): ReadonlyArray<Uint8Array> | undefined => {
  const { client, message, wire } = call
  const hash = client.known.adopted(peer, call.name) ?? wire.hash()
  call.hash = hash
  const headers = Wire.headersText(message.headers as Headers)
  call.sent = payload.length
  if (payload.length > client.limit || headers !== undefined && headers.length > Wire.maxHeaders) return undefined
  return [
    Wire.requestHead(
      {
        hash,
        window: wire.isStream ? client.window : 0,
        discard: message.discard === true,
        raw: wire.isRaw,
        stream: wire.isStream,
        foreign: wire.foreign,
        headers
      },
      payload.length
    ),
    payload
  ]
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

/** Calls with the peer and the time that is left. */
export const begin = <A>(
  call: Call,
  run: (peer: Peer, options: OpenOptions, request: Uint8Array) => Effect.Effect<A, RpcError>
): Effect.Effect<A, RpcError> => {
  const { client } = call
  return Effect.withFiber((fiber) => {
    const inherited = fiber.getRef(CurrentDeadline)
    const begun = client.timeout === Infinity ? 0 : nowUnsafe(client.clock)
    return Effect.flatMap(Effect.orDie(call.wire.encodePayload(call.message.payload)), (payload) => {
      const once = Effect.flatMap(resolve(call), (peer) => {
        const millis = millisOf(client, inherited, begun)
        const parts = requestOf(call, payload, peer)
        return parts === undefined
          ? Effect.fail(call.tooLarge)
          : run(peer, openOptions(call, millis), concat(parts, parts[0]!.length + payload.length))
      })
      // Not for ever, should the peer have another contract each time.
      const onceMore = <B>(other: Effect.Effect<B, RpcError>) =>
        Effect.catch(once, (error) => isAgain(error) ? other : Effect.fail(error))
      const agreed = onceMore(
        onceMore(Effect.fail(call.disagree(undefined, false, "the peer's contract changes with every call")))
      )
      return patiently(call, () => millisOf(client, inherited, begun), agreed)
    })
  })
}
