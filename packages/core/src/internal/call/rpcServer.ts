/**
 * Runs the handlers of RPC groups for peers: one stream, one fiber, one scope a call.
 *
 * It does what Effect's `RpcServer.makeNoSerialization` does, without its tables of clients and requests: a stream already says
 * whose call it is and when it is given up.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Headers from "effect/http/Headers"
import * as Queue from "effect/Queue"
import * as References from "effect/References"
import * as Rpc from "effect/rpc/Rpc"
import type * as RpcGroup from "effect/rpc/RpcGroup"
import { RequestId } from "effect/rpc/RpcMessage"
import type * as RpcMiddleware from "effect/rpc/RpcMiddleware"
import * as RpcSchema from "effect/rpc/RpcSchema"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Tracer from "effect/Tracer"
import { Authenticated, Caller, CurrentCaller } from "../../Caller.ts"
import type * as Command from "../../Command.ts"
import { CurrentDeadline, nowUnsafe } from "../../Deadline.ts"
import { type DuplicateFunctionError, RunError } from "../../FunctionError.ts"
import type { PublicKey } from "../../PublicKey.ts"
import { type Description, type Entry, RpcRegistry } from "../../RpcRegistry.ts"
import { Sessions, type SessionStream } from "../../Sessions.ts"
import * as Given from "../base/given.ts"
import { keptAlive, Pieces } from "../base/pieces.ts"
import { quote } from "../base/quote.ts"
import * as Seldom from "../base/seldom.ts"
import { fromTraceparent } from "../base/trace.ts"
import type { SessionStream as InternalStream } from "../session/sessionStream.ts"
import { lengthUpTo, weightOf } from "../wire/json.ts"
import { type CallMeter, meterOf } from "./callMetrics.ts"
import * as Contract from "./contract.ts"
import * as Wire from "./rpcWire.ts"

export interface Options {
  readonly concurrency?: number | "unbounded" | undefined
  readonly spanPrefix?: string | undefined
  readonly spanAttributes?: Readonly<Record<string, unknown>> | undefined
  readonly limit?: number | undefined
  readonly memory?: Memory | undefined
}

/** What the requests of a peer may take together: `room` as one comes, all of it given back by `free`. */
export type Memory = (peer: PublicKey) => {
  readonly fits?: (bytes: number) => boolean
  readonly room: (bytes: number) => boolean
  readonly free: () => void
}

const plenty: Memory = () => ({ room: () => true, free: () => {} })

/** What is so short is read, and answered, in one step. */
const atOnce = 65_536

/** What is made of fewer bytes is not weighed: no byte makes much more than a hundred. */
const few = 1_024

const nothing = Effect.succeed(new Uint8Array(0))

type Handler = (payload: unknown, metadata: Metadata) => unknown

interface Metadata {
  readonly rpc: Rpc.AnyWithProps
  readonly client: Rpc.ServerClient
  readonly requestId: RequestId
  readonly headers: Headers.Headers
  readonly payload: unknown
}

/** One call, from wherever it came. */
interface Incoming {
  readonly payload: unknown
  readonly headers: Headers.Headers
  readonly from: From
  /** By the monotonic clock. */
  readonly deadline: number | undefined
  /** Whether the caller waits for no more than that the call runs. */
  readonly discard: boolean
  /** Runs the handler's effect in a span. */
  span(effect: Effect.Effect<unknown, unknown>): Effect.Effect<unknown, unknown>
  /** Says that its time was up before it could run. */
  expired(): Effect.Effect<void>
  /** Says that it runs, to a caller who waits for no more. */
  acknowledge(): Effect.Effect<void>
  /** Takes the elements of a stream. */
  onChunk(values: NonEmptyReadonlyArray<unknown>): Effect.Effect<void>
  /** Takes the result, in the handler's span. */
  onExit(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void>
}

/** What the calls of one session, or of one command, have in common. */
interface From {
  readonly caller: Caller["Service"]
  readonly meter: CallMeter
  /** What the handlers of middlewares see, and may annotate. */
  readonly client: Rpc.ServerClient
  /** That of the handlers, with the caller in it. */
  readonly context: Context.Context<never>
  readonly attributes: Record<string, unknown>
}

let requests = 0
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

const ownMiddleware = (caller: Caller["Service"]): RpcMiddleware.Any => (effect) =>
  Effect.provideService(effect, Caller, caller)

const spanName = (prefix: string | undefined, tag: string) => prefix === undefined ? tag : `${prefix}.${tag}`

/** The effect that feeds the elements of what a streaming handler gave to `onChunk`. */
const drain = (
  given: unknown,
  onChunk: (values: NonEmptyReadonlyArray<unknown>) => Effect.Effect<void>,
  who: () => string
): Effect.Effect<unknown, unknown> =>
  Given.isEffect(given)
    ? Effect.scoped(
      Effect.flatMap(
        given as Effect.Effect<Queue.Dequeue<unknown, unknown>, unknown>,
        (queue) => Given.untilEnd(Queue.takeAll(queue), onChunk)
      )
    )
    : Given.isStream(given)
    ? Given.forEachArray(given, onChunk)
    : Given.mistaken(who(), Given.describe(given), "a Stream, or an Effect of a queue")

/** What a handler gave with options of Effect's own. Its mark is a key that JSON can carry, and what is inside of it is not. */
const wrapperOf = (given: unknown): Rpc.Wrapper<unknown> | undefined => {
  if (typeof given !== "object" || given === null || !Rpc.isWrapper(given)) return undefined
  const { value } = given
  return Given.isEffect(value) || Given.isStream(value) ? given : undefined
}

export const serve = <Rpcs extends Rpc.Any>(
  group: RpcGroup.RpcGroup<Rpcs>,
  options: Options = {}
): Effect.Effect<
  void,
  DuplicateFunctionError,
  | Rpc.ToHandler<Rpcs>
  | Exclude<Rpc.Middleware<Rpcs>, Authenticated>
  | Rpc.ServicesServer<Rpcs>
  | Sessions
  | RpcRegistry
  | Scope.Scope
> =>
  Effect.gen(function*() {
    const sessions = yield* Sessions
    const registry = yield* RpcRegistry
    const clock = yield* Clock.Clock
    const services = Context.omit(Tracer.ParentSpan)(yield* Effect.context<never>()) as Context.Context<never>
    const lines = Seldom.lines(clock)
    const limit = options.limit ?? Wire.defaultLimit
    const memory = options.memory ?? plenty
    const { concurrency = "unbounded" } = options
    const semaphore = concurrency === "unbounded" ? undefined : yield* Semaphore.make(concurrency)

    const serveOne = (rpc: Rpc.AnyWithProps) => {
      const entry = Context.getUnsafe(services, { key: rpc.key } as Context.Key<any, any>) as Rpc.Handler<string>
      const handlerOf = entry.handler as Handler
      // Merged once, and not on each call.
      const base = Context.merge(entry.context, services)
      const middlewares = [...rpc.middlewares].map((service) =>
        service.key === Authenticated.key
          ? undefined
          : Context.getUnsafe(services, service) as RpcMiddleware.Any
      )
      const wire = Wire.wireOf(rpc)
      const traced = Context.get(base, References.TracerEnabled)
      const name = spanName(options.spanPrefix, rpc._tag)
      const who = Given.titled("the handler of", rpc._tag)

      const froms = new WeakMap<object, From>()
      const fromOf = (peer: Caller["Service"]): From => {
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
      }

      const withMiddlewares = (
        handler: Effect.Effect<unknown, unknown>,
        caller: Caller["Service"],
        metadata: Metadata
      ) => {
        let whole = handler as Effect.Effect<any, any>
        for (const middleware of middlewares) {
          try {
            const given: unknown = (middleware ?? ownMiddleware(caller))(whole, metadata)
            // Not a value either: what it gives in place of the handler's Effect might let a call through that it should not.
            whole = Given.isEffect(given)
              ? given
              : Given.mistaken(`a middleware of ${quote(rpc._tag)}`, Given.describe(given), "an Effect")
          } catch (defect) {
            whole = Effect.die(defect)
          }
        }
        return whole as Effect.Effect<unknown, unknown>
      }

      const execute = (call: Incoming): Effect.Effect<unknown, unknown> => {
        const { deadline, from } = call
        const metadata: Metadata = {
          rpc,
          client: from.client,
          requestId: RequestId(requests++),
          headers: call.headers,
          payload: call.payload
        }
        let given: unknown
        // What throws while it is made is neither streamed nor acknowledged.
        let broken = false
        try {
          given = handlerOf(call.payload, metadata)
        } catch (defect) {
          given = Given.thrown(defect)
          broken = true
        }
        const wrapper = wrapperOf(given)
        const value = wrapper === undefined ? given : wrapper.value
        let failedWrite: Cause.Cause<never> | undefined
        let handler = (wire.isStream && !broken
          ? drain(value, (values) =>
            Effect.onError(call.onChunk(values), (cause) => {
              failedWrite = cause
              return Effect.void
            }), who)
          : Given.effectOf(value, who)) as Effect.Effect<unknown, unknown>
        if (call.discard && !broken) handler = Effect.andThen(Effect.suspend(() => call.acknowledge()), handler)
        if (middlewares.length > 0) {
          handler = withMiddlewares(handler, from.caller, metadata)
          if (wire.isStream) {
            // A middleware may have made something else of it.
            handler = Effect.flatMap(
              Effect.exit(handler),
              (exit) => failedWrite === undefined ? exit : Effect.failCause(failedWrite)
            )
          }
        }
        if (deadline !== undefined) {
          // It may have waited for its turn, or for a busy process.
          const inTime = handler
          handler = Effect.suspend(() =>
            nowUnsafe(clock) < deadline ? inTime : Effect.andThen(call.expired(), Effect.interrupt)
          )
        }
        const scope = Scope.makeUnsafe()
        let deferred: Deferred.Deferred<unknown, unknown> | undefined
        const handled = call.span(Effect.onExit(handler, (exit) => {
          let answered: Effect.Effect<void>
          if (exit._tag === "Success" && Given.isDeferred(exit.value)) {
            deferred = exit.value as Deferred.Deferred<unknown, unknown>
            answered = Effect.void
          } else {
            answered = call.onExit(exit)
          }
          const close = Scope.closeUnsafe(scope, exit)
          return close === undefined ? answered : Effect.ensuring(answered, close)
        }))
        let effect = handled
        if (semaphore !== undefined && wrapper?.fork !== true) {
          // Given back with the scope, which closes whatever becomes of the handler.
          effect = Effect.flatMap(semaphore.takeScoped(1).pipe(Scope.provide(scope)), () => handled)
        }
        if (wrapper?.uninterruptible === true) effect = Effect.uninterruptible(effect)
        let context: Context.Context<any> = Context.add(from.context, Scope.Scope, scope)
        if (deadline !== undefined) context = Context.add(context, CurrentDeadline, deadline)
        const settled = Effect.flatMap(effect, (result) =>
          deferred === undefined
            ? Effect.succeed(result)
            : Effect.onExit(Deferred.await(deferred), (exit) => call.onExit(exit)))
        return Effect.withFiber((fiber) => {
          Given.closeWith(fiber, scope)
          return Effect.updateContext(settled, () => context as Context.Context<never>)
        })
      }

      const broke = (peer: string, cause: Cause.Cause<unknown>) => {
        const text = `the call ${quote(rpc._tag)} broke for ${quote(peer)}`
        return lines(Seldom.defect(rpc._tag, cause), rpc._tag, (more) => Effect.logError(text + more, cause))
      }

      // --- streams -----------------------------------------------------------------------------------------------------

      /** Writes elements in chunks as the caller grants them. */
      const chunks = (stream: InternalStream, window: number, raw: boolean, sent: (bytes: number) => void) => {
        let left = window
        // Who is gone interrupts the handler; until then there is nothing to be done.
        const written = (parts: ReadonlyArray<Uint8Array>) => {
          for (const part of parts) sent(part.length)
          return Effect.catch(stream.writeAll(parts), () => Effect.interrupt)
        }
        const granted: Effect.Effect<void> = Effect.suspend(() =>
          left > 0 ? Effect.void : Effect.matchEffect(stream.pull, {
            onSuccess: (parts) => {
              for (const part of parts) for (const chunks of part) left += chunks
              return granted
            },
            onFailure: (error) =>
              Cause.isDone(error)
                ? Effect.andThen(stream.reset("cancelled", "it grants no more chunks"), Effect.interrupt)
                : Effect.interrupt
          })
        )
        const tooLarge = Effect.andThen(
          stream.reset("too_large", `an element is over ${limit} bytes`),
          Effect.interrupt
        )

        const sendRaw = (values: ReadonlyArray<Uint8Array>): Effect.Effect<void> =>
          Effect.gen(function*() {
            let at = 0
            while (at < values.length) {
              let length = 0
              let end = at
              while (end < values.length && (end === at || length + 4 + values[end]!.length <= Wire.chunkBytes)) {
                length += 4 + values[end]!.length
                end++
              }
              if (length > limit) return yield* tooLarge
              yield* granted
              left--
              const parts = [Wire.header(Wire.Kind.raw, length)]
              for (; at < end; at++) parts.push(Wire.lengthOf(values[at]!.length), values[at]!)
              yield* written(parts)
            }
          })

        const send = (values: ReadonlyArray<unknown>): Effect.Effect<void> =>
          Effect.flatMap(
            Effect.catch(wire.encodeChunk(values), (error) => Effect.die(error)),
            (bytes) => {
              if (values.length > 1 && (bytes.length > Wire.chunkBytes || bytes.length > limit)) {
                const half = values.length >> 1
                return Effect.andThen(send(values.slice(0, half)), Effect.suspend(() => send(values.slice(half))))
              }
              if (bytes.length > limit) return tooLarge
              return Effect.andThen(
                granted,
                Effect.suspend(() => {
                  left--
                  return written([Wire.header(Wire.Kind.chunk, bytes.length), bytes])
                })
              )
            }
          )
        return raw ? sendRaw as (values: NonEmptyReadonlyArray<any>) => Effect.Effect<void> : send
      }

      /** A call of a peer, in its stream. */
      class StreamCall implements Incoming {
        readonly stream: InternalStream
        readonly request: Wire.Request
        readonly payload: unknown
        readonly from: From
        readonly deadline: number | undefined
        readonly discard: boolean
        answered = false
        readonly begun = nowUnsafe(clock)
        sent = 0
        #chunks: ((values: NonEmptyReadonlyArray<unknown>) => Effect.Effect<void>) | undefined

        constructor(stream: InternalStream, request: Wire.Request, payload: unknown) {
          this.stream = stream
          this.request = request
          this.payload = payload
          this.from = fromOf(stream.peer)
          this.deadline = stream.expires
          this.discard = !wire.isStream && (request.flags & Wire.Flag.discard) !== 0
        }

        get headers() {
          return this.request.headers
        }

        span(effect: Effect.Effect<unknown, unknown>): Effect.Effect<unknown, unknown> {
          if (!traced) return effect
          const parent = fromTraceparent(this.stream.traceparent)
          const { attributes } = this.from
          return Effect.withSpan(
            effect,
            name,
            parent === undefined
              ? { captureStackTrace: false, kind: "server", attributes, root: true }
              : { captureStackTrace: false, kind: "server", attributes, parent }
          )
        }

        expired() {
          return this.stream.reset("deadline", "its time was up")
        }

        acknowledge() {
          return Effect.andThen(this.finish(Wire.Kind.success, nothing), this.stream.end)
        }

        onChunk(values: NonEmptyReadonlyArray<unknown>): Effect.Effect<void> {
          const send = this.#chunks ??= chunks(
            this.stream,
            this.request.window,
            wire.isRaw && (this.request.flags & Wire.Flag.raw) !== 0,
            (bytes) => {
              this.sent += bytes
            }
          )
          return send(values)
        }

        onExit(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
          const done = this.#answer(exit)
          const tag = Exit.isSuccess(exit)
            ? undefined
            : Cause.hasInterruptsOnly(exit.cause)
            ? "Interrupted"
            : Cause.hasDies(exit.cause)
            ? "internal"
            : "failed"
          this.from.meter.ended(
            nowUnsafe(clock) - this.begun,
            this.sent,
            this.request.payload.length,
            tag
          )
          return done
        }

        #answer(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
          if (Exit.isSuccess(exit)) {
            if (this.answered) return Effect.void
            return this.finish(Wire.Kind.success, wire.isStream ? nothing : wire.encodeSuccess(exit.value))
          }
          if (Cause.hasInterruptsOnly(exit.cause)) return Effect.void
          const failures = Wire.failuresOf(exit.cause)
          if (failures === exit.cause && !this.answered) {
            return this.finish(Wire.Kind.failure, wire.encodeExit(Exit.failCause(failures)))
          }
          // What breaks, or fails after it was acknowledged, is for the log of this node.
          const report = broke(this.from.caller.name, exit.cause)
          if (this.answered) return report
          return Effect.andThen(
            report,
            failures === undefined
              ? this.finish(Wire.Kind.broken, nothing)
              : this.finish(Wire.Kind.failure, wire.encodeExit(Exit.failCause(failures)))
          )
        }

        finish(kind: number, encoded: Effect.Effect<Uint8Array, Schema.SchemaError>): Effect.Effect<void> {
          this.answered = true
          const exit = Wire.valueOf(encoded)
          return exit !== undefined && Exit.isSuccess(exit)
            ? this.#say(kind, exit.value)
            : Effect.matchCauseEffect(encoded, {
              onSuccess: (bytes) => this.#say(kind, bytes),
              // It is not what its Schema says.
              onFailure: (cause) =>
                Effect.andThen(broke(this.from.caller.name, cause), this.#write([Wire.kindOnly(Wire.Kind.broken)]))
            })
        }

        #say(kind: number, bytes: Uint8Array): Effect.Effect<void> {
          this.sent += bytes.length
          if (bytes.length > limit) return this.stream.reset("too_large", `an answer over ${limit} bytes`)
          if (bytes.length <= atOnce) {
            this.stream.answerUnsafe([Wire.kindOnly(kind), bytes])
            return Effect.void
          }
          return this.#write([Wire.kindOnly(kind), bytes])
        }

        /** The stream may be reset already, which nobody here needs to hear of. */
        #write(parts: ReadonlyArray<Uint8Array>): Effect.Effect<void> {
          return Effect.ignore(this.stream.writeAll(parts))
        }
      }

      const runCall = (call: StreamCall): Effect.Effect<void> => {
        const work = execute(call)
        const { deadline } = call
        const timed = deadline === undefined ? work : Effect.withFiber<unknown, unknown>((fiber) =>
          Effect.andThen(
            Effect.forkChild(
              Effect.sleep(Math.max(0, deadline - nowUnsafe(clock))).pipe(
                Effect.andThen(call.expired()),
                // One that was acknowledged has no stream any more.
                Effect.andThen(Effect.sync(() => fiber.interruptUnsafe()))
              )
            ),
            work
          )
        )
        // An answered failure is over; of others the stream is told.
        return Effect.catchCause(
          timed,
          (cause) => call.answered ? Effect.void : Effect.failCause(cause as Cause.Cause<never>)
        ) as Effect.Effect<void>
      }

      /** Runs a call, if there is room for what its payload was decoded to. */
      const admit = (
        stream: InternalStream,
        request: Wire.Request,
        payload: unknown,
        held: ReturnType<Memory> | undefined
      ): Effect.Effect<void> => {
        const run = () => runCall(new StreamCall(stream, request, payload))
        if (!wire.hasLists || request.payload.length <= few) return run()
        return Effect.withFiber((fiber) => {
          const own = held ?? memory(stream.peer.publicKey)
          if (held === undefined) fiber.addObserver(own.free)
          const weight = weightOf(payload, 128 * limit)
          if (own.fits?.(weight) === false) {
            return stream.reset("too_large", "its lists take more memory than a call may have")
          }
          return own.room(weight) ? run() : stream.reset("refused", "no memory for it now")
        })
      }

      const answer = (
        stream: InternalStream,
        request: Wire.Request,
        held?: ReturnType<Memory>
      ): Effect.Effect<void> => {
        const mismatch = Effect.suspend(() =>
          Effect.ignore(stream.write(Wire.mismatchOf(wire.contract(), wire.hash())))
        )
        const wantsStream = (request.flags & Wire.Flag.stream) !== 0
        // Bytes of another schema may be read as values that nobody wrote: whoever has another contract finds out first whether
        // the two go together, and says so by calling with the hash of this one.
        if (wantsStream !== wire.isStream || !Wire.sameHash(request.hash, wire.hash())) return mismatch
        const decoded = wire.decodePayload(request.payload)
        const exit = Wire.valueOf(decoded)
        if (exit !== undefined && Exit.isSuccess(exit)) {
          return admit(stream, request, exit.value, held)
        }
        return Effect.matchCauseEffect(Effect.provideContext(decoded, base), {
          onSuccess: (payload) => admit(stream, request, payload, held),
          onFailure: (cause) =>
            // Whether it is bytes that no schema gave, or another schema's: the caller can tell.
            Cause.hasDies(cause) ? Effect.andThen(broke(stream.peer.name, cause), mismatch) : mismatch
        })
      }

      /** Reads a request that does not come at once, or is large. */
      const readSlowly = (stream: InternalStream, first: ReadonlyArray<Uint8Array>): Effect.Effect<void> => {
        const held = memory(stream.peer.publicKey)
        const pieces = new Pieces(keptAlive)
        let length: number | undefined
        const refused = (code: "too_large" | "refused" | "internal", detail: string) =>
          Effect.as(stream.reset(code, detail), undefined)
        const take = (parts: ReadonlyArray<Uint8Array>): Effect.Effect<Wire.Request | undefined, unknown> => {
          const before = pieces.held
          pieces.addAll(parts)
          if (!held.room(pieces.held - before)) return refused("refused", "no memory for it now")
          if (length === undefined && pieces.length >= 4) {
            length = pieces.u32(0)
            if (length > limit + Wire.maxHeaders + 64) return refused("too_large", `a call over ${limit} bytes`)
          }
          if (length !== undefined && pieces.length >= 4 + length) {
            pieces.skip(4)
            const request = Wire.decodeRequest(pieces.take(length))
            return typeof request === "string" ? refused("internal", request) : Effect.succeed(request)
          }
          return Effect.flatMap(stream.pull, take)
        }
        return Effect.withFiber((fiber) => {
          // Of the fiber and not in it: what is no effect deep inside of a handler's ends it without its finalizers.
          fiber.addObserver(held.free)
          return Effect.matchEffect(Effect.suspend(() => take(first)), {
            // It ended, or was given up, before it was whole.
            onFailure: (error) =>
              Cause.isDone(error) ? stream.reset("internal", "a request that is cut short") : Effect.void,
            onSuccess: (request) => request === undefined ? Effect.void : answer(stream, request, held)
          })
        })
      }

      const onStream = (given: SessionStream): Effect.Effect<void> => {
        const stream = given as InternalStream
        const parts = stream.readUnsafe()
        const [bytes] = parts
        if (
          parts.length === 1 && bytes!.length <= atOnce && bytes!.length > 4 &&
          Wire.getU32(bytes!, 0) === bytes!.length - 4
        ) {
          const request = Wire.decodeRequest(bytes!.subarray(4))
          return typeof request === "string" ? stream.reset("internal", request) : answer(stream, request)
        }
        return readSlowly(stream, parts)
      }

      return Effect.andThen(
        registry.add(entryOf(rpc, wire, limit, base, fromOf, execute)),
        sessions.handle({ protocol: Wire.protocol, name: rpc._tag }, onStream, {
          cancelled: RpcSchema.ClientAbort.annotation as Context.Context<never>,
          scoped: false
        })
      )
    }

    for (const rpc of group.requests.values()) yield* serveOne(rpc as unknown as Rpc.AnyWithProps)
  }) as Effect.Effect<void, any, any>

// --- calls by JSON -----------------------------------------------------------------------------------------------------------

const invalid = (description: string) => new RunError({ code: "invalid_arguments", description })

/** A call of a group as the callers of commands meet it: one argument, or keyword arguments, and a result that is JSON. */
const entryOf = (
  rpc: Rpc.AnyWithProps,
  wire: Wire.Wire,
  limit: number,
  base: Context.Context<never>,
  fromOf: (caller: Caller["Service"]) => From,
  execute: (call: Incoming) => Effect.Effect<unknown, unknown>
): Entry => {
  const name = rpc._tag
  const codec = (schema: Schema.Top) => Schema.toCodecJson(schema) as unknown as Schema.Codec<unknown, Schema.Json>
  const exit = Rpc.exitSchema(rpc as Rpc.Any)
  const decodePayload = Schema.decodeUnknownEffect(codec(rpc.payloadSchema))
  const success = wire.isStream ? (rpc.successSchema as any).success as Schema.Top : rpc.successSchema
  const encodeSuccess = Schema.encodeUnknownEffect(codec(success))
  const encodeError = Schema.encodeUnknownEffect(codec(exit.error as Schema.Top))
  const notJson = (error: Schema.SchemaError) =>
    new RunError({ code: "not_json", description: `its result is not what its Schema says: ${error.message}` })
  const tooLarge = new RunError({ code: "too_large", description: `its result is over ${limit} bytes` })
  // Hashed once, however often a peer asks.
  let description: Description | undefined

  return {
    name,
    describe: (): Description => {
      if (description !== undefined) return description
      const contract = wire.contract() as Record<string, Schema.Json>
      const takesNothing = (contract["payload"] as any)?.type === "null"
      return description = {
        name,
        kind: "rpc",
        args: takesNothing
          ? { type: "array", maxItems: 0 }
          : { type: "array", prefixItems: [contract["payload"]!], maxItems: 1 },
        kwargs: takesNothing ? { type: "object", maxProperties: 0 } : contract["payload"]!,
        success: contract["success"]!,
        error: contract["error"]!,
        stream: wire.isStream,
        contract: Contract.hashOf(contract)
      }
    },
    run: (call: Command.Call, args) => {
      const decode = args.length > 1
        ? Effect.fail(invalid(`${JSON.stringify(name)} takes one argument, or keyword arguments`))
        : args.length === 1
        ? Effect.mapError(decodePayload(args[0] === undefined ? null : args[0]), (error) => invalid(error.message))
        : Effect.catch(
          decodePayload(call.kwargs),
          (error) =>
            // What takes nothing is given nothing.
            Object.keys(call.kwargs).length > 0
              ? Effect.fail(invalid(error.message))
              : Effect.mapError(decodePayload(null), () => invalid(error.message))
        )
      const elements: Array<Schema.Json> = []
      let length = 2
      let failure: RunError | undefined
      const take = (value: unknown): Effect.Effect<Schema.Json, RunError> =>
        Effect.flatMap(Effect.mapError(encodeSuccess(value), notJson), (json) => {
          length += lengthUpTo(json, limit) + 1
          return length > limit ? Effect.fail(tooLarge) : Effect.succeed(json)
        })
      const run = (payload: unknown): Effect.Effect<Schema.Json, RunError> =>
        Effect.withFiber((fiber) =>
          Effect.matchCauseEffect(
            execute({
              payload,
              headers: Headers.empty,
              from: fromOf(call.from),
              deadline: fiber.getRef(CurrentDeadline),
              // The command has a span already.
              span: (effect) => Effect.withParentSpan(effect, call.span, { captureStackTrace: false }),
              discard: false,
              expired: () => Effect.void,
              acknowledge: () => Effect.void,
              onChunk: (values) =>
                Effect.catch(
                  Effect.forEach(values, (value) => Effect.map(take(value), (json) => elements.push(json)), {
                    discard: true
                  }),
                  (error) => {
                    failure = error
                    return Effect.interrupt
                  }
                ),
              onExit: () => Effect.void
            }),
            {
              onSuccess: (value) => wire.isStream ? Effect.succeed(elements) : take(value),
              onFailure: (cause): Effect.Effect<Schema.Json, RunError> => {
                if (failure !== undefined) return Effect.fail(failure)
                const failures = Wire.failuresOf(cause)
                if (failures === undefined) return Effect.failCause(cause as Cause.Cause<never>)
                const error = failures.reasons.find(Cause.isFailReason)!.error
                return Effect.flatMap(
                  Effect.mapError(encodeError(error), notJson),
                  (encoded) =>
                    Effect.fail(
                      new RunError({
                        code: "failed",
                        description: error instanceof Error ? error.message.slice(0, 1_024) : "",
                        error: encoded
                      })
                    )
                )
              }
            }
          )
        )
      return Effect.flatMap(Effect.provideContext(decode, base), run) as Effect.Effect<Schema.Json, RunError>
    }
  }
}
