/**
 * Reading letters: one after the other, each acknowledged when its handler has succeeded and that is written down. One that fails is handled
 * again later, others meanwhile, and is put with the dead ones after so many times.
 */
import { AckPolicy, type Consumer, type JetStreamClient, type JsMsg } from "@nats-io/jetstream"
import type { KV } from "@nats-io/kv"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { MailboxError } from "../../MailError.ts"
import * as Subjects from "../../Subjects.ts"
import type { Fault, Letter } from "./letter.ts"

export interface Parts {
  readonly js: JetStreamClient
  /** The ids of letters that were handled. */
  readonly handled: KV
  readonly stream: string
  readonly network: string
  readonly token: string
  readonly attempts: number
  readonly retryAfter: number
  readonly open: (bytes: Uint8Array) => Result.Result<Letter, Fault>
  readonly trusted: (letter: Letter) => Effect.Effect<boolean>
}

// In milliseconds. The server gives a letter again that was not acknowledged by then; who still handles it says so.
const ackWait = 30_000
const workingEvery = 10_000
const askedFor = 5_000
const longestWait = 3_600_000

const failed = (cause: unknown) => new MailboxError({ cause })
const step = <A>(run: () => Promise<A>) => Effect.tryPromise({ try: run, catch: failed })

const nanos = (millis: number) => millis * 1_000_000

const consumerOf = ({ js, network, stream, token }: Parts): Effect.Effect<Consumer, MailboxError> =>
  step(() =>
    js.jetstreamManager().then((manager) =>
      manager.consumers.info(stream, token).catch(() =>
        manager.consumers.add(stream, {
          durable_name: token,
          ack_policy: AckPolicy.Explicit,
          ack_wait: nanos(ackWait),
          filter_subject: `pnet.${network}.*.mail.${token}`
        })
      )
    ).then(() => js.consumers.get(stream, token))
  )

/** The token of the sender, of a subject that the server has checked. */
const senderOf = (subject: string): string => subject.split(".")[2] ?? ""

/** Puts a letter with the dead ones, as it came. */
const bury = ({ js, network, token }: Parts, message: JsMsg) =>
  step(() => js.publish(Subjects.make(network, token, "dead", token), message.data, { msgID: `dead.${message.seq}` }))
    .pipe(Effect.andThen(Effect.sync(() => message.term())))

type Handler<E, R> = (letter: Letter, attempt: number) => Effect.Effect<void, E, R>

/** What becomes of one letter. */
const one = <E, R>(parts: Parts, message: JsMsg, handler: Handler<E, R>) =>
  Effect.gen(function*() {
    const { attempts, handled, open, retryAfter, token, trusted } = parts
    const from = senderOf(message.subject)
    const opened = open(message.data)
    if (Result.isFailure(opened) || Subjects.ofKey(opened.success.from.publicKey) !== from) {
      const why = Result.isFailure(opened) ? opened.failure : "Forged"
      yield* Effect.logWarning(`a letter from the node ${from} was dropped: ${why}`)
      return message.term()
    }
    const letter = opened.success
    if (!(yield* trusted(letter))) {
      yield* Effect.logWarning(`a letter from ${JSON.stringify(letter.from.name)} was dropped: its key is not trusted`)
      return message.term()
    }
    const key = `${token}.${from}.${letter.id}`
    if ((yield* step(() => handled.get(key))) !== null) return message.ack()
    const attempt = message.info.deliveryCount
    const working = Effect.sync(() => message.working()).pipe(Effect.schedule(Schedule.spaced(workingEvery)))
    const exit = yield* Effect.exit(handler(letter, attempt)).pipe(
      Effect.raceFirst(Effect.andThen(Effect.sleep(workingEvery), Effect.andThen(working, Effect.never)))
    )
    if (Exit.isSuccess(exit)) {
      yield* step(() => handled.put(key, new Uint8Array(0)))
      return message.ack()
    }
    if (Cause.hasInterruptsOnly(exit.cause)) return yield* Effect.failCause(exit.cause as Cause.Cause<never>)
    yield* Effect.logWarning(
      `handling the letter ${letter.id} of ${JSON.stringify(letter.from.name)} failed`,
      exit.cause
    )
    if (attempt >= attempts) return yield* bury(parts, message)
    message.nak(Math.min(longestWait, retryAfter * 4 ** (attempt - 1)))
  })

/** Handles letters, until the scope closes. */
export const handle = <E, R>(
  parts: Parts,
  handler: Handler<E, R>
): Effect.Effect<void, MailboxError, R | Scope.Scope> =>
  Effect.gen(function*() {
    const consumer = yield* consumerOf(parts)
    const next = Effect.gen(function*() {
      const message = yield* step(() => consumer.next({ expires: askedFor }))
      if (message !== null) yield* one(parts, message, handler)
    })
    yield* next.pipe(
      // The server is gone, or does not answer: what was not acknowledged comes again.
      Effect.catchTag("MailboxError", (error) =>
        Effect.andThen(Effect.logDebug(error.message), Effect.sleep("1 second"))),
      Effect.forever,
      Effect.forkScoped
    )
  })

/** The dead letters of this node, the oldest first. */
export const dead = (
  { js, network, open, stream, token }: Parts,
  most: number
): Effect.Effect<ReadonlyArray<Letter>, MailboxError> =>
  Effect.gen(function*() {
    const found: Array<Letter> = []
    const subject = Subjects.make(network, token, "dead", token)
    const consumer = yield* step(() => js.consumers.get(stream, { filter_subjects: subject }))
    const { num_pending: pending } = yield* step(() => consumer.info(true))
    for (let i = 0; i < Math.min(pending, most); i++) {
      const message = yield* step(() => consumer.next({ expires: askedFor }))
      if (message === null) break
      const opened = open(message.data)
      if (Result.isSuccess(opened)) found.push(opened.success)
    }
    return found
  })
