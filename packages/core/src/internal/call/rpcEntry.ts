/**
 * A function of an RPC group as the callers of commands meet it: one argument, or keyword arguments, and a result that is JSON;
 * the elements of a stream are a list.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import * as Rpc from "effect/rpc/Rpc"
import * as Schema from "effect/Schema"
import type * as Command from "../../Command.ts"
import { CurrentDeadline } from "../../Deadline.ts"
import { RunError } from "../../FunctionError.ts"
import type { Description, Entry } from "../../RpcRegistry.ts"
import { lengthUpTo } from "../wire/json.ts"
import * as Contract from "./contract.ts"
import { objectOf } from "./jsonSchema.ts"
import { jsonContractOf } from "./rpcContract.ts"
import { execute, type Incoming } from "./rpcExecute.ts"
import type { From, Served } from "./rpcServed.ts"
import * as Wire from "./rpcWire.ts"

const invalid = (description: string) => new RunError({ code: "invalid_arguments", description })

const notJson = (error: Schema.SchemaError) =>
  new RunError({ code: "not_json", description: `its result is not what its Schema says: ${error.message}` })

const jsonCodec = (schema: Schema.Top) => Schema.toCodecJson(schema) as unknown as Schema.Codec<unknown, Schema.Json>

/** What a list of functions says about it. */
const descriptionOf = ({ rpc, wire }: Served): Description => {
  const contract = jsonContractOf(rpc) as Record<string, Schema.Json>
  const payload = objectOf(contract["payload"]) ?? {}
  const takesNothing = payload["type"] === "null"
  // References are to what stands at the root of a schema.
  const { $defs, ...own } = payload
  const definitions = $defs === undefined ? {} : { $defs }
  return {
    name: rpc._tag,
    kind: "rpc",
    args: takesNothing
      ? { type: "array", maxItems: 0 }
      : { type: "array", prefixItems: [own], maxItems: 1, ...definitions },
    ...(takesNothing
      ? { kwargs: { type: "object", maxProperties: 0 } }
      : ["object", undefined].includes(payload["type"] as string | undefined)
      ? { kwargs: payload }
      : {}),
    success: contract["success"]!,
    error: contract["error"]!,
    stream: wire.isStream,
    contract: Contract.hashOf(contract)
  }
}

/** The payload that the arguments of a command are. */
const payloadOf = ({ rpc }: Served) => {
  const decode = Schema.decodeUnknownEffect(jsonCodec(rpc.payloadSchema))
  return (
    args: ReadonlyArray<unknown>,
    kwargs: Command.Call["kwargs"]
  ): Effect.Effect<unknown, RunError, unknown> => {
    if (args.length > 1) {
      return Effect.fail(invalid(`${JSON.stringify(rpc._tag)} takes one argument, or keyword arguments`))
    }
    if (args.length === 1) {
      return Effect.mapError(decode(args[0] === undefined ? null : args[0]), (error) => invalid(error.message))
    }
    return Effect.catch(
      decode(kwargs),
      (error) =>
        // What takes nothing is given nothing.
        Object.keys(kwargs).length > 0
          ? Effect.fail(invalid(error.message))
          : Effect.mapError(decode(null), () => invalid(error.message))
    )
  }
}

/** Values of a result, encoded one after another, with as much room as one answer has. */
class Results {
  /** The elements of a stream. */
  readonly elements: Array<Schema.Json> = []
  /** What an element failed with, which interrupts its handler. */
  failure: RunError | undefined
  #length = 2
  readonly #limit: number
  readonly #encode: (value: unknown) => Effect.Effect<Schema.Json, Schema.SchemaError>

  constructor(limit: number, encode: (value: unknown) => Effect.Effect<Schema.Json, Schema.SchemaError>) {
    this.#limit = limit
    this.#encode = encode
  }

  take(value: unknown): Effect.Effect<Schema.Json, RunError> {
    return Effect.flatMap(Effect.mapError(this.#encode(value), notJson), (json) => {
      this.#length += lengthUpTo(json, this.#limit) + 1
      return this.#length > this.#limit
        ? Effect.fail(new RunError({ code: "too_large", description: `its result is over ${this.#limit} bytes` }))
        : Effect.succeed(json)
    })
  }

  takeAll(values: ReadonlyArray<unknown>): Effect.Effect<void> {
    return Effect.catch(
      Effect.forEach(values, (value) => Effect.map(this.take(value), (json) => this.elements.push(json)), {
        discard: true
      }),
      (error) => {
        this.failure = error
        return Effect.interrupt
      }
    )
  }
}

/** A call of a command as one of the function's. */
const incoming = (
  call: Command.Call,
  from: From,
  payload: unknown,
  deadline: number | undefined,
  results: Results
): Incoming => ({
  payload,
  headers: Headers.empty,
  from,
  deadline,
  // The command has a span already.
  span: (effect) => Effect.withParentSpan(effect, call.span, { captureStackTrace: false }),
  discard: false,
  expired: () => Effect.void,
  acknowledge: () => Effect.void,
  onChunk: (values) => results.takeAll(values),
  onExit: () => Effect.void
})

export const entryOf = (served: Served): Entry => {
  const { base, fromOf, limit, rpc, wire } = served
  const success = wire.isStream ? (rpc.successSchema as any).success as Schema.Top : rpc.successSchema
  const encodeSuccess = Schema.encodeUnknownEffect(jsonCodec(success))
  const encodeError = Schema.encodeUnknownEffect(jsonCodec(Rpc.exitSchema(rpc as Rpc.Any).error as Schema.Top))
  const payload = payloadOf(served)
  // Hashed once, however often a peer asks.
  let description: Description | undefined

  /** The failure of a call, as the caller of a command has it. */
  const failed = (cause: Cause.Cause<unknown>): Effect.Effect<never, RunError> => {
    const failures = Wire.failuresOf(cause)
    if (failures === undefined) return Effect.failCause(cause as Cause.Cause<never>)
    const error = failures.reasons.find(Cause.isFailReason)!.error
    return Effect.flatMap(Effect.mapError(encodeError(error), notJson), (encoded) =>
      Effect.fail(
        new RunError({
          code: "failed",
          description: error instanceof Error ? error.message.slice(0, 1_024) : "",
          error: encoded
        })
      ))
  }

  return {
    name: rpc._tag,
    allow: served.allow,
    describe: () => description ??= descriptionOf(served),
    run: (call, args) => {
      const results = new Results(limit, encodeSuccess)
      const run = (payload: unknown): Effect.Effect<Schema.Json, RunError> =>
        Effect.withFiber((fiber) =>
          Effect.matchCauseEffect(
            execute(served, incoming(call, fromOf(call.from), payload, fiber.getRef(CurrentDeadline), results)),
            {
              onSuccess: (value) => wire.isStream ? Effect.succeed(results.elements) : results.take(value),
              onFailure: (cause) => results.failure === undefined ? failed(cause) : Effect.fail(results.failure)
            }
          )
        )
      return Effect.flatMap(Effect.provideContext(payload(args, call.kwargs), base), run) as Effect.Effect<
        Schema.Json,
        RunError
      >
    }
  }
}
