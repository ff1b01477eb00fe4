/**
 * What callers give for a payload, made by the Schema of its rpc before Effect's client has it: that dies of what is none, and says nothing of what is wrong
 * with it.
 *
 * What bites: an issue has paths and what was expected, and never what was found there, which may be a secret.
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcSchema from "effect/rpc/RpcSchema"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as Stream from "effect/Stream"
import { InvalidArgumentsError } from "../../FunctionError.ts"
import type { NodeName } from "../../Packet.ts"

/** What is no payload of the rpc, and why. */
export class Invalid {
  readonly error: Schema.SchemaError
  constructor(issue: SchemaIssue.Issue) {
    this.error = new Schema.SchemaError(issue)
  }
}

export const invalid = (name: string, peer: string | undefined, error: Schema.SchemaError): InvalidArgumentsError =>
  new InvalidArgumentsError({
    ...(peer === undefined ? {} : { peer: peer as NodeName }),
    function: name,
    issue: `payload: ${error.message}`
  })

/** The payload that was meant, with what its Schema fills in. A Schema that breaks is a slip of the program, and a defect. */
export const madeOf = ({ payloadSchema }: Rpc.AnyWithProps, input: unknown): unknown => {
  try {
    return (payloadSchema as unknown as { make(input: unknown): unknown }).make(input)
  } catch (error) {
    const issue = error instanceof Error ? error.cause : undefined
    if (SchemaIssue.isIssue(issue)) return new Invalid(issue)
    throw error
  }
}

const asIs = (value: unknown): unknown => value

// Of an object of its own: what a schema has itself a proxy of it has to give as it is.
const makesNothing = (rpc: Rpc.AnyWithProps): Rpc.AnyWithProps =>
  Object.create(rpc, {
    payloadSchema: {
      value: new Proxy({}, {
        get: (_, key) => key === "make" ? asIs : Reflect.get(rpc.payloadSchema, key) as unknown,
        has: (_, key) => Reflect.has(rpc.payloadSchema, key)
      })
    }
  }) as Rpc.AnyWithProps

const rpcsOf = (group: RpcGroup.RpcGroup<any>): Iterable<Rpc.AnyWithProps> =>
  group.requests.values() as Iterable<unknown> as Iterable<Rpc.AnyWithProps>

/** The group for Effect's client, which takes payloads for made then. */
export const forMade = <Rpcs extends Rpc.Any>(group: RpcGroup.RpcGroup<Rpcs>): RpcGroup.RpcGroup<Rpcs> =>
  ({
    requests: new Map(Array.from(rpcsOf(group), (rpc) => [rpc._tag, makesNothing(rpc)]))
  }) as unknown as RpcGroup.RpcGroup<Rpcs>

interface CallOptions {
  readonly asQueue?: boolean | undefined
  readonly context?: unknown
}

type Method = (payload: unknown, options?: any) => any

/** Has the methods of Effect's client of such a group make their payloads, and fail with what is wrong with them. `peerOf` says whom a call is for. */
export const making = (
  group: RpcGroup.RpcGroup<any>,
  client: object,
  peerOf: (options: any) => string | undefined
): void => {
  for (const rpc of rpcsOf(group)) {
    const call = (client as Record<string, Method>)[rpc._tag]!
    const isStream = RpcSchema.isStreamSchema(rpc.successSchema)
    const value: Method = (payload, options?: CallOptions) => {
      // When it is run, as what the Schema fills in may be another each time.
      const made = <A>(fail: (error: InvalidArgumentsError) => A): A => {
        const value = madeOf(rpc, payload)
        return value instanceof Invalid
          ? fail(invalid(rpc._tag, peerOf(options), value.error))
          : call(value, options) as A
      }
      if (!isStream) return Effect.suspend(() => made(Effect.fail))
      if (options?.asQueue !== true) return Stream.suspend(() => made(Stream.fail))
      return Effect.suspend(() =>
        made((error) =>
          Effect.tap(Queue.unbounded<never, InvalidArgumentsError>(), (queue) => Queue.fail(queue, error))
        )
      )
    }
    Object.defineProperty(client, rpc._tag, { value, enumerable: true, configurable: true, writable: true })
  }
}
